"""ONNX's layers in our language: windows, normalizations, losses, matrices, attention and recurrent layers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .node import Node, NotOurs, Said, Same, axis, pairs, said, y


def windows(node: Node, size: Sequence[int], *, dilates: bool) -> dict[str, Any]:
    """Stride, padding and dilation of a convolution or a pooling."""
    space = len(size)
    stride = tuple(node.get("strides", (1,) * space))
    dilation = tuple(node.get("dilations", (1,) * space))
    padding = pairs(node.get("pads", (0,) * 2 * space))
    auto = node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        widths = zip(node.array(0).shape[2:], stride, size, dilation, strict=True)
        missing = [max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n) for n, s, k, d in widths]
        padding = tuple(
            (m // 2, m - m // 2) if auto == "SAME_UPPER" else (m - m // 2, m // 2) for m in missing
        )
    if not dilates:
        if max(dilation) > 1:
            raise NotOurs("poolings are not dilated")
        if any(2 * max(pad) > k for pad, k in zip(padding, size, strict=True)):
            raise NotOurs("a pooling's padding is at most half a window")
    return {"stride": stride, "padding": padding} | ({"dilation": dilation} if dilates else {})


def conv(node: Node) -> str:
    size = node.array(1).shape[2:]
    kw = windows(node, size, dilates=True) | {"groups": node.get("group", 1)}
    return y(said(f"conv{len(size)}d", *node.names, **kw))


def conv_transpose(node: Node) -> str:
    space = node.ndim - 2
    if space != 2:
        raise NotOurs("the transpose of a convolution has two dimensions")
    size, n = node.array(1).shape[2:], node.array(0).shape[2:]
    kw = windows(node, size, dilates=True)
    more = tuple(node.get("output_padding", (0,) * space))
    shape = node.get("output_shape", None)
    auto = node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        shape = [a * s for a, s in zip(n, kw["stride"], strict=True)]
    if shape:
        parts = zip(n, kw["stride"], more, size, kw["dilation"], shape, strict=True)
        total = [s * (a - 1) + o + (k - 1) * d + 1 - due for a, s, o, k, d, due in parts]
        if min(total) < 0:  # more than there is: at the end
            more = tuple(o - min(0, t) for o, t in zip(more, total, strict=True))
            total = [max(0, t) for t in total]
        ends = [(t // 2, t - t // 2) for t in total]
        kw["padding"] = tuple(ends if auto == "SAME_UPPER" else [(b, a) for a, b in ends])
    return y(said("conv_transpose2d", *node.names, **kw, output_padding=more, groups=node.get("group", 1)))


def pooled(op: str, **more: str) -> Said:
    """A pooling; of its second output, the places as numbers into the whole input, we have none."""

    def text(node: Node) -> str:
        size = tuple(node["kernel_shape"])
        kw = windows(node, size, dilates=False) | {"size": size, "ceil_mode": bool(node.get("ceil_mode", 0))}
        kw |= {ours: bool(node.get(theirs, 0)) for ours, theirs in more.items()}
        return y(said(f"{op}{len(size)}d", "x0", **kw))

    return text


def lp_pool(node: Node) -> str:
    """The root of the sum of powers: the mean of them, times how many there are."""
    size, p = tuple(node["kernel_shape"]), node.get("p", 2)
    kw = windows(node, size, dilates=False) | {"size": size, "ceil_mode": bool(node.get("ceil_mode", 0))}
    return y(f"({said(f'avg_pool{len(size)}d', f'abs(x0) ** {p}', **kw)} * {np.prod(size)}) ** (1 / {p})")


def col2im(node: Node) -> str:
    """The gradient of unfold: of the image that these windows are of, whatever it is, given what they are as a cotangent."""
    image, size = node.ints(1), node.ints(2)
    if len(image) != 2:
        raise NotOurs("unfold has two dimensions")
    x = node.array(0)
    node.more["image"] = np.zeros((x.shape[0], x.shape[1] // int(np.prod(size)), *image))
    stride, dilation = (tuple(node.get(name, (1, 1))) for name in ("strides", "dilations"))
    kw = {"size": size, "stride": stride, "padding": pairs(node.get("pads", (0,) * 4)), "dilation": dilation}
    return f"gradient image\nwindows = {said('unfold', 'image', **kw)}"


# Normalizations


def batch_norm(node: Node) -> str:
    epsilon = node.get("epsilon", 1e-5)
    if not node.get("training_mode", 0):
        return y(said("batch_norm_inference", "x0", "x3", "x4", "x1", "x2", epsilon=epsilon))
    axes, kept = (0, *range(2, node.ndim)), node.get("momentum", 0.9)
    return "\n".join(
        [
            y(said("batch_norm", "x0", "x1", "x2", epsilon=epsilon)),
            f"y1 = x3 * {kept!r} + {said('mean', 'x0', axis=axes)} * (1 - {kept!r})",
            f"y2 = x4 * {kept!r} + {said('var', 'x0', axis=axes)} * (1 - {kept!r})",
        ]
    )


def features(node: Node) -> tuple[int, ...]:
    return tuple(range(axis(node, -1), node.ndim))


def layer_norm(node: Node) -> str:
    axes, epsilon = features(node), node.get("epsilon", 1e-5)
    text = y(said("layer_norm", *node.names, axis=axes, epsilon=epsilon))
    if len(node.outputs) > 1:
        text += f"\ny1 = {said('mean', 'x0', axis=axes, keepdims=True)}"
        text += f"\ny2 = rsqrt({said('var', 'x0', axis=axes, keepdims=True)} + {epsilon!r})"
    return text


def rms_norm(node: Node) -> str:
    return y(said("rms_norm", *node.names, axis=features(node), epsilon=node.get("epsilon", 1e-5)))


def group_norm(node: Node) -> str:
    return y(said("group_norm", *node.names, groups=node["num_groups"], epsilon=node.get("epsilon", 1e-5)))


def mean_variance(node: Node) -> str:
    kw = {"axis": tuple(node.get("axes", (0, 2, 3))), "keepdims": True}
    return y(f"(x0 - {said('mean', 'x0', **kw)}) / ({said('std', 'x0', **kw)} + 1e-9)")


def lp_norm(node: Node) -> str:
    """0 where the norm is 0, which ONNX prescribes."""
    kw = {"axis": axis(node, -1), "keepdims": True}
    size = said("norm", "x0", **kw) if node.get("p", 2) == 2 else said("sum", "abs(x0)", **kw)
    return f"size = {size}\n{y('where(size > 0, x0 / size, 0)')}"


# Activations


def clip(node: Node) -> str:
    low, high = (node.number(i) if node.has(i) else None for i in (1, 2))
    if low is None and high is None:
        raise Same("without bounds")
    if low is not None and high is not None and low >= high:
        raise NotOurs("clip has a high bound above the low one")
    return y(said("clip", "x0", low=low, high=high))


def gelu(node: Node) -> str:
    return y(said("gelu", "x0", approximate=node.get("approximate", "none")))


def selu(node: Node) -> str:
    if not node.attributes:
        return y("selu(x0)")
    return y(f"{node['gamma']!r} * elu(x0, alpha={node['alpha']!r})")


def dropout(node: Node) -> str:
    if not node.has(2) or not node.array(2):
        raise Same("outside training")
    if len(node.outputs) < 2:
        raise NotOurs("it draws a mask, and does not tell it")
    node.more["mask"] = node.output(1)
    node.outputs.pop()
    return y(said("dropout", "x0", "mask", rate=node.number(1) if node.has(1) else 0.5))


# Losses


def nll(node: Node) -> str:
    return y(said("nll", *node.names, axis=1, **loss(node)))


def cross_entropy(node: Node) -> str:
    text = y(said("cross_entropy", *node.names, axis=1, **loss(node)))
    return text if len(node.outputs) == 1 else text + "\ny1 = log_softmax(x0, axis=1)"


def loss(node: Node) -> dict[str, Any]:
    return {"reduction": node.get("reduction", "mean"), "ignore_index": node.get("ignore_index", None)}


# Matrices


def gemm(node: Node) -> str:
    a, b = ("x0.T" if node.get("transA", 0) else "x0"), ("x1.T" if node.get("transB", 0) else "x1")
    alpha, beta = (node.get(name, 1.0) for name in ("alpha", "beta"))
    product = f"{a} @ {b}" if alpha == 1 else f"{alpha!r} * ({a} @ {b})"
    if not node.has(2):
        return y(product)
    return y(f"{product} + {'x2' if beta == 1 else f'{beta!r} * x2'}")


def einsum(node: Node) -> str:
    equation = node["equation"].replace(" ", "")
    operands, _, result = equation.partition("->")
    if "..." in equation or not operands or any(len(set(term)) < len(term) for term in operands.split(",")):
        raise NotOurs("einsum has letters alone, each once in an operand")
    if not result and "->" not in equation:
        letters = operands.replace(",", "")
        equation += "->" + "".join(sorted(a for a in set(letters) if letters.count(a) == 1))
    return y(said("einsum", *node.names, equation=equation))


def attention(node: Node) -> str:
    """Queries of 3 dimensions have their heads in the last one; keys of earlier steps stand before those of these."""
    if node.get("softmax_precision", 1) != 1 or node.has(6):
        raise NotOurs("a softmax in another dtype, or lengths of keys, attention does not have")
    q, k, v = node.array(0), node.array(1), node.array(2)
    lines, names = [], ["x0", "x1", "x2"]
    heads = [q.shape[1], k.shape[1]]
    if q.ndim == 3:
        heads = [node["q_num_heads"], node["kv_num_heads"]]
        for i, (a, n) in enumerate(zip((q, k, v), (heads[0], heads[1], heads[1]), strict=True)):
            apart = said("reshape", f"x{i}", shape=(*a.shape[:2], n, a.shape[2] // n))
            lines.append(f"h{i} = {said('transpose', apart, axes=(0, 2, 1, 3))}")
            names[i] = f"h{i}"
    if node.has(4):
        lines += [f"y1 = concat(x4, {names[1]}, axis=2)", f"y2 = concat(x5, {names[2]}, axis=2)"]
        names[1:] = ["y1", "y2"]
        if node.get("is_causal", 0):
            raise NotOurs("causal attention has no keys of earlier steps")
    kw = {
        "causal": bool(node.get("is_causal", 0)),
        "scale": node.get("scale", None),
        "groups": heads[0] // heads[1],
    }
    if node.get("softcap", 0.0):
        lines.append(
            capped(
                node,
                names,
                kw["scale"] or (q.shape[-1] // (1 if q.ndim == 4 else heads[0])) ** -0.5,
                kw["groups"],
            )
        )
        found = "softmax(scores) @ shared"
    else:
        found = said("attention", *names, *(["x3"] if node.has(3) else []), **kw)
    if q.ndim == 3:
        shape = (*q.shape[:2], node.output(0).shape[2])
        found = said("reshape", said("transpose", found, axes=(0, 2, 1, 3)), shape=shape)
    return "\n".join([*lines, y(found)])


def capped(node: Node, names: Sequence[str], scale: float, groups: int) -> str:
    """The scores of attention with a cap, which ours has not, and the values as each head has them."""
    if node.get("is_causal", 0):
        raise NotOurs("causal attention with a cap of its scores")
    q, k, v = names
    cap, keys = (
        node["softcap"],
        said("transpose", said("repeat", k, repeats=groups, axis=1), axes=(0, 1, 3, 2)),
    )
    scores = f"{cap!r} * tanh({q} @ {keys} * {scale!r} / {cap!r}){' + x3' if node.has(3) else ''}"
    return f"scores = {scores}\nshared = {said('repeat', v, repeats=groups, axis=1)}"


# Recurrent layers


UNITS = {("rnn", "Relu"): {"nonlinearity": "relu"}, ("rnn", "Tanh"): {}}
"""What a row says of ONNX's activations, where these are not the usual ones."""


def recurrent(op: str, rows: int, **kw: Any) -> Said:
    """A layer of one direction: it has an axis for that, and a state that is zero unless it is given."""

    def text(node: Node) -> str:
        if node.has(7) or node.get("direction", "forward") != "forward":
            raise NotOurs("peepholes, or another direction, recurrent layers do not have")
        units = node.get("activations", None)
        if (units and (op, *units) not in UNITS) or node.get("clip", None):
            raise NotOurs("recurrent layers have no other activations")
        batch_first, hidden = bool(node.get("layout", 0)), node["hidden_size"]
        node.more["h"] = np.zeros((node.array(0).shape[0 if batch_first else 1], hidden))
        states = ["h", "c"] if op == "lstm" else ["h"]
        node.more |= dict.fromkeys(states, node.more["h"])
        biases = [f"x3[0, :{rows * hidden}]", f"x3[0, {rows * hidden}:]"] if node.has(3) else []
        more = kw | ({"linear_before_reset": bool(node.get("linear_before_reset", 0))} if op == "gru" else {})
        if units:
            more |= UNITS[op, *units]
        found = said(op, "x0", *states, "x1[0]", "x2[0]", *biases, **more, batch_first=batch_first)
        lines = [f"states, last{', cell' * (op == 'lstm')} = {found}"]
        if node.outputs[0] is not None:
            lines.append(y(f"expand_dims(states, axis={2 if batch_first else 1})"))
        lines.append(f"y1 = expand_dims(last, axis={1 if batch_first else 0})")
        return "\n".join(lines)

    return text
