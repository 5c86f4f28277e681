"""`harness import --sizes batch=1,2,7`: a module that is exported at each size is one case, swept over them."""

from pathlib import Path

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.loading import parse as case_of
from gradient_conformance.harness.case.writing import write
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.own.errors import OwnError
from gradient_conformance.harness.own.exported import Exported, document_of
from gradient_conformance.harness.own.sizes import check_swept, sizes_of, swept

MODEL = """
import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.drop = nn.Dropout(0.25)
        self.head = nn.Linear(8, 3)

    def forward(self, x, labels):
        h = self.norm(x)
        h = x + self.drop(self.attn(h, h, h, need_weights=False)[0])
        return nn.functional.cross_entropy(self.head(h).flatten(0, 1), labels.flatten())


def make(batch, time=4):
    torch.manual_seed(0)
    return Block(), (torch.randn(batch, time, 8), torch.randint(0, 3, (batch, time)))


def other(batch):
    inputs = torch.randn(batch, 4, 8), torch.randint(0, 3, (batch, 4))
    return Block(), inputs
"""


def exported(n, text="y = reshape(x, shape=(N, 2)) * N * c\nloss = sum(y) * F", **arrays):
    """What an export of size n would give: numbers in its text are n times as large."""
    made = {"x": np.linspace(-1, 1, 2 * n), "c": np.ones((n, 1)), **{k: a(n) for k, a in arrays.items()}}
    kinds = {"x": "input", "c": "constant"} | {k: "data" for k in arrays if k not in ("x", "c")}
    lines = text.replace("N", str(n)).replace("M", str(3 * n + 1)).replace("F", repr(1 / n)).splitlines()
    statements = [
        {
            "outs": [line.partition(" = ")[0]],
            "text": line.partition(" = ")[2],
            "module": "",
            "place": "mine.py:3",
        }
        for line in lines
    ]
    whole = {f"tensor {name}": a for name, a in made.items()} | {
        "value": np.zeros(()),
        "cotangent": np.ones(()),
    }
    return Exported(statements, "loss", kinds, whole, [], [], training=True, versions={})


def odd(n, text="loss = sum(x) * sum(c)", **arrays):
    """The same where the program itself depends on the size: its numbers, its ops, how many statements it has."""
    for letter, found in {
        "Q": {1: "2", 2: "3"}.get(n, "17"),
        "R": "loss = sum(x)" if n == 1 else "loss = mean(x)",
        "S": "\nz = x * 2" if n > 1 else "",
    }.items():
        text = text.replace(letter, found)
    return exported(n, text, **arrays)


def made(make=exported, **more):
    """The case that is made of exports at three sizes."""
    sizes = sizes_of(["n=1,2,4"])
    exports = [make(at["n"], **more) for at in sizes]
    document = swept(document_of(exports[0], "t", "s", "a.npz", redrawn=True), exports, sizes)
    text = write(document)
    check_swept(case_of(text, "own/a", proven=False), exports, sizes)
    return text


def test_numbers_that_follow_a_size_are_expressions_of_it():
    text = made()
    assert "y = reshape(x, shape=(n, 2)) * n * c" in text
    assert "loss = sum(y) * (1 / n)" in text
    assert "[sweep]\nn = [1, 2, 4]" in text
    assert 'x = { shape = ["2 * n"], uniform = [-1.0, 1.0] }' in text
    assert 'c = { shape = ["n", 1], full = 1.0 }' in text
    text = made(
        text="y = reshape(d, shape=(M,)) * M\nloss = sum(y) + sum(x) * sum(c)",
        d=lambda n: np.arange(3 * n + 1) % 2 * 1.0,
    )
    assert "y = reshape(d, shape=(3 * n + 1,)) * (3 * n + 1)" in text
    assert 'd = { shape = ["3 * n + 1"], choice = [0.0, 1.0] }' in text


@pytest.mark.parametrize(
    ("constant", "said"),
    [
        (lambda n: np.tril(np.ones((n, n))), 'c = { shape = ["n", "n"], tril = 1.0 }'),
        (
            lambda n: np.tril(np.ones((n, n), dtype=bool)),
            'c = { shape = ["n", "n"], tril = true, dtype = "bool" }',
        ),
        (lambda n: 0.5 * np.arange(n) - 1, 'c = { shape = ["n"], arange = [-1.0, 0.5] }'),
    ],
)
def test_a_constant_of_every_size_is_made_from_its_shape(constant, said):
    assert said in made(
        text="y = x * 2\nloss = sum(y) * sum(where(c, 1, 0.5))"
        if "bool" in said
        else "loss = sum(x) * sum(c)",
        c=constant,
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"c": lambda n: np.sin(np.arange(n + 1.0))}, r"constant c has shape \[2\] with n=1, and is neither full"),
        ({"c": lambda n: np.full(3, float(n))}, "c has other numbers with n=4 than with n=1"),
        ({"text": "loss = sum(x) * sum(c) * Q"}, "mine.py:3: no expression of the sizes is 2 with n=1, 3 with n=2, 17 with n=4"),
        ({"text": "R"}, "depends on the size, mine.py:3: sum.x. with n=1, mean.x. with n=2"),
        ({"text": "loss = sum(x) * sum(c)S"}, "depends on the size: 1 statements with n=1, 2 with n=2"),
        ({"text": "n = x * 2\nloss = sum(n)"}, "--sizes n: the program has a tensor of that name"),
    ],
)  # fmt: skip
def test_what_no_sweep_can_say_is_refused_with_its_line(more, words):
    with pytest.raises(OwnError, match=words):
        made(odd, **more)


@pytest.mark.parametrize(
    "text", ["batch", "batch=", "batch=a", "batch=1", "batch=2,2", "2=1,2", "batch=-1,2"]
)
def test_sizes_are_named_integers(text):
    with pytest.raises(OwnError, match=f"--sizes {text}: "):
        sizes_of([text])


@pytest.mark.framework
def test_a_module_is_one_case_swept_over_its_sizes(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MODEL)
    python = interpreter("torch")[0]
    given = [
        f"--interpreter=torch={python}",
        "--sizes=batch=1,3",
        "--sizes=time=2,4",
        "--write=cases/own/block.toml",
    ]
    assert main(["import", "mine.py:make", *given]) == 0, capfd.readouterr().err
    text = Path("cases/own/block.toml").read_text()
    assert "shape=(batch * time, 3)" in text
    assert 'x = { shape = ["batch", "time", 8], uniform = [' in text
    variants = load(Path("cases/own/block.toml"), Path("cases")).variants
    assert [v.id for v in variants] == [
        "batch:1-time:2",
        "batch:1-time:4",
        "batch:3-time:2",
        "batch:3-time:4",
    ]
    assert main(["check", "cases"]) == 0
    assert main(["import", "mine.py:other", *given[:2], given[-1]]) == 2
    assert (
        "attn_in_proj_weight has other numbers with batch=3 than with batch=1: a parameter has to be the same"
        in capfd.readouterr().err
    )
    assert main(["import", "mine.py:other", given[0], "--sizes=width=1,3"]) == 2
    assert "other() can't be called with width: " in capfd.readouterr().err
    assert main(["import", "mine.py:make", given[0]]) == 2
    assert "make() can't be called without arguments, which --sizes gives" in capfd.readouterr().err
