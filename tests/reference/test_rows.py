"""Every row of the reference's op table, forward and vjp, against its definition in 50 digits.

The samples, bounds and comparisons are those of `harness certify`.
"""

from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.truth.drawing import row
from gradient_conformance.harness.truth.numbers import exact
from gradient_conformance.harness.truth.rows import ELEMENTWISE_BOUND, certify_row, compare, magnitude
from gradient_conformance.reference.ops import OPS


@pytest.mark.parametrize("op", sorted(OPS))
def test_a_row_is_its_definition_and_its_vjps_are_the_definition_s_derivatives(op: str) -> None:
    """Shape, dtype and each element, for every float input, a target too; the inputs are left as they were.

    At a kink the vjp lies between the derivatives of both sides: which of them is a convention; none of them is a NaN.
    """
    certificate = certify_row(op)
    assert certificate.problems == ()
    assert certificate.measured


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
