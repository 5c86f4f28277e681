# %%
import numpy as np


# %%
class Module:
    def __call__(self, x):
        return self.forward(x)


class Linear(Module):
    def __init__(self, n_in, n_out):
        self.weight = np.random.uniform(-1, 1, (n_out, n_in))
        self.bias = 0.0
        self.weight_grad = None

    def forward(self, x):
        self.x = x
        return self.weight @ x + self.bias

    def backward(self, grad):
        self.weight_grad = np.outer(grad, self.x)
        return self.weight.T @ grad


class Sigmoid(Module):
    def forward(self, x):
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, grad):
        return grad * self.y * (1 - self.y)


# %%
class Sequential(Module):
    def __init__(self, *layers):
        self.layers = layers
        self.outputs, self.grads = [], []

    def forward(self, x):
        self.outputs = []
        for layer in self.layers:
            x = layer(x)
            self.outputs.append(x)
        return x

    def backward(self, grad):
        self.grads = [grad]
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
            self.grads.insert(0, grad)
        return grad

    def step(self, lr):
        for layer in self.layers:
            if isinstance(layer, Linear):
                layer.weight = layer.weight - lr * layer.weight_grad


# %%
net = Sequential(Linear(2, 2), Sigmoid(), Linear(2, 2), Sigmoid())


# %%
def mazur_2_2_2(case):
    for number, layer in ((1, net.layers[0]), (2, net.layers[2])):
        case.set(layer, weight=f"W{number}", bias=f"b{number}")
    o = case.value("o", net(case["x"]))
    case.value("h", net.outputs[1])
    case.value("E", 0.5 * np.sum((case["t"] - o) ** 2))
    net.backward(o - case["t"])
    case.gradient("h", net.grads[2])
    case.gradient("W1", net.layers[0].weight_grad)
    case.gradient("W2", net.layers[2].weight_grad)
    net.step(case.optimizer["sgd"]["lr"])
    case.parameter("W1", net.layers[0].weight)
    case.parameter("W2", net.layers[2].weight)
