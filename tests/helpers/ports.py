"""Originals and their ports to four ways of writing, each right; and what is planted into them."""

import textwrap

TORCH = """
import torch
from torch import nn
from torch.nn import functional as F
"""

BLOCK = (
    TORCH
    + """

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.up = nn.Linear(8, 16)
        self.mix = nn.Linear(16, 16)
        self.down = nn.Linear(16, 8)

    def forward(self, x, target):
        h = F.gelu(self.up(self.norm(x)))
        h = F.leaky_relu(self.mix(h), 0.1)
        y = x + self.down(h)
        return F.mse_loss(y, target)


def make():
    torch.manual_seed(0)
    return Block(), (torch.randn(4, 8), torch.randn(4, 8))
"""
)
CONV = (
    TORCH
    + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.point = nn.Conv2d(6, 4, 3, padding=1)
        self.head = nn.Linear(4 * 2 * 2, 5)

    def forward(self, x, labels):
        h = F.relu(self.norm(self.conv(x)))
        h = F.max_pool2d(self.point(h), 2)
        return F.cross_entropy(self.head(h.flatten(1)), labels)


def make():
    torch.manual_seed(0)
    return Net(), (torch.randn(4, 3, 8, 8), torch.tensor([0, 3, 1, 4]))
"""
)
RECURRENT = (
    TORCH
    + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.LSTM(3, 4, batch_first=True)
        self.second = nn.GRU(4, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x, target):
        h = self.first(x)[0]
        h = self.second(h)[0]
        return F.mse_loss(self.head(h), target)


def make():
    torch.manual_seed(0)
    return Net(), (torch.randn(2, 6, 3), torch.randn(2, 6, 2))
"""
)
ATTENTION = (
    TORCH
    + """

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(7, 8)
        self.query = nn.Linear(8, 8)
        self.key = nn.Linear(8, 8)
        self.value = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 7)

    def forward(self, ids, target):
        x = self.table(ids)
        q, k, v = (f(x).view(2, 5, 2, 4).transpose(1, 2) for f in (self.query, self.key, self.value))
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = self.norm(x + h.transpose(1, 2).reshape(2, 5, 8))
        return F.cross_entropy(self.head(h).flatten(0, 1), target.flatten())


def make():
    torch.manual_seed(0)
    return Net(), (torch.randint(0, 7, (2, 5)), torch.randint(0, 7, (2, 5)))
"""
)
ORIGINALS = {"block": BLOCK, "conv": CONV, "recurrent": RECURRENT, "attention": ATTENTION}

KERAS_BLOCK = """
import keras
import numpy as np
from keras import layers, ops


class Block(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = layers.LayerNormalization(epsilon=1e-5)
        self.up = layers.Dense(16)
        self.mix = layers.Dense(16)
        self.down = layers.Dense(8)

    def call(self, x, target):
        h = keras.activations.gelu(self.up(self.norm(x)))
        h = ops.leaky_relu(self.mix(h), 0.1)
        y = x + self.down(h)
        return ops.mean((y - target) ** 2)


def make():
    return Block(), (np.zeros((4, 8)), np.zeros((4, 8)))
"""
KERAS_CONV = """
import keras
import numpy as np
from keras import layers, ops

inputs = keras.Input((8, 8, 3))
h = layers.ZeroPadding2D(1)(inputs)
h = layers.Conv2D(6, 3, strides=2)(h)
h = layers.BatchNormalization(epsilon=1e-5)(h)
h = layers.ReLU()(h)
h = layers.Conv2D(4, 3, padding="same")(h)
h = layers.MaxPooling2D(2)(h)
h = layers.Permute((3, 1, 2))(h)
outputs = layers.Dense(5)(layers.Flatten()(h))
network = keras.Model(inputs, outputs)


def loss(model, x, labels):
    every = keras.losses.sparse_categorical_crossentropy(labels, model(x, training=True), from_logits=True)
    return ops.mean(every)


def make():
    return network, (np.zeros((4, 8, 8, 3)), np.array([0, 1, 2, 3])), loss
"""
KERAS_RECURRENT = """
import keras
import numpy as np
from keras import layers, ops

network = keras.Sequential([
    keras.Input((6, 3)),
    layers.LSTM(4, return_sequences=True),
    layers.GRU(5, return_sequences=True),
    layers.Dense(2),
])


def loss(model, x, target):
    return ops.mean((model(x) - target) ** 2)


def make():
    return network, (np.zeros((2, 6, 3)), np.zeros((2, 6, 2))), loss
"""
JAX_BLOCK = """
import jax
import jax.numpy as jnp
import numpy as np


def layer_norm(x, p, eps=1e-5):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(var + eps) * p["scale"] + p["bias"]


def dense(x, p):
    return x @ p["kernel"] + p["bias"]


def forward(params, x, target):
    n = layer_norm(x, params["norm"])
    h = jax.nn.gelu(dense(n, params["up"]), approximate=False)
    h = jax.nn.leaky_relu(dense(h, params["mix"]), 0.1)
    y = x + dense(h, params["down"])
    return jnp.mean((y - target) ** 2)


def make():
    sizes = {"up": (8, 16), "mix": (16, 16), "down": (16, 8)}
    params = {name: {"kernel": np.ones(s) * np.arange(s[1]), "bias": np.zeros(s[1])} for name, s in sizes.items()}
    params["norm"] = {"scale": np.ones(8), "bias": np.zeros(8)}
    params = jax.tree.map(jnp.asarray, params)
    return params, (np.zeros((4, 8)), np.zeros((4, 8))), forward
"""
NUMPY_BLOCK = """
import math
import numpy as np

erf = np.vectorize(math.erf)


def forward(p, x, target):
    mean = x.mean(-1, keepdims=True)
    centred = x - mean
    root = np.sqrt(centred.var(-1, keepdims=True) + 1e-5)
    normed = centred / root
    n = normed * p["gamma"] + p["beta"]
    a = n @ p["W1"] + p["b1"]
    cdf = (1 + erf(a / math.sqrt(2))) / 2
    h = a * cdf
    m = h @ p["W2"] + p["b2"]
    r = np.where(m > 0, m, 0.1 * m)
    y = x + r @ p["W3"] + p["b3"]
    loss = np.mean((y - target) ** 2)

    dy = 2 * (y - target) / y.size
    g = {"W3": r.T @ dy, "b3": dy.sum(0)}
    dm = dy @ p["W3"].T * np.where(m > 0, 1, 0.1)
    g["W2"], g["b2"] = h.T @ dm, dm.sum(0)
    dh = dm @ p["W2"].T
    da = dh * (cdf + a * np.exp(-a * a / 2) / math.sqrt(2 * math.pi))
    g["W1"], g["b1"] = n.T @ da, da.sum(0)
    dn = da @ p["W1"].T
    g["gamma"], g["beta"] = (dn * normed).sum(0), dn.sum(0)
    return loss, g


def make():
    sizes = {"gamma": (8,), "beta": (8,), "W1": (8, 16), "b1": (16,), "W2": (16, 16), "b2": (16,), "W3": (16, 8), "b3": (8,)}
    return {n: np.arange(math.prod(s), dtype=float).reshape(s) for n, s in sizes.items()}, (np.zeros((4, 8)), np.zeros((4, 8))), forward
"""

PORTS = {
    "block to torch": ("block", "torch", BLOCK),
    "conv to torch": ("conv", "torch", CONV),
    "attention to torch": ("attention", "torch", ATTENTION),
    "block to Keras": ("block", "tensorflow", KERAS_BLOCK),
    "conv to Keras": ("conv", "tensorflow", KERAS_CONV),
    "recurrent to Keras": ("recurrent", "tensorflow", KERAS_RECURRENT),
    "block to JAX": ("block", "jax", JAX_BLOCK),
    "block to JAX, its parameters NumPy's": (
        "block",
        "jax",
        JAX_BLOCK.replace("params = jax.tree.map(jnp.asarray, params)", ""),
    ),
    "block to NumPy": ("block", "tests", NUMPY_BLOCK),
}
"""The original, the interpreter and the text of each right port."""

FAULTS = {
    "epsilon of a layer norm, torch": ("block to torch", "LayerNorm(8)", "LayerNorm(8, eps=1e-3)", "layer_norm", "its epsilon is 0.001"),
    "kind of gelu, torch": ("block to torch", "F.gelu(self.up(self.norm(x)))", 'F.gelu(self.up(self.norm(x)), approximate="tanh")', "gelu", 'its approximate is "tanh"'),
    "residual, torch": ("block to torch", "y = x + self.down(h)", "y = self.down(h)", "add", "its first term is left out"),
    "causal mask, torch": ("attention to torch", "is_causal=True", "is_causal=False", "attention", "its causal is False"),
    "scale of attention, torch": ("attention to torch", "is_causal=True", "is_causal=True, scale=1.0", "attention", "its scale is 1"),
    "label smoothing, torch": ("conv to torch", "self.head(h.flatten(1)), labels)", "self.head(h.flatten(1)), labels, label_smoothing=0.1)", "cross_entropy", "its label_smoothing is 0.1"),
    "softmax twice, torch": ("conv to torch", "self.head(h.flatten(1)), labels)", "self.head(h.flatten(1)).softmax(-1), labels)", "cross_entropy", "softmax is taken twice"),
    "kind of pooling, torch": ("conv to torch", "F.max_pool2d", "F.avg_pool2d", "max_pool2d", "avg_pool2d stands in its place"),
    "epsilon of a layer norm, Keras": ("block to Keras", "LayerNormalization(epsilon=1e-5)", "LayerNormalization()", "layer_norm", "its epsilon is 0.001"),
    "slope, Keras": ("block to Keras", "leaky_relu(self.mix(h), 0.1)", "leaky_relu(self.mix(h))", "leaky_relu", "its slope is 0.2"),
    "side of the padding, Keras": ("conv to Keras", "h = layers.ZeroPadding2D(1)(inputs)\nh = layers.Conv2D(6, 3, strides=2)(h)", 'h = layers.Conv2D(6, 3, strides=2, padding="same")(inputs)', "conv2d", "it is all behind"),
    "epsilon of a batch norm, Keras": ("conv to Keras", "BatchNormalization(epsilon=1e-5)", "BatchNormalization()", "batch_norm", "its epsilon is 0.001"),
    "flattened with channels last, Keras": ("conv to Keras", "h = layers.Permute((3, 1, 2))(h)\n", "", "reshape", "flattened with the channels last"),
    "reset before the product, Keras": ("recurrent to Keras", "layers.GRU(5, return_sequences=True)", "layers.GRU(5, return_sequences=True, reset_after=False, use_bias=True)", "gru", "linear_before_reset is False"),
    "reduction, Keras": ("recurrent to Keras", "ops.mean((model(x) - target) ** 2)", "ops.sum((model(x) - target) ** 2)", "mse", 'its reduction is "sum"'),
    "epsilon of a layer norm, JAX": ("block to JAX", "eps=1e-5", "eps=1e-6", "layer_norm", "its epsilon is 1e-06"),
    "kind of gelu, JAX": ("block to JAX", ", approximate=False", "", "gelu", 'its approximate is "tanh"'),
    "half of the loss, JAX": ("block to JAX", "jnp.mean((y - target) ** 2)", "0.5 * jnp.mean((y - target) ** 2)", "mse", "1/2 ×"),
    "a square weight transposed, JAX": ("block to JAX", 'dense(h, params["mix"])', '(h @ params["mix"]["kernel"].T + params["mix"]["bias"])', "linear", "its W is transposed"),
    "variance of n - 1, NumPy": ("block to NumPy", "centred.var(-1, keepdims=True)", "centred.var(-1, keepdims=True, ddof=1)", "layer_norm", "divided by n - 1"),
    "1/n, NumPy": ("block to NumPy", "dy = 2 * (y - target) / y.size", "dy = 2 * (y - target) / len(y)", "mse", "8 × what it should be"),
    "derivative of the slope, NumPy": ("block to NumPy", "np.where(m > 0, 1, 0.1)", "np.where(m > 0, 1, 0)", "leaky_relu", ""),
}  # fmt: skip
"""What is planted: into which port, what stands there, what instead, the op of the first call that differs, and words of its name."""


def faulty(name: str) -> str:
    """The text of a port with a fault in it."""
    port, old, new, _, _ = FAULTS[name]
    text = PORTS[port][2]
    assert old in text
    return textwrap.dedent(text.replace(old, new, 1))
