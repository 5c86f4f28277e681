"""ONNX's reductions, and what moves elements or chooses them, in our language."""

import numpy as np

from .node import Node, NotOurs, Said, Same, axis, pairs, said, y


def reduced(around: str, inside: str = "x0", reduction: str = "sum") -> Said:
    """A reduction of an expression, and what is done to it."""

    def text(node: Node) -> str:
        axes = node.ints(1) if node.has(1) else tuple(node.get("axes", ()))
        if not axes and node.get("noop_with_empty_axes", 0):
            if inside == around.replace("{}", inside):
                raise Same("where nothing is reduced")
            return y(around.format(inside))
        if not node.array(0).size and node.output(0).size and reduction != "sum":
            raise NotOurs("what is empty has no largest, and no product; only its sum is 0")
        if node.array(0).dtype == bool:
            raise NotOurs("of bools; reductions are of floats")
        kw = {"axis": axes or None, "keepdims": bool(node.get("keepdims", 1))}
        return y(around.format(said(reduction, inside, **kw)))

    return text


def largest(op: str) -> Said:
    """ONNX may keep the axis, which ours never does: it is then taken off what is expected."""

    def text(node: Node) -> str:
        if node.get("select_last_index", 0):
            raise NotOurs("of equal elements it takes the last; argmax and argmin take the first")
        at = axis(node, 0)
        if node.get("keepdims", 1):
            node.outputs[0] = np.squeeze(node.output(0), at)
        return y(said(op, "x0", axis=at))

    return text


def cumulated(op: str, neutral: float) -> Said:
    def text(node: Node) -> str:
        at, found = node.ints(1)[0] % node.ndim, "x0"
        if node.get("reverse", 0):
            found = said("flip", found, axis=at)
        if node.get("exclusive", 0):
            padding = tuple((1, 0) if i == at else (0, 0) for i in range(node.ndim))
            found = said("pad", f"{found}[{':, ' * at}:-1]", padding=padding, value=neutral)
        found = said(op, found, axis=at)
        return y(said("flip", found, axis=at) if node.get("reverse", 0) else found)

    return text


def shaped(node: Node) -> str:
    return y(said("reshape", "x0", shape=node.output(0).shape))


def pad(node: Node) -> str:
    axes = node.ints(3) if node.has(3) else tuple(range(node.ndim))
    at = dict(zip((a % node.ndim for a in axes), pairs(node.ints(1)), strict=True))
    mode = {"wrap": "circular"}.get(node.get("mode", "constant"), node.get("mode", "constant"))
    value = {"value": node.number(2)} if node.has(2) else {}
    return y(
        said("pad", "x0", padding=tuple(at.get(i, (0, 0)) for i in range(node.ndim)), mode=mode, **value)
    )


def sliced(node: Node) -> str:
    starts, ends = node.ints(1), node.ints(2)
    axes = node.ints(3) if node.has(3) else tuple(range(len(starts)))
    steps = node.ints(4) if node.has(4) else (1,) * len(starts)
    at = {a % node.ndim: f"{b}:{e}:{s}" for a, b, e, s in zip(axes, starts, ends, steps, strict=True)}
    return y(f"x0[{', '.join(at.get(i, ':') for i in range(node.ndim))}]")


def split(node: Node) -> str:
    at, outs = axis(node, 0), ", ".join(f"y{i}" for i in range(len(node.outputs)))
    sizes = [node.output(i).shape[at] for i in range(len(node.outputs))]
    if len(set(sizes)) == 1:
        return f"{outs} = {said('split', 'x0', parts=len(sizes), axis=at)}"
    ends = np.cumsum(sizes).tolist()
    parts = zip(ends, sizes, strict=True)
    return "\n".join(f"y{i} = x0[{':, ' * at}{end - n}:{end}]" for i, (end, n) in enumerate(parts))


def unsqueeze(node: Node) -> str:
    rank = node.ndim + len(node.ints(1))
    return y(said("expand_dims", "x0", axis=tuple(sorted(a % rank for a in node.ints(1)))))


def expand(node: Node) -> str:
    return y(said("broadcast_to", "x0", shape=np.broadcast_shapes(node.array(0).shape, node.ints(1))))


def indexed(op: str) -> Said:
    """Indices may count from the end, which ours do not: they are counted from the start."""

    def text(node: Node) -> str:
        at = axis(node, 0)
        node.inputs[1] = node.array(1).astype(np.int64) % node.array(0).shape[at]
        if op == "take":
            return y(said(op, "x0", "x1", axis=at))
        others = [i for i in range(node.ndim) if i != at]
        whole = all(node.array(0).shape[i] == node.array(1).shape[i] for i in others)
        if op == "scatter_add" and node.get("reduction", "none") != "add":
            raise NotOurs("it writes over what is there; scatter_add adds")
        if not whole:
            raise NotOurs(f"{op} has indices of its input's shape but along the axis")
        return y(said(op, *node.names, axis=at))

    return text


def topk(node: Node) -> str:
    kw = {"k": node.ints(1)[0], "axis": axis(node, -1)}
    if node.get("largest", 1):
        return f"y0, y1 = {said('topk', 'x0', **kw)}"
    return f"negative, y1 = {said('topk', '-x0', **kw)}\ny0 = -negative"


def depth_to_space(node: Node) -> str:
    r, (n, c, h, w) = node["blocksize"], node.array(0).shape
    if node.get("mode", "DCR") == "CRD":
        return y(said("pixel_shuffle", "x0", factor=r))
    apart = said("reshape", "x0", shape=(n, r, r, c // r**2, h, w))
    moved = said("transpose", apart, axes=(0, 3, 4, 1, 5, 2))
    return y(said("reshape", moved, shape=(n, c // r**2, h * r, w * r)))


def space_to_depth(node: Node) -> str:
    r, (n, c, h, w) = node["blocksize"], node.array(0).shape
    apart = said("reshape", "x0", shape=(n, c, h // r, r, w // r, r))
    moved = said("transpose", apart, axes=(0, 3, 5, 1, 2, 4))
    return y(said("reshape", moved, shape=(n, c * r**2, h // r, w // r)))


def trilu(node: Node) -> str:
    return y(said("triu" if node.get("upper", 1) else "tril", "x0", k=node.ints(1)[0] if node.has(1) else 0))


def resize(node: Node) -> str:
    """Whole times as many pixels along the last two axes of four."""
    mode, how = node.get("mode", "nearest"), node.get("coordinate_transformation_mode", "half_pixel")
    shapes = node.array(0).shape, node.output(0).shape
    times = [b // a if b % a == 0 else 0 for a, b in zip(*shapes, strict=True)]
    if len(times) != 4 or times[:2] != [1, 1] or 0 in times:
        raise NotOurs("upsampling gives whole times as many pixels")
    if mode == "nearest":
        nearest = node.get("nearest_mode", "round_prefer_floor")
        if (how, nearest) not in {("half_pixel", "round_prefer_floor"), ("asymmetric", "floor")}:
            raise NotOurs("upsample_nearest repeats every pixel")
        return y(said("upsample_nearest", "x0", scale=tuple(times[2:])))
    if mode != "linear" or how not in {"half_pixel", "align_corners"}:
        raise NotOurs(
            "of upsampling there is the nearest and the bilinear, with pixels as areas or with aligned corners"
        )
    return y(said("upsample_bilinear", "x0", scale=tuple(times[2:]), align_corners=how == "align_corners"))
