"""Six forward passes with their backward passes, each in another style in which people write them in notebooks."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# A class a layer, with what backward needs kept in it


class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0)
        return grad @ self.W.T


class Sigmoid:
    def forward(self, x):
        self.out = sigmoid(x)
        return self.out

    def backward(self, grad):
        return grad * self.out * (1 - self.out)


def layers(X, y, W1, b1, W2, b2):
    first, squash, second = Dense(W1, b1), Sigmoid(), Dense(W2, b2)
    x = X
    for layer in (first, squash, second):
        x = layer.forward(x)
    loss = np.mean((x - y) ** 2)
    grad = 2 * (x - y) / y.size
    for layer in (second, squash, first):
        grad = layer.backward(grad)
    return loss, {"X": grad, "W1": first.dW, "b1": first.db, "W2": second.dW, "b2": second.db}


# Lists of weights, and gradients in a list


def lists(X, Y, W0, W1, W2):
    weights = [W0, W1, W2]
    activations = [X]
    for W in weights:
        activations.append(np.tanh(np.dot(activations[-1], W)))
    error = activations[-1] - Y
    loss = 0.5 * (error**2).sum() / len(X)
    delta = error / len(X)
    gradients = []
    for W, before, after in zip(weights[::-1], activations[-2::-1], activations[:0:-1], strict=True):
        delta = delta * (1 - after**2)
        gradients.insert(0, before.T.dot(delta))
        delta = delta.dot(W.T)
    return float(loss), gradients


# Examples in columns, a cache, and a relu whose gradient is masked in place


def columns(X, Y, W1, b1, W2, b2):
    m = X.shape[1]
    Z1 = W1.dot(X) + b1
    A1 = np.maximum(0, Z1)
    Z2 = W2.dot(A1) + b2
    A2 = sigmoid(Z2)
    cost = -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m
    dZ2 = (A2 - Y) / m
    dA1 = W2.T.dot(dZ2)
    dZ1 = np.array(dA1, copy=True)
    dZ1[Z1 <= 0] = 0
    values = {"loss": cost, "Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}
    return values, {
        "dZ2": dZ2,
        "dW2": dZ2.dot(A1.T),
        "db2": dZ2.sum(axis=1, keepdims=True),
        "dA1": dA1,
        "dZ1": dZ1,
        "dW1": dZ1.dot(X.T),
        "db1": dZ1.sum(axis=1, keepdims=True),
    }


# A softmax cross entropy with labels for an index


def labels(X, y, W, b):
    scores = X.dot(W) + b
    scores -= np.max(scores, axis=1, keepdims=True)
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    n = len(y)
    loss = -np.log(probs[range(n), y]).mean() + 0.5 * 1e-2 * np.sum(W * W)
    dscores = probs.copy()
    dscores[range(n), y] -= 1
    dscores /= n
    return loss, {"W": X.T.dot(dscores) + 1e-2 * W, "b": dscores.sum(0)}


# A recurrent network, its states in a dict by time


def recurrent(xs, targets, Wxh, Whh, Why, bh):
    hs, ys, loss = {-1: np.zeros(len(bh))}, {}, 0
    for t in range(len(xs)):
        hs[t] = np.tanh(np.dot(Wxh, xs[t]) + np.dot(Whh, hs[t - 1]) + bh)
        ys[t] = np.dot(Why, hs[t])
        loss += 0.5 * np.sum((ys[t] - targets[t]) ** 2)
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dhnext = np.zeros_like(bh), np.zeros_like(hs[0])
    for t in reversed(range(len(xs))):
        dy = ys[t] - targets[t]
        dWhy += np.outer(dy, hs[t])
        dh = np.dot(Why.T, dy) + dhnext
        draw = (1 - hs[t] * hs[t]) * dh
        dbh += draw
        dWxh += np.outer(draw, xs[t])
        dWhh += np.outer(draw, hs[t - 1])
        dhnext = np.dot(Whh.T, draw)
    return loss, {"Wxh": dWxh, "Whh": dWhh, "Why": dWhy, "bh": dbh}


# Attention with a causal mask


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(X, Wq, Wk, Wv):
    T, d = X.shape[0], Wq.shape[1]
    q, k, v = X @ Wq, X @ Wk, X @ Wv
    hidden = np.triu(np.ones((T, T)), k=1) * -1e9
    weights = softmax(q @ k.T / np.sqrt(d) + hidden)
    out = weights @ v
    loss = (out * out).sum()
    dout = 2 * out
    dweights = dout @ v.T
    dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True)) / np.sqrt(d)
    return loss, {"Wq": X.T @ (dscores @ k), "Wk": X.T @ (dscores.T @ q), "Wv": X.T @ (weights.T @ dout)}


def drawn(seed=0):
    """The inputs of each, by its name."""
    r = np.random.default_rng(seed)
    return {
        "layers": {
            "X": r.normal(size=(8, 4)), "y": r.normal(size=(8, 2)), "W1": r.normal(size=(4, 3)),
            "b1": r.normal(size=3), "W2": r.normal(size=(3, 2)), "b2": r.normal(size=2),
        },
        "lists": {
            "X": r.normal(size=(6, 4)), "Y": r.uniform(-1, 1, (6, 2)),
            "W0": r.normal(size=(4, 5)), "W1": r.normal(size=(5, 3)), "W2": r.normal(size=(3, 2)),
        },
        "columns": {
            "X": r.normal(size=(5, 9)), "Y": r.integers(0, 2, (1, 9)), "W1": r.normal(size=(4, 5)),
            "b1": r.normal(size=(4, 1)), "W2": r.normal(size=(1, 4)), "b2": r.normal(size=(1, 1)),
        },
        "labels": {
            "X": r.normal(size=(7, 4)), "y": r.integers(0, 3, 7),
            "W": r.normal(size=(4, 3)), "b": r.normal(size=3),
        },
        "recurrent": {
            "xs": r.normal(size=(4, 3)), "targets": r.normal(size=(4, 2)), "Wxh": 0.5 * r.normal(size=(5, 3)),
            "Whh": 0.5 * r.normal(size=(5, 5)), "Why": r.normal(size=(2, 5)), "bh": r.normal(size=5),
        },
        "attention": {
            "X": r.normal(size=(5, 4)), "Wq": r.normal(size=(4, 3)),
            "Wk": r.normal(size=(4, 3)), "Wv": r.normal(size=(4, 3)),
        },
    }  # fmt: skip


FORWARDS = {
    "layers": layers,
    "lists": lists,
    "columns": columns,
    "labels": labels,
    "recurrent": recurrent,
    "attention": attention,
}
