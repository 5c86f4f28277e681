"""The hidden deltas go back through weights that have been updated already."""

import numpy as np
from correct import sigmoid


def mazur_2_2_2(x, t, W1, b1, W2, b2, optimizer):
    lr = np.asarray(optimizer["sgd"]["lr"], x.dtype)
    h = sigmoid(W1 @ x + b1)
    o = sigmoid(W2 @ h + b2)
    d2 = (o - t) * o * (1 - o)
    dW2 = np.outer(d2, h)
    new_W2 = W2 - lr * dW2
    dh = new_W2.T @ d2
    dW1 = np.outer(dh * h * (1 - h), x)
    gradients = {"W1": dW1, "W2": dW2, "h": dh}
    return {"E": np.sum((t - o) ** 2) / 2}, gradients, {"W1": W1 - lr * dW1, "W2": new_W2}
