"""Faults in layers, in the walk through the graph, in the handling of gradients, and in the optimizer.

"One layer" is the middle one, so that there are layers on both sides of it where the network is deep enough.
"""

from dataclasses import replace

import numpy as np
from numpy_implementation import LAYERS, Implementation, each_gradient, fault


def of_role(n, role, change):
    """Change the cotangent of every argument with this role (weight, input or bias)."""
    each_gradient(n, lambda i, node, k, dx, args, g: change(dx, g) if n.role(node, k) == role else dx)


@fault("dW_transposed", *LAYERS)
def weight_gradient_transposed(n):
    """The gradient of a square weight matrix is transposed."""
    of_role(n, "weight", lambda dW, g: dW.T if dW.ndim == 2 and dW.shape == dW.shape[::-1] else dW)


@fault("db_missing", *LAYERS)
def db_missing(n):
    """Biases get no gradient."""
    of_role(n, "bias", lambda db, g: np.zeros_like(db))


@fault("db_mean", *LAYERS)
def db_mean(n):
    """The gradient of a bias is averaged over the examples, not summed."""
    of_role(n, "bias", lambda db, g: db / (g.size // max(db.size, 1)))


@fault("bias_twice", *LAYERS)
def bias_twice(n):
    """The bias is added twice."""
    call = n.call

    def changed(i, node, args):
        biases = [arg for k, arg in enumerate(args) if n.role(node, k) == "bias"]
        return sum(biases, start=call(i, node, args))

    n.call = changed


@fault("dx_last_col", *LAYERS)
def dx_last_col(n):
    """The last column of a layer's input gets no gradient."""

    def changed(dx, g):
        return np.concatenate([dx[..., :-1], np.zeros_like(dx[..., -1:])], axis=-1)

    of_role(n, "input", changed)


@fault("dx_updated_W", *LAYERS)
def backward_through_updated_weights(n):
    """The gradient goes back through weights that this step has updated already."""
    vjp = n.vjp

    def changed(i, node, out, args, g):
        dxs = list(vjp(i, node, out, args, g))
        for k in range(min(2, len(args))):
            if n.role(node, k) == "weight":
                updated = list(args)
                updated[k] = args[k] - n.problem.lr * dxs[k]
                dxs[1 - k] = vjp(i, node, out, tuple(updated), g)[1 - k]
        return tuple(dxs)

    n.vjp = changed


@fault("drop_sample", *LAYERS)
def drop_sample(n):
    """The last example does not count in the gradient of the weights."""
    vjp = n.vjp

    def changed(i, node, out, args, g):
        dxs = list(vjp(i, node, out, args, g))
        for k in range(min(2, len(args))):
            if n.role(node, k) == "weight" and np.ndim(g) == 2:
                first = node.op == "linear" or k == 1
                kept = np.array(g)
                kept[(-1,) if first else (slice(None), -1)] = 0
                dxs[k] = vjp(i, node, out, args, kept)[k]
        return tuple(dxs)

    n.vjp = changed


@fault("stale_act", *LAYERS)
def stale_act(n):
    """One layer's weight gradient uses its input as it was one step of gradient descent before."""
    problem, run, middle = n.problem, n.run, n.middle

    def stale():
        before = Implementation(problem, n.dtype)
        grads = before.backward(before.forward())
        before.problem = _one_step_back(n, grads)
        old = before.forward()
        each_gradient(n, lambda i, node, k, dx, args, g: fresh(n, old, i, node, k, dx, args, g))
        return run()

    def fresh(n, old, i, node, k, dx, args, g):
        if i != middle or n.role(node, k) != "weight":
            return dx
        args = tuple(
            old.get(name, arg) if n.role(node, j) == "input" else arg
            for j, (name, arg) in enumerate(zip(node.args, args, strict=True))
        )
        return n.backwards[node.op](n, None, g, *args, **node.kw)[k]

    n.run = stale


def _one_step_back(n, grads):
    """The problem at the weights and biases from before a step that these gradients would have made."""
    parameters = {
        node.args[k]
        for node in n.nodes
        for k in range(len(node.args))
        if n.role(node, k) in ("weight", "bias")
    }
    moved = {
        name: a + n.problem.lr * grads[name] for name, a in n.problem.inputs.items() if name in parameters
    }
    return replace(n.problem, inputs={**n.problem.inputs, **moved})


@fault("fanout_overwrite")
def fanout_overwrite(n):
    """Where a tensor is used twice, the second gradient replaces the first."""
    n.accumulate = lambda grads, name, dx: grads.update({name: dx})


@fault("add_first_only", "add")
def add_first_only(n):
    """An addition passes its gradient to the first operand only."""
    backward = n.backwards["add"]
    n.backwards["add"] = lambda n, out, g, x, y: (backward(n, out, g, x, y)[0], None)


@fault("mul_swap", "mul")
def mul_swap(n):
    """The gradients of a product are swapped: each operand gets its own value times g."""

    def changed(n, out, g, x, y):
        same = np.shape(x) == np.shape(y)
        return (g * x, g * y) if same else backward(n, out, g, x, y)

    backward = n.backwards["mul"]
    n.backwards["mul"] = changed


@fault("grad_double")
def grad_double(n):
    """Gradients are not set to zero between two passes and add up."""
    n.finish = lambda env, grads: {name: 2 * g for name, g in grads.items()}


@fault("grad_clip1")
def grad_clip1(n):
    """Gradients are clipped to a common norm of 1."""

    def clipped(env, grads):
        compared = [np.sum(np.square(grads[name])) for name in n.problem.gradients if name in grads]
        norm = np.sqrt(sum(compared))
        return {name: g / norm if norm > 1 else g for name, g in grads.items()}

    n.finish = clipped


@fault("mom_sign", kind="optimizer")
def mom_sign(n):
    """The velocity enters the next one with the wrong sign."""
    n.velocity = lambda v, g, momentum: g - momentum * v


@fault("mom_scale", kind="optimizer")
def mom_scale(n):
    """The gradient is scaled by 1 - momentum, as in a running mean."""
    n.velocity = lambda v, g, momentum: momentum * v + (1 - momentum) * g


def _one_layer(factor):
    def change(n):
        middle = n.middle

        def scaled(i, node, k, dx, args, g):
            return dx * factor if i == middle and n.role(node, k) in ("weight", "bias") else dx

        each_gradient(n, scaled)

    change.__doc__ = f"The gradients of one layer's weights and bias are multiplied by {factor!r}."
    return change


fault("layer_x1.001", *LAYERS)(_one_layer(1.001))
fault("layer_x1.00001", *LAYERS)(_one_layer(1.00001))
fault("layer_x1.000001", *LAYERS)(_one_layer(1.000001))
fault("layer_x1+1e-9", *LAYERS, dtypes=("float64",))(_one_layer(1 + 1e-9))
fault("layer_x1+1e-12", *LAYERS, dtypes=("float64",))(_one_layer(1 + 1e-12))


def _one_element(relative):
    def change(n):
        middle = n.middle

        def nudged(i, node, k, dx, args, g):
            if i != middle or n.role(node, k) != "weight":
                return dx
            dx = np.array(dx)
            dx.reshape(-1)[dx.size // 2] *= 1 + relative
            return dx

        each_gradient(n, nudged)

    change.__doc__ = f"The element in the middle of one weight's gradient is off by {relative!r} of itself."
    return change


fault("elem_1e-3", *LAYERS)(_one_element(1e-3))
fault("elem_1e-5", *LAYERS)(_one_element(1e-5))
