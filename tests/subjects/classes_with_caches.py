# %%
import numpy as np


# %%
class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * np.sqrt(2 / n_in)
        self.dW = None
        self.cache = None

    def forward(self, x):
        self.cache = x
        return x @ self.W

    def backward(self, upstream):
        self.dW = self.cache.T @ upstream
        return upstream @ self.W.T


class ReLU:
    def forward(self, x):
        self.cache = x
        return np.maximum(x, 0)

    def backward(self, upstream):
        return upstream * (self.cache > 0)


# %%
class BCEWithLogits:
    def forward(self, z, t):
        self.cache = z, t
        return np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))

    def backward(self):
        z, t = self.cache
        return (1 / (1 + np.exp(-z)) - t) / t.size


# %%
for epoch in range(1000):
    print(epoch, "this would train")


# %%
def mlp_bce_logits(case):
    first, relu, second, loss = Linear(4, 3), ReLU(), Linear(3, 1), BCEWithLogits()
    case.set(first, "W1")
    case.set(second, "W2")
    h = case.value("h", relu.forward(first.forward(case["X"])))
    z = case.value("z", second.forward(h))
    case.value("loss", loss.forward(z, case["t"]))
    dz = case.gradient("z", loss.backward())
    dh = case.gradient("h", second.backward(dz))
    case.gradient("X", first.backward(relu.backward(dh)))
    case.gradients(first)
    case.gradients(second)
