# %%
import numpy as np


def relu(z):
    return np.maximum(z, 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# %%
def one_sample(W1, W2, W3, x, t):
    """Forward and backward of one example."""
    h1 = relu(W1 @ x)
    h2 = relu(W2 @ h1)
    p = sigmoid(W3 @ h2)
    loss = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    dp = (p - t) / (p * (1 - p))
    d3 = dp * p * (1 - p)
    dh2 = W3.T @ d3
    d2 = dh2 * (h2 > 0)
    dh1 = W2.T @ d2
    d1 = dh1 * (h1 > 0)
    values = {"h1": h1, "h2": h2, "p": p, "loss": loss[0]}
    weights = {"W1": np.outer(d1, x), "W2": np.outer(d2, h1), "W3": np.outer(d3, h2)}
    return values, weights, {"X": W1.T @ d1, "h1": dh1, "h2": dh2, "p": dp}


# %%
def mlp_bce_out_in(X, W1, W2, W3, t):
    n = X.shape[1]
    dW = {"W1": np.zeros_like(W1), "W2": np.zeros_like(W2), "W3": np.zeros_like(W3)}
    told, columns = [], []
    for i in range(n):
        values, weights, others = one_sample(W1, W2, W3, X[:, i], t[:, i])
        for name in dW:
            dW[name] += weights[name] / n
        told.append(values)
        columns.append(others)
    values = {name: np.stack([one[name] for one in told], axis=1) for name in ("h1", "h2", "p")}
    gradients = {name: np.stack([one[name] for one in columns], axis=1) / n for name in columns[0]}
    return values | {"loss": sum(one["loss"] for one in told) / n}, dW | gradients
