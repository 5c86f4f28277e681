"""Rules for what picks elements, or puts them somewhere.

Where the places are known, each element of the result is one of so many: which, JAX itself says of numbers that count them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from exporting_rules import is_bool, moved, shape
from exporting_values import Value
from exporting_wide import bound
from exports import Cannot, called, rule


def part(bounds: Sequence[tuple[int, int, int]], sizes: Sequence[int]) -> str:
    """An index of slices; what is whole at the end is left out."""
    texts = [
        ":" if (start, end, step) == (0, size, 1) else f"{start}:{end}" + f":{step}" * (step != 1)
        for (start, end, step), size in zip(bounds, sizes, strict=True)
    ]
    while texts and texts[-1] == ":":
        texts.pop()
    return ", ".join(texts)


def taken(m: Any, eqn: Any, x: Value, bounds: Sequence[tuple[int, int, int]]) -> Any:
    index = part([(int(a), int(b), int(c)) for a, b, c in bounds], x.shape)
    if x.is_places and index:
        raise Cannot("of places that are computed")
    return moved(m, eqn, x, lambda text: f"{text}[{index}]") if index else x


@rule("slice")
def slice_(m: Any, eqn: Any, x: Value) -> Any:
    p = eqn.params
    strides = p["strides"] or [1] * len(x.shape)
    return taken(m, eqn, x, [*zip(p["start_indices"], p["limit_indices"], strides, strict=True)])


@rule("dynamic_slice")
def dynamic_slice(m: Any, eqn: Any, x: Value, *starts: Value) -> Any:
    """It begins where that many elements are left."""
    sizes = eqn.params["slice_sizes"]
    live = [i for i, start in enumerate(starts) if start.known is None]
    if len(live) == 1 and starts[live[0]].is_places and sizes[live[0]] == 1 and not is_bool(eqn.outvars[0]):
        return one_of(m, eqn, x, starts, live[0])
    if live:
        raise Cannot("with starts that are computed")
    first = [min(max(int(s.known), 0), n - k) for s, n, k in zip(starts, x.shape, sizes, strict=True)]
    return taken(m, eqn, x, [(a, a + k, 1) for a, k in zip(first, sizes, strict=True)])


def one_of(m: Any, eqn: Any, x: Value, starts: Sequence[Value], axis: int) -> str:
    """The slice at a place that is computed."""
    sizes = [
        n if i == axis else k for i, (n, k) in enumerate(zip(x.shape, eqn.params["slice_sizes"], strict=True))
    ]
    if tuple(sizes) != x.shape or starts[axis].below > x.shape[axis]:
        raise Cannot("with starts that are computed")
    base = starts[axis].base or starts[axis]
    return called(
        "reshape",
        m.assign(called("take", m.text(x, "float"), m.text(base, "int64"), axis=axis)),
        shape=shape(eqn),
    )


def counted(size: tuple[int, ...], first: int = 0) -> Any:
    """Numbers that count elements."""
    return jnp.arange(first, first + math.prod(size), dtype=jnp.int64).reshape(size)


def flat(m: Any, x: Value) -> str:
    """All elements in a row."""
    return str(m.text(m.reshaped(x, (math.prod(x.shape),)), "float"))


def folded(m: Any, places: Any, *of: Value) -> str:
    return str(m.text(m.worked_out(np.asarray(places, np.int64), of, "places"), "int64"))


@rule("gather")
def gather(m: Any, eqn: Any, x: Value, starts: Value) -> Any:
    """Whole slices along one axis, an element each along one, or else, of what is known, element by element."""
    if is_bool(eqn.outvars[0]) or x.is_places:
        raise Cannot("of what is computed and no float")
    along = rows_of(m, eqn, x, starts) or elements_of(m, eqn, x, starts)
    if along:
        return along
    if starts.known is None:
        raise Cannot("with places that are computed")
    return called("take", flat(m, x), folded(m, chosen(eqn, x, starts), starts), axis=0)


def chosen(eqn: Any, x: Value, starts: Value) -> Any:
    """Which element of x each of the result is."""
    mode, fills = eqn.params["mode"], "FILL" in str(eqn.params["mode"])
    how = {
        **eqn.params,
        "mode": mode if fills else jax.lax.GatherScatterMode.CLIP,
        "fill_value": -1 if fills else None,
    }
    [found] = bound(eqn, [counted(x.shape), starts.known], how)
    if fills and bool((found < 0).any()):
        raise Cannot("with places beyond the end, which give its fill value")
    return found


def rows_of(m: Any, eqn: Any, x: Value, starts: Value) -> Any:
    """`take`: slices that are whole but along one axis."""
    d, sizes = eqn.params["dimension_numbers"], tuple(map(int, eqn.params["slice_sizes"]))
    [axis, *more] = map(int, d.start_index_map)
    if more or d.operand_batching_dims or tuple(d.collapsed_slice_dims) != (axis,):
        return None
    if any(size != n for i, (size, n) in enumerate(zip(sizes, x.shape, strict=True)) if i != axis):
        return None
    indices, own = places_of(m, eqn, x.shape[axis], starts)
    text = called("take", m.text(x, "float"), indices, axis=axis)
    batch, offset = len(starts.shape) - 1, [*map(int, d.offset_dims)]
    rest = iter(range(axis, axis + batch))
    order = [k if k < axis else k + batch for k in range(len(offset))]
    order_of = dict(zip(offset, order, strict=True))
    turned = [order_of[i] if i in order_of else next(rest) for i in range(len(shape(eqn)))]
    if own != starts.shape[:-1]:
        natural = (*x.shape[:axis], *starts.shape[:-1], *x.shape[axis + 1 :])
        text = called("reshape", m.assign(text), shape=natural)
    return text if turned == [*range(len(turned))] else called("transpose", m.assign(text), axes=turned)


def places_of(m: Any, eqn: Any, size: int, starts: Value) -> tuple[str, tuple[int, ...]]:
    """The name of indices along an axis of a size, and their shape."""
    fills = "FILL" in str(eqn.params["mode"])
    if starts.known is None:
        if not starts.is_places or (fills and starts.below > size):
            raise Cannot("with places that are computed")
        base = starts.base or starts
        return m.text(base, "int64"), base.shape
    found = np.asarray(starts.known)[..., 0].astype(np.int64)
    if fills and ((found < 0) | (found >= size)).any():
        raise Cannot("with places beyond the end, which give its fill value")
    return folded(m, np.clip(found, 0, size - 1), starts), found.shape


def elements_of(m: Any, eqn: Any, x: Value, starts: Value) -> Any:
    """`gather`, as take_along_axis has it: every other axis is common."""
    d = eqn.params["dimension_numbers"]
    [axis, *more] = map(int, d.start_index_map)
    common = [i for i in range(len(x.shape)) if i != axis]
    if (
        more
        or d.offset_dims
        or [*map(int, d.operand_batching_dims)] != common
        or starts.shape[:-1] != shape(eqn)
    ):
        return None
    if [*map(int, d.start_indices_batching_dims)] != common:
        return None
    indices, own = places_of(m, eqn, x.shape[axis], starts)
    if own == shape(eqn):
        return called("gather", m.text(x, "float"), indices, axis=axis)
    return (
        at_one(m, eqn, x, axis, indices, starts.below) if own == tuple(x.shape[i] for i in common) else None
    )


def at_one(m: Any, eqn: Any, x: Value, axis: int, indices: str, below: int) -> str:
    """An element each along an axis, at places that have no such axis: they are asked for as a matrix of columns would be."""
    if x.shape[axis] != below:
        raise Cannot("with places that are computed")
    order = [*(i for i in range(len(x.shape)) if i != axis), axis]
    turned = m.assign(called("transpose", m.text(x, "float"), axes=order))
    hot = m.assign(called("one_hot", indices, classes=below))
    found = m.assign(
        called("sum", m.assign(called("where", m.assign(f"{hot} > 0.5"), turned, "0.0")), axis=-1)
    )
    return called("reshape", found, shape=shape(eqn))


# Putting


def merged(
    m: Any, eqn: Any, x: Value, update: Value, places: Sequence[Value], ids: Callable[..., Any]
) -> str:
    """Each element is one of x or of the update."""
    if any(a.known is None for a in places):
        raise Cannot("with places that are computed")
    if is_bool(eqn.outvars[0]):
        raise Cannot("of bools that are computed")
    if x.is_places or update.is_places:
        raise Cannot("of places that are computed")
    found = ids(counted(x.shape), counted(update.shape, math.prod(x.shape)))
    both = m.assign(called("concat", flat(m, x), flat(m, update), axis=0))
    return called("take", both, folded(m, found, *places), axis=0)


@rule("dynamic_update_slice")
def dynamic_update_slice(m: Any, eqn: Any, x: Value, update: Value, *starts: Value) -> str:
    return merged(m, eqn, x, update, starts,
                  lambda a, b: jax.lax.dynamic_update_slice(a, b, [s.known for s in starts]))  # fmt: skip


@rule("scatter")
def scatter(m: Any, eqn: Any, x: Value, places: Value, update: Value) -> str:
    p = eqn.params
    return merged(m, eqn, x, update, [places],
                  lambda a, b: jax.lax.scatter(a, places.known, b, p["dimension_numbers"], mode=p["mode"]))  # fmt: skip


@rule("scatter_mul", "scatter-mul")
def scatter_mul(m: Any, eqn: Any, x: Value, places: Value, update: Value) -> str:
    """By ones, but where a factor is put: each place has one."""
    ones = Value(x.shape, known=np.ones(x.shape))
    if places.known is not None and len({*targets_of(eqn, x, places, update)}) < math.prod(update.shape):
        raise Cannot("at a place several times, or beyond the end")
    return f"{m.text(x, 'float')} * {m.assign(scatter(m, eqn, ones, places, update))}"


@rule("scatter_add", "scatter-add")
def scatter_add(m: Any, eqn: Any, x: Value, places: Value, update: Value) -> str:
    if places.known is None:
        raise Cannot("with places that are computed")
    targets = targets_of(eqn, x, places, update)
    source = flat(m, update)
    if (targets < 0).any():
        kept = np.flatnonzero(targets >= 0)
        source, targets = m.assign(called("take", source, folded(m, kept, places), axis=0)), targets[kept]
    found = called("scatter_add", flat(m, x), folded(m, targets, places), source, axis=0)
    return found if len(x.shape) == 1 else called("reshape", m.assign(found), shape=shape(eqn))


def targets_of(eqn: Any, x: Value, places: Value, update: Value) -> Any:
    """At which place each element of an update is put, -1 for nowhere: it is what its gradient reads, counted from 1."""
    p = eqn.params

    def added(a: Any) -> Any:
        zeros = jnp.zeros(x.shape)
        return jax.lax.scatter_add(zeros, places.known, a, p["dimension_numbers"], mode=p["mode"])

    _, back = jax.vjp(added, jnp.zeros(update.shape))
    [read] = back(counted(x.shape, 1).astype(jnp.float64))
    return np.asarray(read).astype(np.int64).ravel() - 1


@rule("pad")
def pad(m: Any, eqn: Any, x: Value, value: Value) -> Any:
    """Between elements, then around them; less than nothing is cut off."""
    config = [tuple(map(int, c)) for c in eqn.params["padding_config"]]
    if value.known is None or is_bool(eqn.outvars[0]):
        raise Cannot("with a value that is computed, or of bools")
    fill = float(value.known)
    text = m.text(x, "float")
    text = spread(m, text, x.shape, [c[2] for c in config], fill)
    around = tuple((max(low, 0), max(high, 0)) for low, high, _ in config)
    if any(a for pair in around for a in pair):
        text = m.assign(called("pad", text, padding=around, value=fill or None))
    sizes = [
        n + max(n - 1, 0) * i + a + b for n, (_, _, i), (a, b) in zip(x.shape, config, around, strict=True)
    ]
    bounds = [(max(-low, 0), n - max(-high, 0), 1) for n, (low, high, _) in zip(sizes, config, strict=True)]
    index = part(bounds, sizes)
    return f"{text}[{index}]" if index else text


def spread(m: Any, text: str, size: tuple[int, ...], gaps: Sequence[int], fill: float = 0.0) -> str:
    """So many of a number between elements along each axis."""
    own = list(size)
    for axis, gap in enumerate(gaps):
        if not gap or own[axis] < 2:
            continue
        lead, rest, n = own[:axis], own[axis + 1 :], own[axis]
        text = m.assign(called("reshape", text, shape=(*lead, n, 1, *rest)))
        width = tuple((0, gap if i == axis + 1 else 0) for i in range(len(own) + 1))
        text = m.assign(called("pad", text, padding=width, value=fill or None))
        text = m.assign(called("reshape", text, shape=(*lead, n * (1 + gap), *rest)))
        own[axis] = n * (1 + gap) - gap
        text = m.assign(f"{text}[{', '.join([':'] * axis + [f':{own[axis]}'])}]")
    return text
