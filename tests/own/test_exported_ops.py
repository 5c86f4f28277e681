"""A call of torch each: the imported case is held to the module, and has the row that the call is of."""

import pytest
from exports_together import exported_together, held
from gradient_conformance.harness.own import exported

pytestmark = pytest.mark.framework
CALLS = {
    "rfft": ("torch.fft.rfft(x, dim=0).abs()", "x=5,3", "rfft hypot"),
    "rfft, scaled": ("torch.view_as_real(torch.fft.rfft(x, norm='ortho'))", "x=3,6", "rfft mul stack"),
    "irfft": ("torch.fft.irfft(torch.complex(x, y), n=7, norm='forward')", "x=2,4 y=2,4", "irfft mul"),
    "a filter": ("torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(y).conj(), n=6)", "x=2,6 y=6", "rfft irfft"),
    "a filter of known numbers": ("torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(torch.eye(4)))", "x=2,4,4", "rfft irfft"),
    "complex weights": ("torch.fft.irfft(torch.fft.rfft(x, norm='ortho') * torch.view_as_complex(y), n=6, norm='ortho')", "x=3,6 y=4,2", "rfft irfft"),
    "fft": ("torch.fft.fft(torch.fft.fft(x, dim=-1), dim=-2).real", "x=2,4,5", "rfft flip"),
    "ifft": ("(torch.fft.ifft2(torch.fft.fft2(x) * torch.fft.fft2(y))).real", "x=4,3 y=4,3", "rfft"),
    "inv": ("torch.linalg.inv(x)", "x=2,3,3", "inv"),
    "solve": ("torch.linalg.solve(x, y)", "x=3,3 y=3,2", "solve"),
    "a triangle": ("torch.linalg.solve_triangular(x, y, upper=False)", "x=3,3 y=3,2", "tril solve"),
    "det": ("torch.det(x)", "x=2,3,3", "det"),
    "slogdet": ("torch.linalg.slogdet(x)[1]", "x=2,3,3", "slogdet"),
    "logdet": ("torch.logdet(x @ x.T)", "x=3,3", "slogdet"),
    "cholesky": ("torch.linalg.cholesky(x @ x.T + torch.eye(3), upper=True)", "x=3,3", "cholesky transpose"),
    "cholesky_solve": ("torch.cholesky_solve(y, torch.linalg.cholesky(x @ x.T + torch.eye(3)))", "x=3,3 y=3,2", "cholesky solve"),
    "a norm of order 3": ("x.norm(p=3, dim=1)", "x=3,4", "norm"),
    "the largest": ("torch.linalg.vector_norm(x, torch.inf)", "x=3,4", "norm"),
    "cdist": ("torch.cdist(x, y)", "x=3,2 y=4,2", "cdist"),
    "cdist of order 1": ("torch.cdist(x, y, p=1)", "x=2,3,2 y=2,4,2", "cdist"),
    "bilinear": ("F.bilinear(x, y, z)", "x=4,2 y=4,3 z=5,2,3", "einsum"),
    "einsum of three": ("torch.einsum('bi,ij,bj->b', x, y, z)", "x=4,2 y=2,3 z=4,3", "einsum"),
    "grid_sample": ("F.grid_sample(x, y, align_corners=False)", "x=1,2,4,4 y=1,3,3,2", "grid_sample"),
    "grid_sample, nearest": ("F.grid_sample(x, y, mode='nearest', padding_mode='border', align_corners=True)", "x=1,2,4,4 y=1,3,3,2", "grid_sample"),
    "bicubic": ("F.interpolate(x, scale_factor=2, mode='bicubic')", "x=1,2,4,4", "upsample_bicubic"),
    "one_hot": ("x * F.one_hot(x.argmax(-1), 3).float()", "x=2,3", "argmax one_hot"),
    "ctc_loss": ("F.ctc_loss(x.log_softmax(-1), torch.tensor([[1, 2], [2, 2]]), torch.tensor([5, 4]), torch.tensor([2, 1]))", "x=5,2,4", "ctc_loss"),
    "ctc_loss, in one row": ("F.ctc_loss(x.log_softmax(-1), torch.tensor([1, 2, 2]), (5, 4), (2, 1), blank=3, reduction='sum', zero_infinity=True)", "x=5,2,4", "ctc_loss"),
    "cosine_embedding": ("F.cosine_embedding_loss(x, y, torch.tensor([1, -1, 1]), margin=0.1)", "x=3,2 y=3,2", "cosine_embedding"),
    "hinge_embedding": ("F.hinge_embedding_loss(x, torch.tensor([1.0, -1, 1]))", "x=3", "hinge_embedding"),
    "margin_ranking": ("F.margin_ranking_loss(x, y, torch.tensor([1, -1, 1]))", "x=3 y=3", "margin_ranking"),
    "soft_margin": ("F.soft_margin_loss(x, torch.tensor([1, -1, 1.0]))", "x=3", "soft_margin"),
    "triplet_margin": ("F.triplet_margin_loss(x, y, z)", "x=3,2 y=3,2 z=3,2", "triplet_margin"),
    "triplet_margin of order 1": ("F.triplet_margin_loss(x, y, z, p=1, swap=True)", "x=3,2 y=3,2 z=3,2", "norm minimum"),
    "poisson_nll": ("F.poisson_nll_loss(x, y.exp())", "x=3,2 y=3,2", "poisson_nll"),
    "poisson_nll, in full": ("F.poisson_nll_loss(x.exp(), 3 * y.exp(), log_input=False, full=True)", "x=3,2 y=3,2", "poisson_nll where"),
    "conv_transpose1d": ("F.conv_transpose1d(x, y, stride=2, padding=1, output_padding=1)", "x=1,2,5 y=2,3,3", "conv_transpose1d"),
    "conv_transpose3d": ("F.conv_transpose3d(x, y, stride=2, groups=2)", "x=1,2,3,3,3 y=2,2,2,2,2", "conv_transpose3d"),
    "a dilated pool": ("F.max_pool2d(x, 2, dilation=2, stride=1)", "x=1,2,5,5", "max_pool2d"),
    "a pool that tells places": ("F.max_pool2d(x, 2, return_indices=True)[0]", "x=1,2,4,4", "max_pool2d"),
    "adaptive_max_pool": ("F.adaptive_max_pool2d(x, 2)", "x=1,2,4,6", "max_pool2d"),
    "unfold": ("F.unfold(x, 2, padding=1)", "x=1,2,4,4", "unfold"),
    "a batch norm that infers": ("F.batch_norm(x, torch.tensor([0.1, 0.2]), torch.tensor([1.0, 2.0]), z, eps=0.01)", "x=3,2 z=2", "batch_norm_inference"),
    "at a kink the side that torch has": ("F.relu6(x * torch.tensor([0.0, 1, 1])) + torch.clamp(y, 0, 1)", "x=2,3 y=2,3", "relu6 clip"),
    "a slope that torch has in float32": ("F.hardsigmoid(x) + F.celu(y, 1.7)", "x=2,3 y=2,3", "hard_sigmoid celu"),
    "weight_norm": ("torch._weight_norm(x, y, 0)", "x=3,2 y=3,1", "weight_norm"),
    "diag": ("torch.diag(x) + torch.outer(x, y)", "x=3 y=3", "diag outer"),
    "diagonals": ("torch.diagonal(x, dim1=-2, dim2=-1) * torch.trace(y)", "x=2,3,3 y=3,3", "diagonal trace"),
    "sort": ("torch.sort(x, dim=0, descending=True)[0]", "x=4,3", "sort"),
    "max and where": ("x.max(-1)[0] * F.one_hot(x.min(-1)[1], 2).double().sum(-1)", "x=4,2", "max argmin one_hot"),
    "repeat": ("torch.repeat_interleave(x, 2, dim=0)", "x=2,3", "repeat"),
    "mod": ("torch.lgamma(3 + x % 2).trunc() + torch.lgamma(3 + x % 2)", "x=2,3", "mod lgamma sign floor"),
    "a row of padding": ("F.embedding(torch.tensor([0, 1, 0]), x, padding_idx=0)", "x=2,3", "embedding"),
    "a row of padding that no id is": ("F.embedding(torch.tensor([2, 1, 2]), x, padding_idx=0)", "x=3,2", "embedding"),
    "what no gradient is taken of": ("torch.no_grad()(lambda a: (a.tanh(), a.exp()))(x)[1] * y", "x=2,3 y=2,3", "exp stop_gradient mul"),
    "a recurrent layer of relus": ("torch.rnn_relu(x, torch.zeros(1, 2, 4), (y, z), False, 1, 0.0, True, False, False)[0]", "x=3,2,3 y=4,3 z=4,4", "rnn"),
    "bags": ("F.embedding_bag(torch.tensor([[0, 1], [1, 1]]), x, mode='sum')", "x=2,3", "embedding sum"),
    "pairs of places": ("x[:, torch.tensor([0, 1, -1]), torch.tensor([1, 0, 2])]", "x=2,3,4", "reshape take"),
    "var_mean": ("torch.var_mean(x, dim=1)[0]", "x=3,4", "var"),
    "what is drawn behind a dropout of nothing": ("F.dropout(x, 0.0, True) * torch.rand(2, 3)", "x=2,3", "mul"),
    "a dropout of what is known": ("x + F.dropout(torch.ones(4, 3), 0.5, True) * torch.rand(4, 3)", "x=4,3", "add"),
    "noise of a shape": ("x * torch.randn_like(x + y) + torch.ones_like(y)", "x=2,3 y=2,3", "mul"),
    "a part set to nothing": ("(lambda part: (part[1:].zero_(), part)[1])(x.clone())", "x=3,2", "concat"),
    "resized": ("F.interpolate(x, (5, 3), mode='bilinear') + F.interpolate(y, (5, 3), mode='nearest')", "x=1,2,3,4 y=1,2,3,4", "matmul"),
    "resized without aliases": ("F.interpolate(x, (3, 5), mode='bicubic', antialias=True)", "x=2,2,6,4", "matmul"),
    "a pad by less than nothing": ("F.pad(x, (-1, 2)) + F.pad(y, (-1, -1, 0, -1))", "x=2,3 y=3,6", "index pad"),
    "whole channels dropped": ("F.dropout2d(x, 0.5, True) + F.alpha_dropout(x, 0.5, True)", "x=2,3,4,4", "mul"),
}  # fmt: skip
FILE = """
import torch
import torch.nn.functional as F

CALLS = {calls!r}


def made(call, inputs):
    class Model(torch.nn.Module):
        def forward(self, x, y=None, z=None):
            return eval(call, globals(), {{"x": x, "y": y, "z": z}})

    random = torch.Generator().manual_seed(3)
    sizes = [[int(n) for n in each[2:].split(",")] for each in inputs.split()]
    return Model(), tuple(torch.rand(each, generator=random) - 0.3 for each in sizes)


for number, (call, inputs, _) in enumerate(CALLS):
    globals()[f"call_{{number}}"] = lambda call=call, inputs=inputs: made(call, inputs)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What comes back of each call, by its number."""
    asked = {str(i): {"function": f"call_{i}"} for i in range(len(CALLS))}
    return exported_together(
        "torch", FILE.format(calls=[*CALLS.values()]), tmp_path_factory.mktemp("calls"), asked
    )


@pytest.mark.parametrize("name", CALLS)
def test_the_case_of_a_call_is_the_call(name, folder):
    held(folder / str([*CALLS].index(name)), CALLS[name][2])


def test_a_row_of_padding_is_said_where_an_id_is_in_it(folder):
    texts = [
        exported.read_back(folder / str([*CALLS].index(name))).text
        for name in ("a row of padding", "a row of padding that no id is")
    ]
    assert ["padding_idx" in text for text in texts] == [True, False]
