"""`harness import --shrink`: inputs are cut as far as a module runs with them, and learns of them as before."""

import re
from pathlib import Path

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.adapters.exports_cutting import shrunk
from gradient_conformance.harness.case import tensors
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main, own

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text()


def made(shapes, largest):
    """The shapes of arrays once they are shrunk, and what is said."""
    arrays = [np.zeros(shape) for shape in shapes.values()]
    found, said = shrunk(list(shapes), arrays, lambda arrays: largest(*(a.shape for a in arrays)))
    return list(found), said


def test_axes_of_one_size_are_one_size_and_the_batch_is_first():
    asked = []

    def largest(x, target):
        asked.append(x)
        return {"w": 1.0}

    shapes, said = made({"x": (16, 50), "target": (16,)}, largest)
    assert shapes == [(2, 3), (2,)]
    assert said == ["16 to 2 (axis 0 of x, axis 0 of target)", "50 to 3 (axis 1 of x)"]
    assert asked[:2] == [(16, 50), (8, 50)]


def test_what_the_module_needs_stays_and_of_axes_of_one_size_those_of_one_number_are_tried():
    def largest(x):
        if x[1] != 8:
            raise ValueError(x)
        return {"w": 1.0}

    assert made({"x": (8, 8)}, largest) == ([(2, 8)], ["8 to 2 (axis 0 of x)"])


def test_height_and_width_are_halved_at_once():
    def largest(x, mask):
        if x[1:] != (*mask, 5):
            raise ValueError(x)
        return {"w": 1.0}

    shapes, said = made({"x": (3, 16, 16, 5), "mask": (16, 16)}, largest)
    assert shapes == [(3, 2, 2, 5), (2, 2)]
    assert said == ["16 to 2 (axis 1 of x, axis 2 of x, axis 0 of mask, axis 1 of mask)"]


@pytest.mark.parametrize(("gone", "left"), [(0.0, 8), (1e-15, 8), (np.nan, 8), (1e-3, 2)])
def test_no_gradient_vanishes_that_did_not_before(gone, left):
    shapes, _ = made({"x": (16, 3)}, lambda x: {"w": 1.0, "v": 0.5 if x[0] >= 8 else gone, "dead": 0.0})
    assert shapes == [(left, 3)]


def test_sizes_that_differ_stay_different_and_no_axis_is_of_one_element():
    shapes, said = made({"x": (8, 4, 2, 3, 1)}, lambda _: {"w": 1.0})
    assert (shapes, said) == ([(8, 4, 2, 3, 1)], [])
    assert made({"x": (16, 4)}, lambda _: {"w": 1.0})[0] == [(2, 4)]


def test_what_does_not_run_as_it_is_is_said():
    def largest(_):
        raise TypeError("no such\n  thing")

    with pytest.raises(
        SystemExit, match="with its own inputs it can't be differentiated: TypeError: no such thing"
    ):
        made({"x": (4,)}, largest)


# Through the doors

TORCH = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(40, 6)
        self.drop = nn.Dropout(0.25)
        self.norm = nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 3)

    def forward(self, tokens, *, more):
        h = self.drop(self.embed(tokens)) + more["scale"]
        return self.head(self.norm(h.mean(1)))


def make():
    torch.manual_seed(1)
    tokens = torch.randint(20, 40, (32, 9))
    return Model(), {"tokens": tokens, "more": {"scale": torch.randn(9, 6)}}, torch.randint(0, 3, (32,))


class Narrow(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.unused = nn.Linear(3, 2)

    def forward(self, x):
        return self.head(x @ torch.eye(3))


def narrow():
    return Narrow(), (torch.randn(32, 3),)


class Keeping(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.head(x) * (2.5 * self.calls)


def keeping():
    return Keeping(), (torch.randn(32, 3),)


def fixed():
    return nn.Sequential(nn.Linear(2, 3), nn.Flatten(0), nn.Linear(6, 1)), (torch.randn(2, 2),)


def broken():
    return nn.Linear(2, 3), (torch.randn(2, 7),)
"""


@pytest.fixture
def imported(tmp_path, monkeypatch, capfd):
    """What the command says of a function of a file of this text, and the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(text, name="make", *more):
        Path("mine.py").write_text(text)
        argv = [f"--interpreter={f}={interpreter(f)[0]}" for f in ("torch", "jax")]
        code = main(["import", f"mine.py:{name}", "--write=cases/own/mine.toml", *argv, *more])
        return code, capfd.readouterr().err

    return run


def drawn():
    """The tensors of the case that was written."""
    [variant] = load(Path("cases/own/mine.toml"), Path("cases")).variants
    return variant.draw("float64")


@pytest.mark.framework
def test_a_torch_module_keeps_its_weights_and_its_tokens_and_the_case_tells(imported):
    code, err = imported(TORCH, "make", "--loss=cross_entropy")
    assert code == 0, err
    assert "smaller" not in err
    before = drawn()
    code, err = imported(TORCH, "make", "--loss=cross_entropy", "--shrink")
    assert code == 0, err
    assert "inputs made smaller:\n  32 to 2 (axis 0 of tokens, axis 0 of target)\n" in err
    after = drawn()
    assert after["target"].tolist() == before["target"][:2].tolist()
    assert np.array_equal(after["more_scale"], before["more_scale"][: len(after["more_scale"])])
    for name in ("embed_weight", "norm_weight", "norm_bias", "head_weight", "head_bias"):
        assert np.array_equal(after[name], before[name])
    told = Path("cases/own/mine.toml").read_text().splitlines()[1]
    assert "; inputs made smaller: 32 to 2 (axis 0 of tokens, axis 0 of target); 9 to " in told


@pytest.mark.framework
def test_a_module_that_makes_tensors_of_float32_is_shrunk_in_float32(imported):
    code, err = imported(TORCH, "narrow", "--shrink")
    assert code == 0, err
    assert err.startswith("inputs made smaller:\n  32 to 2 (axis 0 of x)\n")


@pytest.mark.framework
def test_what_a_module_keeps_of_a_call_that_was_tried_is_not_in_the_case(imported):
    """Here how often it was called."""
    code, err = imported(TORCH, "keeping", "--shrink")
    assert code == 0, err
    assert "32 to 2 (axis 0 of x)" in err
    assert "head * 2.5 " in Path("cases/own/mine.toml").read_text()


@pytest.mark.framework
def test_where_nothing_can_be_made_smaller_or_nothing_runs_it_is_said(imported):
    code, err = imported(TORCH, "fixed", "--shrink")
    assert code == 0, err
    assert err.startswith("no input could be made smaller\n")
    code, err = imported(TORCH, "broken", "--shrink")
    assert code == 2
    assert "--shrink: with its own inputs it can't be differentiated: RuntimeError: mat1 and mat2" in err
    assert "Traceback" not in err


JAX = """
import jax
import jax.numpy as jnp


def forward(params, tokens, labels):
    h = params["table"][tokens].mean(axis=1)
    scores = jnp.take_along_axis(jnp.tanh(h) @ params["head"], labels[:, None], axis=1)
    return {"tokens": tokens, "loss": -jnp.mean(scores)}


def make():
    keys = jax.random.split(jax.random.key(0), 4)
    params = {"table": jax.random.normal(keys[0], (50, 8)), "head": jax.random.normal(keys[1], (8, 3))}
    inputs = jax.random.randint(keys[2], (32, 16), 0, 50), jax.random.randint(keys[3], (32,), 0, 3)
    return params, inputs, forward


def broken():
    params, inputs, forward = make()
    return params, (inputs[0], inputs[1][:7]), forward
"""


@pytest.mark.framework
def test_a_function_of_jax(imported):
    code, err = imported(JAX, "make", "--shrink")
    assert code == 0, err
    assert "  32 to 2 (axis 0 of tokens, axis 0 of labels)\n  16 to 4 (axis 1 of tokens)\n" in err
    code, err = imported(JAX, "broken", "--shrink")
    assert code == 2
    assert "--shrink: with its own inputs it can't be differentiated: " in err
    assert "Traceback" not in err


LARGE = """
import torch
from torch import nn


def make():
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    return nn.Sequential(*layers), (torch.randn(32, 3, 256, 256),)


def wide():
    return nn.Linear(900, 56, bias=False), (torch.randn(2, 900),)
"""


@pytest.mark.framework
def test_of_what_is_too_large_it_is_said_what_makes_it_smaller(imported, monkeypatch):
    code, err = imported(LARGE, "make", "--redraw")
    assert code == 2
    assert err.splitlines()[-1] == "--shrink makes the inputs smaller, as far as the module runs"
    code, err = imported(LARGE, "make", "--redraw", "--shrink")
    assert code == 0, err
    for module in tensors, own:
        monkeypatch.setattr(module, "MAX_ELEMENTS", 10_000)
    for options in [], ["--shrink"]:
        code, err = imported(LARGE, "wide", "--redraw", *options)
        assert code == 2
        assert (
            "50400 elements, but at most 10000 are allowed; nothing was written\nits weights alone have 50400 elements: make it narrower"
            in err
        )


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["mine.py:make", "--shrink", "--sizes=batch=1,2"],
            "--shrink chooses the sizes of the inputs, and so do --sizes",
        ),
        (["--numpy=mine.py:make", "--shrink"], "--shrink is of a function that makes a module"),
        (["network.onnx", "--shrink"], "and none to --shrink"),
    ],
)
def test_where_there_is_nothing_to_choose_it_is_refused(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["import", *argv]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.framework
def test_the_page_shows_what_is_said(imported):
    [text, said] = re.search(
        r"## A module that is large\n.*?```python\n(.*?)```\n\n```\n\$ harness import mine.py:make --loss cross_entropy --shrink [^\n]*\n(.*?)```",
        PAGE,
        re.DOTALL,
    ).groups()
    code, err = imported(text, "make", "--loss=cross_entropy", "--shrink")
    assert code == 0, err
    lines = [re.sub(r"\d\.\de-1\d", "#", text).splitlines() for text in (err, said)]
    assert lines[0] == lines[1][:-1]
