"""Random programs of all rows: every row is in some layer, every layer keeps its shape, and a seed is a program."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.case.writing import write
from gradient_conformance.harness.power.architectures import (
    ARCHITECTURES,
    IMAGE,
    IMAGES,
    LOSSES,
    SEQUENCE,
    SEQUENCES,
    TABLE,
    TABLES,
    uniform,
)
from gradient_conformance.reference.ops import OPS

KINDS = ((TABLE, TABLES), (IMAGE, IMAGES), (SEQUENCE, SEQUENCES))


def ops_of(program: str, tensors: Mapping[str, Any], shape: list[int] | None = None) -> set[str]:
    read = set(re.findall(r"\w+", " ".join(line.partition("=")[2] for line in program.splitlines())))
    used = {name: tensor for name, tensor in tensors.items() if name in read}
    [variant] = parse(write({"title": "A layer", "program": program, "tensors": used}), "layer").variants
    assert shape is None or list(variant.specs[variant.outputs[0]].shape) == shape, program
    return variant.ops


def test_every_row_is_in_some_layer_and_every_layer_keeps_its_shape() -> None:
    found = set[str]()
    for shape, layers in KINDS:
        for text, given in layers:
            *before, last = text.format(x="x0", y="x1", i=2).split("\n")
            program = "".join(f"{line}\n" for line in (*before, f"x2 = {last}"))
            own = {name.format(i=2): tensor for name, tensor in given.items()}
            found |= ops_of(program, {"x0": uniform(*shape), "x1": uniform(*shape), **own}, shape)
    for text, given in LOSSES:
        found |= ops_of(f"loss = {text}\n", {"z": uniform(*TABLE), **given}, [])
    assert found == set(OPS)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_seed_is_a_program(kind: str) -> None:
    made = [ARCHITECTURES[kind](seed) for seed in range(30)]
    assert made == [ARCHITECTURES[kind](seed) for seed in range(30)]
    assert len(set(made)) == 30
    assert all(parse(text, kind).variants[0].outputs == ("loss",) for text in made)
