"""Other rules of comparison, beside ours."""

import numpy as np

from ...reference.formats import DTYPES
from ..references.variant import Array

OURS = "ours"
CALLS = "by calls"
"""Ours, and each op call judged by itself."""


# The rules of others: |got - want| <= atol + rtol |want|, as (rtol, atol) for each dtype, from their documentation

RULES = {
    "assert_close": {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)},
    "np.allclose": dict.fromkeys(DTYPES, (1e-5, 1e-8)),
    # np.testing.assert_almost_equal wants less than 1.5e-7, not at most that
    "7 decimals": dict.fromkeys(DTYPES, (0.0, float(np.nextafter(1.5e-7, 0)))),
    "1e-3": dict.fromkeys(DTYPES, (0.0, 1e-3)),
}
SCHEMES = (OURS, *RULES)


def rule_rejects(rule: str, got: Array, want: Array, dtype: str) -> bool:
    """Whether one of the other rules calls `got` wrong; `want` is the reference, rounded to the dtype."""
    if got.shape != want.shape:
        return True
    wide, due = got.astype(np.float64), want.astype(dtype).astype(np.float64)
    rtol, atol = RULES[rule][dtype]
    with np.errstate(invalid="ignore"):
        close = np.abs(wide - due) <= atol + rtol * np.abs(due)
    return not bool(np.all(close & np.isfinite(wide - due) | (wide == due)))
