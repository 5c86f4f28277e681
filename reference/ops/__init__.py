"""The op table: one row an op. A row registers itself by standing in one of these modules."""

from . import arithmetic, losses, reductions, structure, units  # noqa: F401  (they fill the table)
from .row import OPS, Doc, OpError, Row, Spec

__all__ = ["OPS", "Doc", "OpError", "Row", "Spec"]
