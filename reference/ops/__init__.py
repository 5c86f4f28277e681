"""The op table: one row an op. A row registers itself by standing in one of these modules."""

from reference.ops import arithmetic, losses, reductions, structure, units  # noqa: F401  (they fill the table)
from reference.ops.row import OPS, OpError, Row, Spec

__all__ = ["OPS", "OpError", "Row", "Spec"]
