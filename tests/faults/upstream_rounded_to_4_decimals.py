"""An upstream gradient is rounded to four decimals, as it was printed."""

import numpy as np
from correct import sigmoid


def two_branches(A, B, C, x):
    u, v = sigmoid(A @ x), B @ x
    w = C @ (u + v)
    dw = 2 * w
    ds = np.round(C.T @ dw, 4)
    dy = ds * u * (1 - u)
    gradients = {
        "A": np.outer(dy, x),
        "B": np.outer(ds, x),
        "C": np.outer(dw, u + v),
        "x": A.T @ dy + B.T @ ds,
    }
    return {"sum_of_squares": np.sum(w * w), "squared_norm": np.linalg.norm(w) ** 2}, gradients
