"""Rules for what moves or picks elements, and for products by letters."""

# ruff: noqa: ARG001 - torch's schemas say what a rule is given

import math
from typing import Any

import torch
from exporting_rules import axes, is_read, only, shape, sliced
from exports import Cannot, called, rule
from torch.fx import Node


@rule("flip.default")
def flip(m: Any, _: Node, x: Any, dims: Any) -> str:
    return called("flip", m.arg(x), axis=axes(dims))


@rule("roll.default")
def roll(m: Any, _: Node, x: Any, by: Any, dims: Any = ()) -> str:
    if not dims:
        raise Cannot("of all elements")
    return called("roll", m.arg(x), shift=axes(by), axis=axes(dims))


@rule("tril.default", "triu.default")
def triangle(m: Any, node: Node, x: Any, k: int = 0) -> str:
    return called(str(node.target).split(".")[1], m.arg(x), k=k or None)


@rule("cumsum.default", "cumprod.default")
def cumulated(m: Any, node: Node, x: Any, dim: int, **_: Any) -> str:
    return called(str(node.target).split(".")[1], m.arg(x), axis=dim)


@rule("gather.default")
def gather(m: Any, _: Node, x: Any, dim: int, indices: Any, **__: Any) -> str:
    return called("gather", m.arg(x), m.arg(indices), axis=dim)


@rule("index_select.default")
def index_select(m: Any, _: Node, x: Any, dim: int, indices: Any) -> str:
    return called("take", m.arg(x), m.arg(indices), axis=dim)


@rule("index.Tensor")
def index(m: Any, node: Node, x: Any, indices: Any) -> str:
    """Arrays of integers among whole axes. Several that are known, side by side, are one over their axes laid together."""
    chosen = [i for i, a in enumerate(indices) if a is not None]
    places = [indices[i] for i in chosen]
    if any("bool" in str(a.meta["val"].dtype) for a in places):
        raise Cannot("by a mask")
    axis, sizes = chosen[0], [shape(x)[i] for i in chosen]
    if len(chosen) == 1 and not (places[0] in m.known and bool((m.known[places[0]] < 0).any())):
        return called("take", m.arg(x), m.arg(places[0]), axis=axis)
    if chosen != [*range(axis, axis + len(chosen))] or not all(a in m.known for a in places):
        raise Cannot("by several arrays that are computed, or apart from each other")
    known = torch.broadcast_tensors(*(m.known[a] for a in places))
    flat = torch.zeros_like(known[0])
    for a, size in zip(known, sizes, strict=True):
        flat = flat * size + a % size  # from the end, where it is negative
    whole = m.arg(x)
    if len(chosen) > 1:
        together = (*shape(x)[:axis], math.prod(sizes), *shape(x)[axis + len(chosen) :])
        whole = m.assign(node, called("reshape", whole, shape=together))
    return called("take", whole, m.folded("places", flat, *places), axis=axis)


@rule("copy.default")
def copy(m: Any, node: Node, x: Any, source: Any, *_: Any) -> str:
    """What an assignment to a part puts there, in the part's shape."""
    if source in m.known:
        return str(m.folded("constant", m.known[source].double().expand(shape(node)), source))
    return (
        m.arg(source)
        if shape(source) == shape(node)
        else called("broadcast_to", m.arg(source), shape=shape(node))
    )


@rule("select_scatter.default", "slice_scatter.default")
def put(
    m: Any, node: Node, x: Any, source: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> str:
    """An assignment to a part: what is before it, the part, and what is behind it."""
    size, rank, part = shape(x)[dim], len(shape(x)), m.arg(source)
    if str(node.target).startswith("aten.select"):
        start, end = start % size, start % size + 1
        part = called("reshape", part, shape=[1 if i == dim % rank else n for i, n in enumerate(shape(x))])
    start, end, step = slice(start, end, step).indices(size)
    if step != 1:
        raise Cannot("with steps")
    whole = m.arg(x)
    before = [f"{whole}[{sliced(dim, rank, f':{start}')}]"] if start else []
    behind = [f"{whole}[{sliced(dim, rank, f'{end}:')}]"] if end < size else []
    return called("concat", *before, part, *behind, axis=dim) if before or behind else part


@rule("scatter_add.default")
def scatter_add(m: Any, _: Node, x: Any, dim: int, indices: Any, source: Any) -> str:
    return called("scatter_add", m.arg(x), m.arg(indices), m.arg(source), axis=dim)


@rule("diagonal.default")
def diagonal(m: Any, _: Node, x: Any, k: int = 0, one: int = 0, other: int = 1) -> str:
    rank = len(shape(x))
    if (one % rank, other % rank) != (rank - 2, rank - 1):
        raise Cannot("of other than the last two axes")
    return called("diagonal", m.arg(x), k=k or None)


@rule("diag_embed.default")
def diag_embed(m: Any, node: Node, x: Any, k: int = 0, one: int = -2, other: int = -1) -> str:
    rank = len(shape(node))
    if k or (one % rank, other % rank) != (rank - 2, rank - 1):
        raise Cannot("on another diagonal, or other than the last two axes")
    return called("diag", m.arg(x))


@rule("diag.default")
def diag(m: Any, node: Node, x: Any, k: int = 0) -> str:
    return diag_embed(m, node, x, k) if len(shape(x)) == 1 else diagonal(m, node, x, k)


@rule("einsum.default")
def einsum(m: Any, node: Node, equation: str, operands: Any, **__: Any) -> str:
    """Of several operands from the left on, each time of two."""
    terms, arrow, result = equation.replace(" ", "").partition("->")
    letters, names = terms.split(","), [m.arg(a) for a in operands]
    if "..." in equation or not arrow:
        raise Cannot(equation)
    while len(names) > 2:
        needed = {*result, *"".join(letters[2:])}
        both = "".join(dict.fromkeys(a for a in letters[0] + letters[1] if a in needed))
        first = m.assign(node, called("einsum", *names[:2], equation=f"{letters[0]},{letters[1]}->{both}"))
        names, letters = [first, *names[2:]], [both, *letters[2:]]
    return called("einsum", *names, equation=f"{','.join(letters)}->{result}")


@rule("repeat_interleave.self_int")
def repeat_interleave(m: Any, node: Node, x: Any, times: int, dim: Any = None, **__: Any) -> str:
    if dim is None:
        raise Cannot("of all elements")
    return called("repeat", m.arg(x), repeats=times, axis=dim)


@rule("one_hot.default")
def one_hot(m: Any, node: Node, labels: Any, classes: int = -1) -> str:
    return called("one_hot", m.arg(labels), classes=shape(node)[-1])


@rule("sort.default")
def sort(m: Any, node: Node, x: Any, *how: Any, **named: Any) -> list[Any]:
    said = dict(zip(("dim", "descending"), how, strict=False)) | named
    if is_read(node, 1):
        raise Cannot("with the places")
    text = called("sort", m.arg(x), axis=said.get("dim", -1), descending=said.get("descending") or None)
    return only(m, node, text, 1)


@rule("repeat.default")
def repeat(m: Any, _: Node, x: Any, times: Any) -> str:
    return called("tile", m.arg(x), repeats=tuple(times))


@rule("constant_pad_nd.default", "pad.default")
def pad(m: Any, node: Node, x: Any, by: Any, *rest: Any) -> str:
    """Torch counts from the last axis on."""
    constant = str(node.target).startswith("aten.constant")
    mode = "constant" if constant else (rest[0] if rest else "constant")
    value = (rest[0] if rest else 0) if constant else (rest[1] if len(rest) > 1 else 0)
    widths = [(int(by[i]), int(by[i + 1])) for i in range(0, len(by), 2)][::-1]
    widths = [(0, 0)] * (len(shape(x)) - len(widths)) + widths
    mode = {"replicate": "edge"}.get(mode, mode)
    said = float(value or 0) if mode == "constant" and value else None
    left, widths = cropped(m, node, x, widths), [(max(0, a), max(0, b)) for a, b in widths]
    if not any(a or b for a, b in widths):
        return left
    return called("pad", left, padding=tuple(widths), mode=None if mode == "constant" else mode, value=said)


def cropped(m: Any, node: Node, x: Any, widths: Any) -> str:
    """What is left where it is padded by less than nothing."""
    ends = [(max(0, -a), n + min(0, b)) for n, (a, b) in zip(shape(x), widths, strict=True)]
    parts = [":" if (a, b) == (0, n) else f"{a}:{b}" for n, (a, b) in zip(shape(x), ends, strict=True)]
    return str(m.assign(node, f"{m.arg(x)}[{', '.join(parts)}]")) if set(parts) != {":"} else str(m.arg(x))


@rule("topk.default")
def topk(
    m: Any, node: Node, x: Any, k: int, dim: int = -1, largest: bool = True, ordered: bool = True
) -> list[Any]:
    if not largest:
        raise Cannot("of the smallest")
    return list(m.assign(node, called("topk", m.arg(x), k=k, axis=dim), 2))
