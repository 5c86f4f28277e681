"""Every row of the reference's op table, forward and vjp, against its definition in 50 digits.

The samples, bounds and comparisons are those of `harness certify`.
"""

from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.truth.drawing import AT_KINKS, SAMPLES, row
from gradient_conformance.harness.truth.numbers import DEFINITIONS, exact
from gradient_conformance.harness.truth.rows import (
    ELEMENTWISE_BOUND,
    Measured,
    compare,
    magnitude,
    measure,
    measure_kink,
)
from gradient_conformance.reference.ops import OPS

CASES = [
    pytest.param(op, inputs, kw, id=f"{op}-{number}")
    for op, samples in SAMPLES.items()
    for number, (inputs, kw) in enumerate(samples)
]


def test_every_row_has_samples_and_a_definition() -> None:
    """A row that isn't measured here fails, and so does a definition without its row."""
    assert set(OPS) == set(SAMPLES) == set(DEFINITIONS)


@pytest.mark.parametrize(("op", "inputs", "kw"), CASES)
def test_a_row_is_its_definition_and_its_vjps_are_the_definition_s_derivatives(
    op: str, inputs: tuple[Any, ...], kw: dict[str, Any]
) -> None:
    """Shape, dtype and each element, for every float input, a target too; the inputs are left as they were."""
    within_bounds(list(measure(op, inputs, kw)))


@pytest.mark.parametrize(("op", "inputs", "kw"), AT_KINKS)
def test_at_a_kink_the_vjp_lies_between_the_derivatives_of_both_sides(
    op: str, inputs: tuple[Any, ...], kw: dict[str, Any]
) -> None:
    """Which of them is a convention; none of them is a NaN, and the forward is unaffected."""
    within_bounds(list(measure_kink(op, inputs, kw)))


def within_bounds(measured: list[Measured]) -> None:
    assert measured
    assert [str(m) for m in measured if not m.ok] == []


# The comparison itself is tested: it must be able to fail


@pytest.mark.parametrize(
    ("got", "complaint"),
    [
        (
            row(1.0, 2.0 + 2**-48),
            "element [1] = np.float64(2.0000000000000036), should be 2.0: off by 16 u, 8 u allowed",
        ),
        (row(1.0, np.nan), "element [1] = np.float64(nan), should be 2.0: off by nan u"),
        (row(1.0, np.inf), "element [1] = np.float64(inf), should be 2.0: off by inf u"),
        (np.array(1.0), "which has shape () and dtype float64, should be (2,) float64"),
        (row(1.0, 2.0).astype(np.float32), "which has shape (2,) and dtype float32, should be (2,) float64"),
    ],
)
def test_the_comparison_refuses_what_is_wrong(got: Any, complaint: str) -> None:
    """An element off by 16 u, a NaN, an infinity, a scalar in an array's place, another dtype."""
    truth = exact(row(1.0, 2.0))
    measured = compare("value", got, truth, magnitude(truth), ELEMENTWISE_BOUND, "what")
    assert not measured.ok
    assert complaint in str(measured)
