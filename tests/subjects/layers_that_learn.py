# %%
import numpy as np

learning_rate = 0.5


# %%
class Dense:
    """Moves its own weights on the way back."""

    def __init__(self, n_in, n_out, lr=learning_rate):
        self.weights = np.random.randn(n_in, n_out) * 0.1
        self.bias = np.zeros((1, n_out))
        self.lr = lr

    def forward(self, inputs):
        self.inputs = inputs
        return inputs @ self.weights + self.bias

    def backward(self, grad):
        grad_inputs = grad @ self.weights.T
        self.weights -= self.lr * (self.inputs.T @ grad)
        self.bias -= self.lr * grad.sum(axis=0, keepdims=True)
        return grad_inputs


class Sigmoid:
    def forward(self, inputs):
        self.outputs = 1 / (1 + np.exp(-inputs))
        return self.outputs

    def backward(self, grad):
        return grad * self.outputs * (1 - self.outputs)


# %%
net = [Dense(3, 2), Sigmoid()]
print(net[0].forward(np.ones((1, 3))))


# %%
def dense_batch_first(case):
    dense, sigmoid = Dense(3, 2, case.optimizer["sgd"]["lr"]), Sigmoid()
    case.set(dense, "W", "b")
    X, Y = case["X"], case["Y"]
    Z = case.value("Z", dense.forward(X))
    A = case.value("A", sigmoid.forward(Z))
    case.value("loss", np.mean((A - Y) ** 2))
    dA = case.gradient("A", 2 * (A - Y) / A.size)
    dZ = case.gradient("Z", sigmoid.backward(dA))
    case.gradient("X", dense.backward(dZ))
    case.parameter("W", dense.weights)
    case.parameter("b", dense.bias.reshape(case["b"].shape))
