"""What every op means, by its mathematical definition, in 50 digits: the independent truth."""

from . import (  # noqa: F401  (they fill the table)
    activations,
    alignments,
    angles,
    attention,
    classification,
    comparisons,
    convolution,
    decompositions,
    elementwise,
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
    products,
    rearranging,
    recurrent,
    reductions,
    regression_losses,
    resizing,
    sampling,
    steps,
    structure,
)
from .table import TRUTH, Definition

__all__ = ["TRUTH", "Definition"]
