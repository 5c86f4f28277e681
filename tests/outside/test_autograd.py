"""Programs of the cases in HIPS autograd, which differentiates NumPy by a tape of its own, held to the reference at float64.

Each op is said by its plain formula (tests/helpers/autograd_ops.py), and autograd finds every derivative: nothing of what the
rows' vjps are is written down there. A case is left out only where it calls an op, or a form of one, that is not said.
"""

from pathlib import Path
from typing import Any

import autograd_ops
import numpy as np
import pytest
from autograd import value_and_grad
from gradient_conformance.harness.case.library import files_below
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.references.training import inputs_at
from gradient_conformance.reference.backprop import forward
from outside import misses

CASES = Path(__file__).resolve().parents[2] / "cases"
PROGRAMS = {
    f"{folder}/{path.relative_to(CASES / folder).with_suffix('')}": path
    for folder in ("models", "notebooks", "published")
    for path in files_below(CASES / folder)
}


def gradients(
    variant: Variant, inputs: dict[str, np.ndarray], values: dict[str, Any], cotangents: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Those of the compared names, inner ones too."""
    zeros = {name: np.zeros(np.shape(values[name])) for name in variant.gradients}
    found: dict[str, Any] = {}

    def loss(zeros: dict[str, np.ndarray]) -> Any:
        env = autograd_ops.walk(variant.program, inputs, zeros)
        found["values"] = {name: getattr(env[name], "_value", env[name]) for name in variant.values}
        return sum(autograd_ops.anp.sum(env[name] * g) for name, g in cotangents.items())

    return {"gradients": value_and_grad(loss)(zeros)[1], **found}


def held(variant: Variant, scale: float = 1.0) -> list[str]:
    """What of autograd's is not the reference's; gradients may be scaled, which is to be told."""
    inputs = inputs_at(variant, variant.draw("float64"), 0, {})
    with np.errstate(all="ignore"):  # a mask of minus infinity, times 0
        values = forward(variant.program, inputs)
        cotangents = variant.cotangents("float64")
        theirs = gradients(variant, inputs, values, cotangents)
    due = {("value", name): np.asarray(a) for name, a in theirs["values"].items()}
    due |= {("gradient", name): np.asarray(a) * scale for name, a in theirs["gradients"].items()}
    return misses(variant.program, inputs, due, cotangents)


UNSAID = {"models/mixture_of_experts": {"greater_equal", "topk"}, "models/unet_step": {"conv_transpose2d"}}
"""Cases that are left out, each with the ops of it that are not said."""


@pytest.mark.parametrize("name", PROGRAMS)
def test_autograd_finds_the_reference_s_gradients(name: str) -> None:
    variants = load(PROGRAMS[name], CASES).variants
    assert variants
    for variant in variants:
        lacking = autograd_ops.missing(variant.program)
        assert lacking == UNSAID.get(name, set()), variant.id
        assert lacking or held(variant) == [], variant.id


def test_gradients_that_are_off_by_a_billionth_are_told() -> None:
    variant, *_ = load(PROGRAMS["models/gpt_block"], CASES).variants
    assert len(held(variant, scale=1 + 1e-9)) >= len(variant.gradients)
