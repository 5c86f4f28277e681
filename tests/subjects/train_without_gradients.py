# %%
import numpy as np


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def leaky_prime(z):
    return np.where(z > 0, 1.0, 0.1).astype(z.dtype)


# %%
def train(weights, biases, x, t, lr):
    """One step on one sample; nothing is returned, the weights move."""
    a, zs, activations = x, [], [x]
    for W, b in zip(weights, biases, strict=True):
        zs.append(W @ a + b)
        a = leaky(zs[-1])
        activations.append(a)
    delta = 2 * (a - t) / a.size
    for i in reversed(range(len(weights))):
        delta = delta * leaky_prime(zs[i])
        before = weights[i].T @ delta
        weights[i] -= lr * delta @ activations[i].T
        biases[i] -= lr * delta
        delta = before


def predict(weights, biases, x):
    for W, b in zip(weights, biases, strict=True):
        x = leaky(W @ x + b)
    return x


# %%
def deep_leaky_mse(case):
    weights = [case[f"W{i}"] for i in (1, 2, 3)]
    biases = [case[f"b{i}"] for i in (1, 2, 3)]
    x, t = case["x"], case["t"]
    case.value("loss", np.mean((predict(weights, biases, x) - t) ** 2))
    train(weights, biases, x, t, case.optimizer["sgd"]["lr"])
    for i in (1, 2, 3):
        case.parameter(f"W{i}", weights[i - 1])
        case.parameter(f"b{i}", biases[i - 1])
