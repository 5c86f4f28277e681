"""Faults in activation functions and their derivatives."""

import numpy as np
from numpy_implementation import ACTIVATIONS, fault


@fault("sig_at_z", "sigmoid")
def sig_at_z(n):
    """The derivative of sigmoid is taken as z (1 - z)."""
    n.backwards["sigmoid"] = lambda n, a, g, z: (g * z * (1 - z),)


@fault("sig_of_a", "sigmoid")
def sig_of_a(n):
    """The derivative of sigmoid is taken at the activation, not at z."""
    n.backwards["sigmoid"] = lambda n, a, g, z: (g * n.sigmoid(a) * (1 - n.sigmoid(a)),)


@fault("f_for_fprime", *ACTIVATIONS)
def f_for_fprime(n):
    """The activation stands where its derivative should."""
    n.backwards |= dict.fromkeys(ACTIVATIONS, lambda n, a, g, z, **_: (g * a,))


@fault("tanh_no_sq", "tanh")
def tanh_no_sq(n):
    """The derivative of tanh without its square: 1 - a."""
    n.backwards["tanh"] = lambda n, a, g, z: (g * (1 - a),)


@fault("deriv_skip_last", *ACTIVATIONS)
def deriv_skip_last(n):
    """The derivative of the last activation is left out."""
    vjp = n.vjp
    last = max((i for i, node in enumerate(n.nodes) if node.op in ACTIVATIONS), default=None)
    n.vjp = lambda i, node, out, args, g: (g,) if i == last else vjp(i, node, out, args, g)


@fault("sig_clip10", "sigmoid", "softplus", "bce_with_logits")
def sig_clip10(n):
    """The argument of every sigmoid is clipped to [-10, 10]."""
    sigmoid = n.sigmoid
    n.sigmoid = lambda z: sigmoid(np.clip(z, -10, 10))


@fault("relu_guided", "relu")
def relu_guided(n):
    """Guided backpropagation: negative gradients do not pass relu either."""
    n.backwards["relu"] = lambda n, a, g, z: (g * (z > 0) * (g > 0),)


@fault("relu_wrong_tensor", "relu")
def relu_wrong_tensor(n):
    """The mask of relu is taken from the gradient, not from z."""
    n.backwards["relu"] = lambda n, a, g, z: (g * (g > 0),)


@fault("relu_mask_1e-3", "relu")
def relu_mask(n):
    """The mask of relu's gradient is z > 1e-3."""
    n.backwards["relu"] = lambda n, a, g, z: (g * (z > 1e-3),)


@fault("leaky_x10", "leaky_relu")
def leaky_x10(n):
    """Leaky relu's slope is ten times too large in the gradient."""
    n.backwards["leaky_relu"] = lambda n, a, g, z, *, slope: (np.where(z > 0, g, 10 * slope * g),)


@fault("leaky_as_relu", "leaky_relu")
def leaky_as_relu(n):
    """Leaky relu's gradient is that of relu."""
    n.backwards["leaky_relu"] = lambda n, a, g, z, *, slope: (g * (z > 0),)
