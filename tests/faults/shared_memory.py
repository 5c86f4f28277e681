"""Two implementations hold the very same parameter arrays: one update moves both, and they seem to agree."""

import numpy as np
from correct import dense_batch_first as one
from correct import dense_batch_first as other


def dense_batch_first(X, W, b, Y):
    values, gradients = one(X, W, b, Y)
    W -= np.asarray(0.1, W.dtype) * gradients["W"]
    b -= np.asarray(0.1, b.dtype) * gradients["b"]
    other(X, W, b, Y)
    return values, gradients
