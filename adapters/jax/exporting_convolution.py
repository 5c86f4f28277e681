"""Rules for convolutions and pools."""

import math
from collections.abc import Sequence
from typing import Any

from exporting_indexing import spread
from exporting_rules import shape
from exporting_values import Value
from exports import Cannot, called, rule


def turned(m: Any, text: str, order: Sequence[int]) -> str:
    """With the axes in another order, if it is another."""
    order = [int(a) for a in order]
    return text if order == [*range(len(order))] else str(m.assign(called("transpose", text, axes=order)))


def back(order: Sequence[int]) -> list[int]:
    return [list(order).index(i) for i in range(len(order))]


@rule("conv_general_dilated")
def conv(m: Any, eqn: Any, x: Value, W: Value) -> str:
    """With channels last where all three have them so, else with channels first."""
    p, n = eqn.params, len(x.shape) - 2
    numbers = p["dimension_numbers"]
    own, kernel, result = (tuple(map(int, a)) for a in (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec))
    if not 1 <= n <= 3 or p["batch_group_count"] != 1:
        raise Cannot(f"of {n} axes, or of groups of samples")
    last = (0, n + 1, *range(1, n + 1))
    if (own, kernel, result) == (last, (n + 1, n, *range(n)), last):
        layout, texts, places = "channels_last", [m.text(x, "float"), m.text(W, "float")], range(1, n + 1)
    else:
        layout, places = "channels_first", range(2, n + 2)
        texts = [turned(m, m.text(x, "float"), own), turned(m, m.text(W, "float"), kernel)]
    found = transposed_or_not(m, eqn, texts, layout, list(places))
    if layout == "channels_last":
        return found
    order = back(result)
    return found if order == [*range(n + 2)] else called("transpose", m.assign(found), axes=order)


def transposed_or_not(m: Any, eqn: Any, texts: Sequence[str], layout: str, places: Sequence[int]) -> str:
    p, n = eqn.params, len(places)
    window = [eqn.invars[1].aval.shape[i] for i in p["dimension_numbers"].rhs_spec[2:]]
    pads = [(int(a), int(b)) for a, b in p["padding"]]
    groups, last = p["feature_group_count"], layout == "channels_last"
    beside = {
        "dilation": some(p["rhs_dilation"]),
        "groups": groups if groups > 1 else None,
        "layout": layout if last else None,
    }
    x, W = texts
    if any(d != 1 for d in p["lhs_dilation"]):
        reach = [d * (k - 1) for d, k in zip(p["rhs_dilation"], window, strict=True)]
        if (
            groups == 1
            and all(s == 1 for s in p["window_strides"])
            and all(a <= r for r, (a, _) in zip(reach, pads, strict=True))
        ):
            W = m.assign(called("flip", W, axis=tuple(range(n)) if last else tuple(range(2, n + 2))))
            order = [*range(n), n + 1, n] if last else [1, 0, *range(2, n + 2)]
            W = m.assign(called("transpose", W, axes=order))
            less = tuple((r - a, max(r - b, 0)) for r, (a, b) in zip(reach, pads, strict=True))
            more = [max(b - r, 0) for r, (_, b) in zip(reach, pads, strict=True)]
            kw = {
                "stride": some(p["lhs_dilation"]),
                "padding": less,
                "output_padding": tuple(more) if any(more) else None,
            }
            return called(f"conv_transpose{n}d", x, W, **kw, **beside)
        sizes = [eqn.invars[0].aval.shape[i] for i in p["dimension_numbers"].lhs_spec]
        ordered = [sizes[0], *sizes[2:], sizes[1]] if last else sizes
        gaps = [0] * (n + 2)
        for i, d in zip(places, p["lhs_dilation"], strict=True):
            gaps[i] = d - 1
        x = spread(m, x, tuple(ordered), gaps)
    if any(a < 0 for pair in pads for a in pair):
        raise Cannot("with less padding than nothing")
    padding = tuple(pads) if any(a for pair in pads for a in pair) else None
    return called(f"conv{n}d", x, W, stride=some(p["window_strides"]), padding=padding, **beside)


def some(numbers: Sequence[int]) -> Any:
    """One for each axis, if any is not 1."""
    return None if all(a == 1 for a in numbers) else tuple(int(a) for a in numbers)


@rule("reduce_window_max", "reduce_window_min", "reduce_window_sum")
def pool(m: Any, eqn: Any, x: Value) -> str:
    """Over one to three axes, behind which and before which stand what a pool has: the others become samples."""
    p, rank = eqn.params, len(x.shape)
    size, stride, pads = (tuple(p[k]) for k in ("window_dimensions", "window_strides", "padding"))
    if any(d != 1 for d in p["base_dilation"]):
        raise Cannot("with a dilated input")
    chosen = [i for i in range(rank) if (size[i], stride[i], tuple(pads[i])) != (1, 1, (0, 0))]
    n = len(chosen)
    if not 1 <= n <= 3:
        raise Cannot(f"over {n} axes")
    if any(2 * a > size[i] for i in chosen for a in pads[i]):
        raise Cannot("with padding of more than half a window")
    text, lead, layout = m.text(x, "float"), [i for i in range(rank) if i not in chosen], None
    if (rank, chosen) == (n + 2, [*range(1, n + 1)]):
        layout = "channels_last"
    elif (rank, chosen) != (n + 2, [*range(2, n + 2)]):
        text = turned(m, text, [*lead, *chosen])
        shaped = (1, math.prod(x.shape[i] for i in lead), *(x.shape[i] for i in chosen))
        text = m.assign(called("reshape", text, shape=shaped))
    kw = {"size": tuple(int(size[i]) for i in chosen), "stride": tuple(int(stride[i]) for i in chosen)}
    padding = tuple((int(pads[i][0]), int(pads[i][1])) for i in chosen)
    found = windows(
        m,
        eqn,
        text,
        n,
        chosen,
        {**kw, "padding": padding if any(map(any, padding)) else None, "layout": layout},
    )
    if layout or (rank, chosen) == (n + 2, [*range(2, n + 2)]):
        return found
    result = shape(eqn)
    found = called("reshape", m.assign(found), shape=tuple(result[i] for i in (*lead, *chosen)))
    order = back([*lead, *chosen])
    return found if order == [*range(rank)] else called("transpose", m.assign(found), axes=order)


def windows(m: Any, eqn: Any, text: str, n: int, chosen: Sequence[int], kw: dict[str, Any]) -> str:
    """A sum is so many means."""
    dilation, op = some([eqn.params["window_dilation"][i] for i in chosen]), eqn.primitive.name[-3:]
    if op == "sum":
        if dilation:
            raise Cannot("with dilated windows")
        return f"{called(f'avg_pool{n}d', text, **kw)} * {float(math.prod(kw['size']))}"
    found = called(f"max_pool{n}d", m.assign(f"-{text}") if op == "min" else text, **kw, dilation=dilation)
    return f"-{found}" if op == "min" else found
