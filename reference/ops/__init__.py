"""The op table: one row an op. A row registers itself by standing in one of these modules."""

from . import (  # noqa: F401  (they fill the table)
    activations,
    alignments,
    angles,
    arithmetic,
    attention,
    classification,
    comparisons,
    convolution,
    decompositions,
    fourier,
    functions,
    indexing,
    linear_algebra,
    losses,
    margin_losses,
    normalization,
    norms,
    ordering,
    pooling,
    rearranging,
    recurrent,
    reductions,
    regression_losses,
    resizing,
    sampling,
    steps,
    structure,
    units,
)
from .row import OPS, Doc, OpError, Row, Spec

__all__ = ["OPS", "Doc", "OpError", "Row", "Spec"]
