"""`harness import FILE.py:FUNCTION`: a torch module becomes a case, which is held to what the module gives itself."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.frameworks.found import framework, shipped_adapters
from gradient_conformance.harness.own import exported
from gradient_conformance.harness.own.errors import OwnError

pytestmark = pytest.mark.framework
MODEL = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.drop = nn.Dropout(0.25)
        self.second = nn.Linear(8, 3)

    def forward(self, x, labels):
        h = self.drop(torch.tanh(self.first(x)))
        return nn.functional.cross_entropy(self.second(h), labels)


def make():
    torch.manual_seed(1)
    return Model(), (torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0]))
"""


@pytest.fixture
def imported(tmp_path, monkeypatch, capfd):
    """What the command says of a file of this text, and the exit code."""
    monkeypatch.chdir(tmp_path)
    python = interpreter("torch")[0]

    def run(text, *more):
        Path("mine.py").write_text(text)
        code = main(["import", "mine.py:make", f"--interpreter=torch={python}", *more])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


TIED = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.unused = nn.Linear(4, 4)

    def forward(self, x):
        return self.head(torch.tanh(self.embed(x))).square().sum()


def make():
    torch.manual_seed(1)
    return Model(), (torch.tensor([0, 1, 2, 1, 0]),)
"""


def test_a_weight_of_two_names_and_one_that_is_not_used_are_told_and_the_case_can_be_loaded(imported):
    code, _, err = imported(TIED, "--write=cases/own/tied.toml")
    assert code == 0, err
    assert re.search(r"; not used: (embed|head)_weight, unused_weight, unused_bias$", err, re.MULTILINE)
    (variant,) = load(Path("cases/own/tied.toml"), Path("cases")).variants
    assert len(variant.gradients) == 1


GIVEN = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("places", torch.arange(12.0).reshape(3, 4) / 12)

    def forward(self, ids, keep):
        h = self.drop(self.embed(ids) + torch.sin(self.places))
        return (h * keep.unsqueeze(-1)).square().sum()


def make():
    torch.manual_seed(1)
    return Model(), (torch.tensor([[0, 1, 2], [3, 0, 6]]), torch.tensor([[1, 1, 0], [1, 0, 0]]))
"""


def test_what_depends_on_nothing_that_is_given_or_drawn_is_a_constant(imported):
    code, _, err = imported(GIVEN, "--write=cases/own/given.toml")
    assert code == 0, err
    assert "1 constant;" in err
    (variant,) = load(Path("cases/own/given.toml"), Path("cases")).variants
    assert variant.constants == {"sin"}
    assert {"ids", "kept", "embed_weight"} < set(variant.sources)
    assert variant.gradients == ("embed_weight",)


def test_what_could_not_be_loaded_is_not_written(imported, monkeypatch):
    monkeypatch.setattr(exported, "_of_what_is_used", lambda found: found)
    code, _, err = imported(TIED, "--write=cases/own/tied.toml")
    assert code == 2
    assert re.search(
        r"the case could not be run: own/tied\.toml:\d+:1: the program does not use the tensor", err
    )
    assert "nothing was written" in err
    assert not Path("cases").exists()


def test_a_module_is_written_as_a_case_with_its_weights_beside_it(imported, tmp_path):
    code, out, err = imported(MODEL, "--write=cases/own/mine.toml")
    assert code == 0, err
    assert "run it with: pytest --cases=cases cases/own/mine.toml" in out
    assert "value and 5 gradients as the module's own in float64" in err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert [node.op for node in variant.program.nodes] == ["linear", "tanh", "mul", "linear", "cross_entropy"]
    assert variant.gradients == ("first_weight", "first_bias", "second_weight", "second_bias", "x")
    assert "# first, mine.py:14" in variant.program.text
    assert set(np.unique(variant.draw()["kept"])) == {0.0, 1 / 0.75}


def test_places_from_the_end_are_counted_from_the_beginning(imported, tmp_path):
    text = MODEL.replace(
        "torch.tanh(self.first(x))", "torch.tanh(self.first(x))[torch.tensor([-1, 0, -2, 1, 2])]"
    )
    code, _, err = imported(text, "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert variant.draw()["places"].tolist() == [4, 0, 3, 1, 2]


def test_what_is_drawn_is_a_tensor_of_the_case(imported, tmp_path):
    """Here whole examples are left out of a branch, as in stochastic depth."""
    drawn = "self.first(x) * (torch.rand(5, 1) < 0.6) / 0.6 + torch.rand(5, 8)"
    text = MODEL.replace("torch.tanh(self.first(x))", f"torch.tanh({drawn})")
    code, _, err = imported(text, "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert "rand_1" in variant.sources


def test_keys_and_values_that_all_heads_share_are_groups(imported, tmp_path):
    """As of multi-query attention, which torch's call broadcasts."""
    shared = "nn.functional.scaled_dot_product_attention(h.view(5, 2, 4, 1), k := h[:, :4].reshape(5, 1, 4, 1), torch.sin(k))"
    text = MODEL.replace("self.second(h), labels)", f"self.second({shared}.reshape(5, 8)), labels)")
    code, _, err = imported(text, "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert [node.kw["groups"] for node in variant.program.nodes if node.op == "attention"] == [2]


WEIGHTED = [
    "nn.functional.cross_entropy(z, torch.tensor([0, 2, -100, 1, 1]), torch.tensor([0.5, 1.0, 2.0]))",
    "nn.functional.cross_entropy(z, torch.tensor([0, 2, 2, 1, 1]), torch.tensor([0.5, 1.0, 2.0]), label_smoothing=0.1)",
    "nn.functional.binary_cross_entropy(z.sigmoid(), t, torch.tensor([1.0, 2.0, 3.0]))",
    "nn.functional.binary_cross_entropy_with_logits(z, t, torch.tensor([1.0, 2.0, 3.0]))",
    "nn.functional.binary_cross_entropy_with_logits(z, t, pos_weight=torch.tensor([1.0, 2.0, 3.0]))",
    "nn.functional.binary_cross_entropy_with_logits(z, t, torch.full((5, 1), 0.5), pos_weight=torch.tensor([1.0, 2.0, 3.0]))",
]


def test_losses_with_weights_are_held_to_torch_s_own(imported, tmp_path):
    """All in one module: its gradients towards z are of their sum."""
    terms = " + ".join(WEIGHTED)
    text = OUTPUT.replace(
        "return self.second(h)",
        f"z = self.second(h)\n        t = torch.sigmoid(2 * z.detach())\n        return {terms}",
    )
    text = text.replace("torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])", "torch.randn(5, 4)")
    code, _, err = imported(text, "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    ops = [node.op for node in variant.program.nodes]
    assert [ops.count(op) for op in ("cross_entropy", "bce", "bce_with_logits")] == [2, 1, 3]


RECURRENT = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.second = nn.GRU(8, 2, bidirectional=True)

    def forward(self, x):
        y, (h, c) = self.first(x)
        z, last = self.second(y.transpose(0, 1))
        return (z ** 2).sum() + (h * c).sum() + last.sum()


def make():
    torch.manual_seed(1)
    return Model(), torch.randn(2, 5, 3)
"""


def test_layers_and_directions_of_a_recurrent_layer_are_a_call_each(imported, tmp_path):
    code, _, err = imported(RECURRENT, "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    directions = [(n.op, n.kw["reverse"]) for n in variant.program.nodes if n.op in ("lstm", "gru")]
    assert directions == [("lstm", False), ("lstm", True)] * 2 + [("gru", False), ("gru", True)]
    assert len(variant.gradients) == 16 + 8 + 1


def test_redrawn_it_is_a_text_alone(imported):
    code, out, _ = imported(MODEL, "--redraw")
    assert code == 0
    assert "normal = [" in out
    assert "file = " not in out


def test_a_submodule_is_taken_with_the_inputs_that_it_gets(imported, tmp_path):
    assert imported(MODEL, "--at=second", "--write=cases/own/mine.toml")[0] == 0
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert [node.op for node in variant.program.nodes] == ["linear"]
    assert variant.upstream


def test_what_programs_have_no_word_for_is_listed_with_its_place_and_nothing_is_written(imported, tmp_path):
    text = MODEL.replace("torch.tanh(self.first(x))", "torch.special.i0e(self.first(x))")
    code, _, err = imported(text, "--write=cases/own/mine.toml")
    assert code != 0
    assert "special_i0e.default: 1 call, the first in mine.py:14" in err
    assert not (tmp_path / "cases").exists()


OUTPUT = (
    MODEL.replace("x, labels", "x")
    .replace("return nn.functional.cross_entropy(self.second(h), labels)", "return self.second(h)")
    .replace(
        "(torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0]))",
        "torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0])",
    )
)
"""The same, whose loss isn't in the module: `make` gives the target beside the inputs."""
OWN_LOSS = """

def far(y):
    return (y ** 2).mean()
"""


def test_a_submodule_has_nothing_to_do_with_the_target_of_the_whole(imported, tmp_path):
    code, _, err = imported(OUTPUT, "--at=second", "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert [node.op for node in variant.program.nodes] == ["linear"]


def test_a_loss_that_is_not_in_the_module_is_added_and_steps_of_an_optimizer(imported, tmp_path):
    train = ["--loss=cross_entropy", "--steps=4", "--optimizer=adamw(lr=0.01, weight_decay=0.1)"]
    code, _, err = imported(OUTPUT, *train, "--write=cases/own/mine.toml")
    assert code == 0, err
    [variant] = load(tmp_path / "cases/own/mine.toml", tmp_path / "cases").variants
    assert [node.op for node in variant.program.nodes] == ["linear", "tanh", "mul", "linear", "cross_entropy"]
    assert variant.training.optimizer == "adamw"
    assert (variant.training.steps, variant.training.options["lr"]) == (4, 0.01)
    assert variant.training.parameters == ("first_weight", "first_bias", "second_weight", "second_bias")


def test_a_loss_of_the_file_is_given_the_output_alone_where_there_is_no_target(imported):
    text = OUTPUT.replace(", torch.tensor([0, 1, 2, 1, 0])", "") + OWN_LOSS
    code, out, err = imported(text, "--loss=far", "--redraw")
    assert code == 0, err
    assert "mean(" in out


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        (OUTPUT, [], "say which --loss compares the output with it"),
        (OUTPUT, ["--loss=nosuch"], "neither the file nor torch.nn.functional has such a function"),
        (OUTPUT + OWN_LOSS, ["--loss=far"], "it is given the output and the target: too many positional arguments"),
        (MODEL, ["--loss=mse_loss"], "it is given the output: missing a required argument: 'target'"),
        (OUTPUT + OWN_LOSS, ["--optimizer=adam(lr=1)"], "say how many --steps"),
        (MODEL.replace("x, labels", "x").replace("nn.functional.cross_entropy(self.second(h), labels)", "self.second(h)").replace("(torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0]))", "torch.randn(5, 4)"), ["--steps=2"], "of shape [5, 3], which is no loss"),
        (MODEL, ["--steps=0"], "--steps 0: must be at least 1"),
        (MODEL, ["--steps=1", "--optimizer=amad(lr=1)"], "there is no optimizer amad; allowed are sgd, adam, "),
        (MODEL, ["--write=case.txt"], "--write case.txt: a case is a file NAME.toml, and pytest takes no other"),
        (MODEL, ["--steps=1", "--optimizer=adam"], "it is no call of an optimizer with options by name"),
        (MODEL, ["--steps=1", "--optimizer=adam(rate=1)"], "adam has no option rate; allowed are lr, "),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_loss_or_a_training_is_said(imported, text, options, words):
    code, out, err = imported(text, *options, "--redraw")
    assert code != 0
    assert words in err
    assert "Traceback" not in err
    assert not out


def test_the_page_shows_what_happens(imported, tmp_path):
    """Of numbers like 6.6e-16 that there is one."""
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    file, shown, statements = re.findall(r"^```(?:python)?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[:3]
    command, *printed = shown.splitlines()
    options = shlex.split(command.removeprefix("$ harness import mine.py:make "))
    code, out, err = imported(file, *options)
    assert code == 0, err
    said = (err + out).splitlines()
    assert [re.sub(r"\d\.\de-1\d", "#", line) for line in said] == [
        re.sub(r"\d\.\de-1\d", "#", line) for line in printed
    ]
    assert statements in (tmp_path / "cases/own/block.toml").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("return Model(), ", "return "), "make() gives tuple, but must give a module and its inputs"),
        (("def make():", "def make():\n    raise KeyError('mine')"), "KeyError: 'mine'"),
        (("import torch\n", "import torch, nosuch\n"), "No module named 'nosuch'"),
    ],
)
def test_what_is_wrong_with_the_file_is_said(imported, change, words):
    code, _, err = imported(MODEL.replace(*change))
    assert code != 0
    assert words in err


def test_a_case_that_is_not_the_module_is_not_written(tmp_path):
    """Here a rule that forgets a factor: the first tensor that differs is named."""
    (tmp_path / "mine.py").write_text(MODEL)
    torch = framework("torch", shipped_adapters() / "torch" / "adapter.py")
    found = exported.export(torch, interpreter("torch"), tmp_path / "mine.py", "make", "")
    assert exported.check(found).startswith("value and 5 gradients")
    statements = json.loads(json.dumps(found.statements))
    statements[1]["text"] = "0.5 * first"
    wrong = exported.Exported(**{**vars(found), "statements": statements})
    with pytest.raises(OwnError, match=r"the value of cross_entropy_loss is off by .* nothing was written"):
        exported.check(wrong)


PICKED = """
import torch
from torch import nn


class Picks(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        h = self.layer(x)
        return h[h > 0].sum()


def make():
    return Picks(), torch.ones(4, 3)
"""


def test_a_shape_that_depends_on_numbers_is_refused_with_its_line_and_nothing_else_is_said(imported):
    code, _, said = imported(PICKED)
    assert code == 2
    assert said.strip() == (
        "mine.py:make: aten.index.Tensor in mine.py:13: the shape of what it gives depends on numbers, as where elements are picked"
        " by a mask; a program's shapes are fixed: multiply by the mask, or use where"
    )


def test_what_a_file_raises_is_shown_line_by_line(imported):
    _, _, err = imported(MODEL.replace("def make", "def other"))
    assert err.strip().endswith("mine.py has no function make")
    code, _, err = imported(MODEL.replace("torch.randn(5, 4)", "torch.randn(5, 4).reshape(3)"))
    assert code == 2
    assert re.search(r'mine.py", line \d+, in make\n', err)
    assert "\\x0a" not in err
