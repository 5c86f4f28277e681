"""Numbers that another hand computed, held to the reference: off by no more than correct rounding may be."""

from collections.abc import Mapping

import numpy as np
from gradient_conformance.harness.roles import Key
from gradient_conformance.reference.backprop import backprop
from gradient_conformance.reference.contexts import Exact
from gradient_conformance.reference.formats import Format
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.ops import Spec
from gradient_conformance.reference.program import Program
from gradient_conformance.reference.rounding import K, Reference, expected, seed_of

HALF = Format("float16", 11, -14, 15, scale=2.0**13)
"""No cell runs in it, but others' numbers may be stored in it."""


def reference(
    program: Program,
    inputs: Mapping[str, np.ndarray],
    wanted: list[Key],
    cotangents: Mapping[str, np.ndarray],
    dtype: str,
) -> Mapping[Key, Reference]:
    """What the wanted values and gradients must be, with the spread of correct float32 arithmetic in the range of `dtype`."""
    gradients = [name for role, name in wanted if role == "gradient"]

    def compute(c: Exact) -> dict[Key, np.ndarray]:
        values, grads = backprop(program, inputs, gradients, cotangents, c)
        return {key: (values if key[0] == "value" else grads)[key[1]] for key in wanted}

    drawn = (np.ascontiguousarray(inputs[name]).tobytes() for name in sorted(inputs))
    size = sum(a.size for a in inputs.values())
    return expected(compute, size, seed_of(repr(program.calls).encode(), *drawn), dtype=dtype)


def misses(
    program: Program | str,
    inputs: Mapping[str, np.ndarray],
    found: Mapping[Key, np.ndarray],
    cotangents: Mapping[str, np.ndarray] | None = None,
) -> list[str]:
    """What of `found`, by role and name, is not the reference's: dtype, shape, or an element beyond the tolerance of its dtype.

    Floats are float16, float32 or float64. Raises where there is nothing to compare.
    """
    assert any(a.size for a in found.values()), "nothing was compared"
    program = parse(program) if isinstance(program, str) else program
    inputs = {name: np.asarray(a) for name, a in inputs.items()}
    inferred = program.specs({name: Spec(a.shape, _kind(a)) for name, a in inputs.items()})
    told = [
        f"{role} {name} is {theirs.dtype} {theirs.shape}, ours {inferred[name]}"
        for (role, name), theirs in found.items()
        if (theirs.shape, _kind(theirs)) != inferred[name]
    ]
    if told:
        return told
    dtype = "float64" if any(a.dtype == np.float64 for a in found.values()) else "float32"
    references = reference(program, inputs, list(found), cotangents or {}, dtype)
    for key, theirs in found.items():
        assert references[key].value.shape == theirs.shape, key
        told += beyond(" ".join(key), theirs, references[key])
    return told


def _kind(a: np.ndarray) -> str:
    return "float" if a.dtype.kind == "f" else a.dtype.name


def beyond(what: str, theirs: np.ndarray, ours: Reference) -> list[str]:
    """The first of the elements that are further from ours than the tolerance of their dtype; what is no float is equal."""
    if theirs.dtype.kind != "f":
        wrong = theirs != ours.value
        allowed = np.zeros(theirs.shape)
    else:
        allowed = tolerance(ours, theirs.dtype.name)
        value = theirs.astype(np.float64)
        with np.errstate(invalid="ignore"):
            same = (value == ours.value) | (np.isnan(value) & np.isnan(ours.value))
            wrong = ~(same | (np.abs(value - ours.value) <= allowed))
    return [
        f"{what}{[int(i) for i in at]} is {theirs[tuple(at)]!r}, ours {ours.value[tuple(at)]!r}, allowed {allowed[tuple(at)]:.2e}"
        for at in np.argwhere(wrong)[:3]
    ]


def tolerance(ours: Reference, dtype: str) -> np.ndarray:
    """K sigma of the dtype, float16 among them: its own floor is that of its subnormal numbers."""
    if dtype != HALF.name:
        return ours.tolerance(dtype)
    return K * np.hypot(HALF.scale * ours.sigma, HALF.smallest)
