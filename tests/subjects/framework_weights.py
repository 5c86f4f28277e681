# %%
import numpy as np


# %%
class Model:
    """As a framework's: a list of weights, input first."""

    def __init__(self, shapes):
        self._weights = [np.zeros(shape) for shape in shapes]

    def get_weights(self):
        return list(self._weights)

    def set_weights(self, weights):
        for own, new in zip(self._weights, weights, strict=True):
            assert own.shape == new.shape
        self._weights = list(weights)


model = Model([(32, 16), (16, 8), (8, 1)])


# %%
def outputs(weights, X):
    out = [X]
    for W in weights[:-1]:
        out.append(np.maximum(out[-1] @ W, 0))
    return [*out, 1 / (1 + np.exp(-(out[-1] @ weights[-1])))]


def manual_gradients(weights, out, t):
    p = out[-1]
    dp = (p - t) / (p * (1 - p)) / t.size
    delta, of_weights, of_outputs = dp * p * (1 - p), [], [dp]
    for W, before in zip(reversed(weights), reversed(out[:-1]), strict=True):
        of_weights.insert(0, before.T @ delta)
        of_outputs.insert(0, delta @ W.T)
        delta = of_outputs[0] * (before > 0)
    return of_weights, of_outputs


# %%
def mlp_bce_in_out(X, W1, W2, W3, t):
    model.set_weights([W1, W2, W3])
    weights = model.get_weights()
    out = outputs(weights, X)
    p = out[-1]
    loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
    of_weights, of_outputs = manual_gradients(weights, out, t)
    gradients = dict(zip(("W1", "W2", "W3"), of_weights, strict=True))
    gradients |= dict(zip(("X", "h1", "h2", "p"), of_outputs, strict=True))
    return {"h1": out[1], "h2": out[2], "p": p, "loss": loss}, gradients
