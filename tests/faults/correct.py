"""Backpropagation by hand, in plain NumPy, without a fault: what the subjects beside this file each get wrong once."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


FUNCTIONS = {"sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
DERIVATIVES = {
    "sigmoid": lambda z: sigmoid(z) * (1 - sigmoid(z)),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "relu": lambda z: (z > 0).astype(z.dtype),
}


def dense_features_first(W, b, X, *, activation, cotangents):
    Z = W @ X + b
    dZ = cotangents["A"] * DERIVATIVES[activation](Z)
    gradients = {"W": dZ @ X.T, "b": dZ.sum(axis=1, keepdims=True), "X": W.T @ dZ}
    return {"A": FUNCTIONS[activation](Z)}, gradients


def dense_batch_first(X, W, b, Y):
    Z = X @ W + b
    A = sigmoid(Z)
    dA = 2 * (A - Y) / A.size
    dZ = dA * A * (1 - A)
    db = dZ.sum(axis=0).reshape(b.shape)
    gradients = {"X": dZ @ W.T, "W": X.T @ dZ, "b": db, "Y": -dA, "Z": dZ, "A": dA}
    return {"loss": np.mean((A - Y) ** 2)}, gradients


def deep_leaky_mse(x, t, **parameters):
    def leaky(z):
        return np.where(z > 0, z, z.dtype.type(0.1) * z)

    def leaky_derivative(z):
        return np.where(z > 0, np.ones_like(z), z.dtype.type(0.1))

    activations, sums = [x], []
    for layer in "123":
        sums.append(parameters["W" + layer] @ activations[-1] + parameters["b" + layer])
        activations.append(leaky(sums[-1]))
    d = 2 * (activations[-1] - t) / t.size
    gradients = {"a3": d}
    for i in (2, 1, 0):
        d = d * leaky_derivative(sums[i])
        gradients[f"W{i + 1}"], gradients[f"b{i + 1}"] = d @ activations[i].T, d
        d = parameters[f"W{i + 1}"].T @ d
    return {"loss": np.mean((activations[-1] - t) ** 2)}, gradients


def two_branches(A, B, C, x):
    u, v = sigmoid(A @ x), B @ x
    w = C @ (u + v)
    dw = 2 * w
    ds = C.T @ dw
    dy = ds * u * (1 - u)
    gradients = {
        "A": np.outer(dy, x),
        "B": np.outer(ds, x),
        "C": np.outer(dw, u + v),
        "x": A.T @ dy + B.T @ ds,
    }
    return {"sum_of_squares": np.sum(w * w), "squared_norm": np.linalg.norm(w) ** 2}, gradients


def mazur_2_2_2(x, t, W1, b1, W2, b2, optimizer):
    h = sigmoid(W1 @ x + b1)
    o = sigmoid(W2 @ h + b2)
    d2 = (o - t) * o * (1 - o)
    dh = W2.T @ d2
    d1 = dh * h * (1 - h)
    gradients = {"W1": np.outer(d1, x), "W2": np.outer(d2, h), "h": dh}
    lr = np.asarray(optimizer["sgd"]["lr"], x.dtype)
    parameters = {"W1": W1 - lr * gradients["W1"], "W2": W2 - lr * gradients["W2"]}
    return {"E": np.sum((t - o) ** 2) / 2}, gradients, parameters


def cs231n_two_layer(X, y, W1, b1, W2, b2):
    x, rows = X.T, np.arange(len(y))
    z = x @ W1 + b1
    h = np.maximum(z, 0)
    scores = h @ W2 + b2
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    data_loss = -np.log(p[rows, y]).mean()
    loss = data_loss + ((W1**2).sum() + (W2**2).sum()) / 2
    dscores = p.copy()
    dscores[rows, y] -= 1
    dscores /= len(y)
    dz = dscores @ W2.T * (z > 0)
    gradients = {"W1": x.T @ dz + W1, "b1": dz.sum(axis=0), "W2": h.T @ dscores + W2}
    gradients |= {"b2": dscores.sum(axis=0), "X": (dz @ W1.T).T}
    return {"scores": scores, "data_loss": data_loss, "loss": loss}, gradients
