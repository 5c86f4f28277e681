"""Random programs of all rows that take part in networks: tables of numbers, images and sequences.

Correct code must be called right in them too. What there is of each kind is a list of layers, in each of which every number
stays moderate: a layer maps what it is given to the same shape, so that any may follow any. As with networks, a seed is a
program everywhere.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..case.writing import write

Tensor = Mapping[str, Any]
ROWS, COLUMNS = 6, 8
TABLE, IMAGE, SEQUENCE = [ROWS, COLUMNS], [2, 4, 6, 6], [2, 4, 8]
"""What layers are given: examples and features; examples, channels, height and width; examples, steps and features."""


def uniform(*shape: int, low: float = -0.7, high: float = 0.7) -> Tensor:
    return {"shape": list(shape), "uniform": [low, high]}


def positive(*shape: int) -> Tensor:
    return uniform(*shape, low=0.5, high=1.5)


def mask(*shape: int) -> Tensor:
    return {"shape": list(shape), "choice": [True, False], "dtype": "bool"}


def integers(most: int, *shape: int) -> Tensor:
    return {"shape": list(shape), "labels": most}


def signs(*shape: int, dtype: str = "float") -> Tensor:
    given: Tensor = {"shape": list(shape), "choice": [-1, 1]}
    return given if dtype == "float" else {**given, "dtype": dtype}


SQUARE = "({x} @ {x}.T) * 0.05 + P{i}"
"""A matrix that is positive definite, near the diagonal one P."""
DIAGONAL: Tensor = {"values": [[2.0 + 0.1 * r if r == c else 0.0 for c in range(ROWS)] for r in range(ROWS)]}

ACTIVATIONS = (
    *(
        "sigmoid({x})",
        "tanh({x})",
        "relu({x})",
        "relu6({x} * 4)",
        "leaky_relu({x}, slope=0.1)",
        "softplus({x})",
    ),
    *(
        "gelu({x})",
        'gelu({x}, approximate="tanh")',
        "silu({x})",
        "mish({x})",
        "log_sigmoid({x})",
        "softsign({x})",
    ),
    *("hard_tanh({x})", "hard_sigmoid({x} * 3)", "hard_swish({x} * 3)", "elu({x}, alpha=0.5)", "selu({x})"),
    *(
        "celu({x}, alpha=0.7)",
        "erf({x})",
        "clip({x}, low=-0.8, high=0.9)",
        "{x} * stop_gradient(sigmoid({x}))",
    ),
)

TABLES: Sequence[tuple[str, Mapping[str, Tensor]]] = (
    *((text, {}) for text in ACTIVATIONS),
    ("prelu({x}, a{i})", {"a{i}": positive(COLUMNS)}),
    ("glu(concat({x}, {y}, axis=1))", {}),
    ("linear({x}, W{i}, b{i})", {"W{i}": uniform(COLUMNS, COLUMNS), "b{i}": uniform(COLUMNS)}),
    ("linear({x}, weight_norm(W{i}, g{i}))", {"W{i}": uniform(COLUMNS, COLUMNS), "g{i}": positive(COLUMNS, 1)}),
    ("dropout({x}, m{i}, rate=0.5)", {"m{i}": mask(*TABLE)}),
    *((f"{text}({{x}}, w{{i}}, b{{i}})", {"w{i}": positive(COLUMNS), "b{i}": uniform(COLUMNS)})
      for text in ("layer_norm", "batch_norm")),
    ("rms_norm({x}, w{i})", {"w{i}": positive(COLUMNS)}),
    ("group_norm({x}, groups=2)", {}),
    ("grouped_matmul({x}, W{i}, sizes{i})",
     {"W{i}": uniform(3, COLUMNS, COLUMNS), "sizes{i}": {"values": [2, 0, TABLE[0] - 2], "dtype": "int64"}}),
    ("batch_norm_inference({x}, mean{i}, var{i})", {"mean{i}": uniform(COLUMNS), "var{i}": positive(COLUMNS)}),
    *((f"mu{{i}}, v{{i}} = running_statistics({{x}}, mean{{i}}, var{{i}}, ddof={ddof})\nbatch_norm_inference({{x}}, mu{{i}}, v{{i}})",
       {"mean{i}": uniform(COLUMNS), "var{i}": positive(COLUMNS)}) for ddof in (0, 1)),
    *((f"{text}({{x}}, axis={axis})", {}) for text in ("softmax", "log_softmax", "cumsum", "flip") for axis in (0, 1)),
    ("masked_softmax({x}, m{i} | (E{i} == 1)) + {y}", {"m{i}": mask(*TABLE), "E{i}": {"shape": TABLE, "one_hot": 1}}),
    *((text, {}) for text in (
        "exp(tanh({x}))", "log(1 + square({x}))", "sqrt(1 + square({x}))", "sin({x})", "cos({x})", "tan(tanh({x}))",
        "asin(0.9 * tanh({x}))", "acos(0.9 * tanh({x}))", "atan({x})", "sinh(tanh({x}))", "cosh(tanh({x}))", "asinh({x})",
        "acosh(2 + square({x}))", "atanh(0.9 * tanh({x}))", "lgamma(1.5 + sigmoid({x}))", "log2(1 + exp(-abs({x})))",
        "log10(1 + square({x}))", "exp2(tanh({x}))", "expm1(tanh({x}))", "log1p(square({x}))", "erfc({x})",
        "rsqrt(1 + square({x}))", "reciprocal(2 + sin({x}))", "abs({x}) - 0.2", "neg({x})", "{x} ** 3 * 0.1",
        "(1 + square({x})) ** (0.5 * tanh({y}))", "atan2({x}, 2 + square({y}))", "hypot({x}, 1 + {y})",
        "logaddexp({x}, {y})", "xlogy(square({x}), 1 + square({y}))", "{x} / (1 + square({y}))", "{x} - 0.9 * {y}",
        "maximum({x}, {y})", "minimum({x}, {y})", "{x} * tanh({y})", "where({x} > {y}, {x}, 0.1 * {y})",
        "where(({x} >= 0) & ~({y} < 0.1) | ({y} <= -0.5), {y}, {x})", "where(({x} != 0) | ({y} == 0), {x}, {y})",
        "{x} - round({x} * 0.5)", "{x} * 0.5 + floor({y})", "{x} * 0.5 + ceil({y})", "{x} * sign({y})",
        "mod({x}, 1.5 + sigmoid({y}))", "{x} - mean({x}, axis=0, keepdims=True)", "{x} / (1 + norm({x}, axis=1, keepdims=True))",
        "{x} - max({x}, axis=1, keepdims=True)", "{x} - min({x}, axis=0, keepdims=True)",
        "{x} * prod(sigmoid({y}), axis=1, keepdims=True)", "{x} * 0.3 + logsumexp({y}, axis=1, keepdims=True)",
        "{x} / (1 + std({x}, axis=0, keepdims=True))", "{x} * var({y}, axis=1, keepdims=True, ddof=1)",
        "tanh({x} * sum({y}, axis=0, keepdims=True))", "{x} * (0.1 * sum_squares({y}))", "cumprod(1 + 0.2 * tanh({x}))",
        "sort({x}, axis=1)", "sort({x}, axis=0, descending=True)", "roll({x}, shift=2, axis=1)", "{x}.T.T",
        "concat(tril({x}, k=1)[:, :4], triu({x})[:, 4:], axis=1)", "stack({x}, {y}, axis=0)[1]",
        "squeeze(expand_dims({x}, axis=0), axis=0)", "reshape(reshape({x}, shape=(8, 6)), shape=(6, 8))",
        "repeat({x}[:, :4], repeats=2, axis=1)", "tile({x}[:3], repeats=(2, 1))", "broadcast_to({x}[:1], shape=(6, 8)) * {y}",
        "{x} * diagonal({y})[:, None]", "{x} * trace({y} @ {y}.T) * 0.01", "diag({x}[:, 0]) @ {y}",
        "outer({x}[:, 0], {y}[0])", 'einsum({x}, {y}, equation="ij,kj->ik") @ {y} * 0.1',
        "(cdist({x}, {y}) @ {x}) * 0.1", "{x} * cosine_similarity({x}, {y})[:, None]",
        "irfft({x}[:, :5], {y}[:, :5])", "{x} * one_hot(argmax({y}), classes=8)", "{x} - one_hot(argmin({y}), classes=8)",
        'pad({x}, padding=((0, 0), (1, 1)), mode="reflect")[:, :8]', "{x} * pad({y}, padding=((0, 0), (0, 2)))[:, 2:]",
    )),
    ("re{i}, im{i} = rfft({x})\n{x} * sum(re{i} * im{i}, axis=1, keepdims=True) * 0.1", {}),
    ("left{i}, right{i} = split({x})\nconcat(right{i}, left{i}, axis=1)", {}),
    ("most{i}, at{i} = topk({x}, k=4)\nconcat(most{i}, gather({y}, at{i}), axis=1)", {}),
    ("gather({x}, j{i})", {"j{i}": integers(COLUMNS, *TABLE)}),
    ("scatter_add({x}, j{i}, {y})", {"j{i}": integers(COLUMNS, *TABLE)}),
    ("take({x}, j{i})", {"j{i}": integers(ROWS, ROWS)}),
    ("{x} + embedding(j{i}, E{i}, padding_idx=2)", {"j{i}": integers(5, ROWS), "E{i}": uniform(5, COLUMNS)}),
    *((f"{text}({SQUARE}) @ {{y}}", {"P{i}": DIAGONAL}) for text in ("inv", "cholesky")),
    (f"solve({SQUARE}, {{y}})", {"P{i}": DIAGONAL}),
    (f"{{y}} * log(det({SQUARE}))", {"P{i}": DIAGONAL}),
    (f"sign{{i}}, log{{i}} = slogdet({SQUARE})\n{{y}} * log{{i}} * sign{{i}}", {"P{i}": DIAGONAL}),
)  # fmt: skip


def kernel(*shape: int) -> dict[str, Tensor]:
    return {"K{i}": uniform(*shape, low=-0.4, high=0.4), "b{i}": uniform(shape[0])}


IMAGES: Sequence[tuple[str, Mapping[str, Tensor]]] = (
    *((text, {}) for text in ACTIVATIONS),
    ("prelu({x}, a{i})", {"a{i}": positive(4)}),
    ("conv2d({x}, K{i}, b{i}, padding=1)", kernel(4, 4, 3, 3)),
    ("conv2d({x}, K{i}, b{i}, padding=2, dilation=2, groups=2)", kernel(4, 2, 3, 3)),
    ('conv2d({x}, K{i}, b{i}, padding="same", groups=4)', kernel(4, 1, 3, 3)),
    ("conv_transpose2d({x}[:, :, ::2, ::2], K{i}, b{i}, stride=2, padding=1, output_padding=1)", kernel(4, 4, 3, 3)),
    ("upsample_nearest(conv2d({x}, K{i}, b{i}, stride=2, padding=1), scale=2)", kernel(4, 4, 3, 3)),
    ("upsample_bilinear(max_pool2d({x}, size=2), scale=2)", {}),
    ("upsample_bilinear(avg_pool2d({x}, size=3, stride=2, padding=1), scale=2, align_corners=True)", {}),
    ("upsample_bicubic(avg_pool2d({x}, size=2, ceil_mode=True), scale=2)", {}),
    ("max_pool2d({x}, size=3, stride=1, padding=1)", {}),
    ("avg_pool2d({x}, size=3, stride=1, padding=1, count_padding=False)", {}),
    ("{x} * sigmoid(adaptive_avg_pool2d({y}, size=1))", {}),
    ("pixel_shuffle(conv2d({x}, K{i}, b{i}, stride=2, padding=1), factor=2)", kernel(16, 4, 3, 3)),
    ("{x} + 0.1 * mean(unfold({y}, size=3, padding=1), axis=1, keepdims=False)[:, None, None, :6]", {}),
    ("grid_sample({x}, grid{i})", {"grid{i}": uniform(2, 6, 6, 2, low=-1.1, high=1.1)}),
    ('pad({x}, padding=((0, 0), (0, 0), (1, 1), (2, 0)), mode="edge")[:, :, 1:7, :6]', {}),
    ("reshape(conv1d(reshape({x}, shape=(2, 4, 36)), K{i}, b{i}, padding=1), shape=(2, 4, 6, 6))", kernel(4, 4, 3)),
    ("reshape(conv_transpose1d(reshape({x}, shape=(2, 4, 36)), K{i}, padding=1), shape=(2, 4, 6, 6))",
     {"K{i}": uniform(4, 4, 3)}),
    ("reshape(max_pool1d(reshape({x}, shape=(2, 4, 36)), size=3, stride=1, padding=1), shape=(2, 4, 6, 6))", {}),
    ("reshape(avg_pool1d(reshape({x}, shape=(2, 4, 36)), size=3, stride=1, padding=1), shape=(2, 4, 6, 6))", {}),
    ("{x} * adaptive_avg_pool1d(reshape({y}, shape=(2, 4, 36)), size=6)[:, :, None, :]", {}),
    ("reshape(conv3d(reshape({x}, shape=(2, 2, 2, 6, 6)), K{i}, b{i}, padding=1), shape=(2, 4, 6, 6))", kernel(2, 2, 3, 3, 3)),
    ("reshape(conv_transpose3d(reshape({x}, shape=(2, 2, 2, 6, 6)), K{i}, padding=1), shape=(2, 4, 6, 6))",
     {"K{i}": uniform(2, 2, 3, 3, 3, low=-0.3, high=0.3)}),
    ("reshape(max_pool3d(reshape({x}, shape=(2, 1, 4, 6, 6)), size=3, stride=1, padding=1), shape=(2, 4, 6, 6))", {}),
    ("reshape(avg_pool3d(reshape({x}, shape=(2, 1, 4, 6, 6)), size=3, stride=1, padding=1), shape=(2, 4, 6, 6))", {}),
    *((f"{text}({{x}}, w{{i}}, b{{i}})", {"w{i}": positive(4), "b{i}": uniform(4)}) for text in ("batch_norm", "instance_norm")),
    ("group_norm({x}, w{i}, b{i}, groups=2)", {"w{i}": positive(4), "b{i}": uniform(4)}),
    ("batch_norm_inference({x}, mean{i}, var{i}, w{i}, b{i})",
     {"mean{i}": uniform(4), "var{i}": positive(4), "w{i}": positive(4), "b{i}": uniform(4)}),
    ("transpose(layer_norm(transpose({x}, axes=(0, 2, 3, 1)), w{i}, b{i}), axes=(0, 3, 1, 2))",
     {"w{i}": positive(4), "b{i}": uniform(4)}),
    ("dropout({x}, m{i}, rate=0.25)", {"m{i}": mask(*IMAGE)}),
    ("{x} + {y}", {}),
    ("conv2d(concat({x}, {y}, axis=1), K{i}, b{i})", kernel(4, 8, 1, 1)),
)  # fmt: skip

STATE = {"zero{i}": {"shape": [2, 8], "full": 0}}


def recurrent(gates: int) -> dict[str, Tensor]:
    return {
        **STATE, "U{i}": uniform(8 * gates, 8, low=-0.4, high=0.4), "V{i}": uniform(8 * gates, 8, low=-0.4, high=0.4),
        "a{i}": uniform(8 * gates), "b{i}": uniform(8 * gates),
    }  # fmt: skip


def heads(x: str, name: str, count: int = 2) -> str:
    """The text of queries, keys or values."""
    return f"transpose(reshape({x} @ {name}{{i}}, shape=(2, 4, {count}, 4)), axes=(0, 2, 1, 3))"


def attention(more: str, shared: int = 2) -> str:
    given = ", ".join((heads("{x}", "Q"), heads("{x}", "K", shared), heads("{y}", "V", shared)))
    return f"reshape(transpose(attention({given}{more}), axes=(0, 2, 1, 3)), shape=(2, 4, 8))"


PROJECTED = {name: uniform(8, 8, low=-0.5, high=0.5) for name in ("Q{i}", "K{i}", "V{i}")}
SHARED = {**PROJECTED, **{name: uniform(8, 4, low=-0.5, high=0.5) for name in ("K{i}", "V{i}")}}

SEQUENCES: Sequence[tuple[str, Mapping[str, Tensor]]] = (
    *((text, {}) for text in ACTIVATIONS),
    *((f"s{{i}}, h{{i}} = rnn({{x}}, zero{{i}}, U{{i}}, V{{i}}, a{{i}}, b{{i}}, batch_first=True{unit})\ns{{i}} + h{{i}}[:, None]", recurrent(1))
      for unit in ("", ", nonlinearity='relu'")),
    ("s{i}, h{i} = gru({x}, zero{i}, U{i}, V{i}, a{i}, b{i}, batch_first=True)\ns{i} + h{i}[:, None]", recurrent(3)),
    ("s{i}, h{i} = gru({x}, zero{i}, U{i}, V{i}, batch_first=True, reverse=True)\ns{i} + h{i}[:, None]",
     {name: t for name, t in recurrent(3).items() if name[0] not in "ab"}),
    ("s{i}, h{i}, c{i} = lstm({x}, zero{i}, zero{i}, U{i}, V{i}, a{i}, b{i}, batch_first=True)\ns{i} + (h{i} * c{i})[:, None]",
     recurrent(4)),
    (attention(""), PROJECTED),
    (attention(", causal=True"), PROJECTED),
    (attention(", keep{i}"), {**PROJECTED, "keep{i}": {"values": [[True, True, True, False], [True] * 4, [True] * 4, [False, True, True, True]], "dtype": "bool"}}),
    (attention(", groups=2", shared=1), SHARED),
    ("linear(gelu(linear({x}, U{i}, u{i})), V{i})", {"U{i}": uniform(16, 8), "u{i}": uniform(16), "V{i}": uniform(8, 16, low=-0.4, high=0.4)}),
    ("linear(silu(linear({x}, U{i})) * linear({y}, V{i}), D{i})",
     {"U{i}": uniform(12, 8), "V{i}": uniform(12, 8), "D{i}": uniform(8, 12, low=-0.4, high=0.4)}),
    ("glu(linear({x}, U{i}))", {"U{i}": uniform(16, 8)}),
    ("layer_norm({x}, w{i}, b{i})", {"w{i}": positive(8), "b{i}": uniform(8)}),
    ("rms_norm({x}, w{i})", {"w{i}": positive(8)}),
    ("{x} + embedding(ids{i}, E{i})", {"ids{i}": integers(7, 2, 4), "E{i}": uniform(7, 8)}),
    ("dropout({x}, m{i}, rate=0.1)", {"m{i}": mask(*SEQUENCE)}),
    ("{x} + {y}", {}),
    ("roll({x}, shift=1, axis=1)", {}),
    ("{x} - mean({x}, axis=1, keepdims=True)", {}),
    ('einsum(softmax(einsum({x}, {y}, equation="btf,bsf->bts")), {y}, equation="bts,bsf->btf")', {}),
)  # fmt: skip

LOSSES: Sequence[tuple[str, Mapping[str, Tensor]]] = (
    *((f"{text}(z, t)", {"t": uniform(*TABLE)}) for text in ("mse", "mae", "huber", "smooth_l1")),
    ("huber(z, t, delta=0.3)", {"t": uniform(*TABLE)}),
    ("gaussian_nll(z, t, 0.2 + softplus(z))", {"t": uniform(*TABLE)}),
    ("poisson_nll(z, t)", {"t": {"shape": TABLE, "choice": [0, 1, 2, 3]}}),
    ("bce(sigmoid(z), t)", {"t": {"shape": TABLE, "choice": [0, 1]}}),
    ("bce_with_logits(z, t, w, p)", {"t": {"shape": TABLE, "choice": [0, 1]}, "w": positive(*TABLE), "p": positive(COLUMNS)}),
    ("cross_entropy(z, t)", {"t": integers(COLUMNS, ROWS)}),
    ("cross_entropy(z, t, ignore_index=2)", {"t": integers(COLUMNS, ROWS)}),
    ("cross_entropy(z, t, w, label_smoothing=0.1)", {"t": integers(COLUMNS, ROWS), "w": positive(COLUMNS)}),
    ("nll(log_softmax(z), t)", {"t": integers(COLUMNS, ROWS)}),
    ("kl_div(log_softmax(z), softmax(t))", {"t": uniform(*TABLE)}),
    *((f"{text}(z, t)", {"t": signs(*TABLE)}) for text in ("hinge", "squared_hinge")),
    *((f"{text}(z, t)", {"t": signs(*TABLE, dtype="int64")}) for text in ("hinge_embedding", "soft_margin")),
    ("margin_ranking(z, u, t, margin=0.2)", {"u": uniform(*TABLE), "t": signs(*TABLE)}),
    ("cosine_embedding(z, u, t, margin=0.1)", {"u": uniform(*TABLE), "t": signs(ROWS, dtype="int64")}),
    ("triplet_margin(z, u, t)", {"u": uniform(*TABLE), "t": uniform(*TABLE)}),
    ("ctc_loss(reshape(z, shape=(6, 2, 4)), t)", {"t": {"values": [[1, 2], [3, 1]], "dtype": "int64"}}),
    ("norm(z)", {}),
    ("sum_squares(z) + logsumexp(reshape(z, shape=(48,)))", {}),
)  # fmt: skip

GIVEN = re.compile(r"(t|u|w|p|target|P\d+|(mean|var|zero)\d+)$")
"""Targets, weights of classes and running statistics: few frameworks have gradients towards them."""

ENDS = {
    "tables": "{x} + 0.1 * target",
    "images": "reshape(mean({x}, axis=(2, 3)), shape=(1, 8)) * target",
    "sequences": "reshape({x}, shape=(8, 8))[:6]",
}
"""How what is left becomes a table."""


def _drawn(
    kind: str, seed: int, shape: Sequence[int], layers: Sequence[tuple[str, Mapping[str, Tensor]]]
) -> str:
    """The text of a case: some layers one after the other, each of what any before it gave, and a loss."""
    rng = random.Random(f"{kind} {seed}")  # noqa: S311 (reproducible, not secret)
    names, lines = ["x0", "x1"], list[str]()
    tensors: dict[str, Tensor] = {
        "x0": uniform(*shape, low=-1, high=1),
        "x1": uniform(*shape, low=-1, high=1),
    }
    for i in range(2, 2 + rng.choice((2, 4, 6))):
        text, given = rng.choice(layers)
        x, y = names[-1], rng.choice(names)
        *before, last = text.format(x=x, y=y, i=i).split("\n")
        lines += [*before, f"x{i} = {last}"]
        tensors |= {name.format(i=i): tensor for name, tensor in given.items()}
        names.append(f"x{i}")
    loss, given = rng.choice(LOSSES)
    tensors |= {**given, "target": uniform(ROWS, COLUMNS)}
    lines += [f"z = {ENDS[kind].format(x=names[-1])}", f"loss = {loss}"]
    read = set(re.findall(r"\w+", " ".join(line.partition("=")[2] for line in lines)))
    used = {name: tensor for name, tensor in tensors.items() if name in read}
    return write(
        {
            "title": f"Random program {seed}: {kind}",
            "source": f"harness.power.architectures, {kind}, seed {seed}",
            "seed": seed,
            "program": "".join(f"{line}\n" for line in _useful(lines)),
            "values": ["z", "loss"],
            "gradients": [
                name
                for name, t in used.items()
                if "dtype" not in t and "labels" not in t and not GIVEN.match(name)
            ],
            "tensors": used,
        }
    )


def _useful(lines: Sequence[str]) -> list[str]:
    """Every assignment: what is read by none is added to the loss, so that it counts."""
    read = set(re.findall(r"\w+", " ".join(line.partition("=")[2] for line in lines)))
    unread = [
        line.partition(" =")[0]
        for line in lines[:-1]
        if line.partition(" =")[0] not in {*read, "z"} and "," not in line.partition(" =")[0]
    ]
    *others, loss = lines
    return [*others, loss + "".join(f" + 0.1 * mean({name} * {name})" for name in unread)]


ARCHITECTURES: Mapping[str, Callable[[int], str]] = {
    "tables": lambda seed: _drawn("tables", seed, TABLE, TABLES),
    "images": lambda seed: _drawn("images", seed, IMAGE, IMAGES),
    "sequences": lambda seed: _drawn("sequences", seed, SEQUENCE, SEQUENCES),
}
