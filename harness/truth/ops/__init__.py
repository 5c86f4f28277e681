"""What every op means, by its mathematical definition, in 50 digits: the independent truth."""

from . import elementwise, losses, products, reductions, structure  # noqa: F401  (they fill the table)
from .table import TRUTH, Definition

__all__ = ["TRUTH", "Definition"]
