"""How a port may hold a parameter: the table of layouts, each a way to make its array of the original's.

All of them move elements, join arrays or add them up, so that a rule is applied once, to the numbers of the elements: what
comes out says of each element of the port's array which of the original's are added up in it, and gradients go back that way.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...reading.elements import Array

Shape = tuple[int, ...]
Numbers = Array
"""An array of the numbers of elements."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of the original: its name in the case, its path, and the call that reads it."""

    name: str
    shape: Shape
    path: str = ""
    op: str = ""
    argument: str = ""

    @property
    def module(self) -> str:
        return self.path.rpartition(".")[0]

    @property
    def leaf(self) -> str:
        return self.path.rpartition(".")[2]


class Layout(NamedTuple):
    """A row: how it is told, which parameters it is for, and what it makes."""

    words: str
    ops: str
    """A pattern of `op.argument`, all of it."""
    theirs: str
    """A pattern of the last part of their path and, behind a colon, the class of what holds it; all of it."""
    made: Callable[[Numbers, Shape], Numbers]
    """Of the original's elements and their shape; another shape than theirs says that it isn't this. May raise ValueError."""


def _window_first(a: Numbers, _: Shape) -> Numbers:
    """(out, in, *window) as (*window, in, out)."""
    return np.moveaxis(a, (0, 1), (-1, -2))


def _depthwise(a: Numbers, shape: Shape) -> Numbers:
    """(channels * multiplier, 1, *window) as (*window, channels, multiplier)."""
    channels = shape[-2]
    split = a.reshape(channels, -1, *a.shape[2:])
    return np.moveaxis(split, (0, 1), (-2, -1))


def _turned(a: Numbers, _: Shape) -> Numbers:
    """(in, out, *window) as (*window, in, out), the window turned round."""
    window = tuple(range(2, a.ndim))
    return np.moveaxis(np.flip(a, window), (0, 1), (-2, -1))


def _turned_and_split(a: Numbers, shape: Shape) -> Numbers:
    """(out, in) as (in, heads, size) or (heads, size, in's): transposed, and an axis taken apart."""
    return a.T.reshape(shape)


def _reshaped(a: Numbers, shape: Shape) -> Numbers:
    if [n for n in a.shape if n != 1] != [n for n in shape if n != 1]:
        raise ValueError
    return a.reshape(shape)


ANY = ".*"
WINDOW = "a kernel with the window's axes first"
LAYOUTS = (
    Layout("transposed", r"linear\.W", r"kernel:.*", lambda a, _: a.T),
    Layout(
        "a kernel per channel, the window's axes first",
        r"conv\dd\.W",
        r"(depthwise_)?kernel:Depthwise.*",
        _depthwise,
    ),
    Layout(WINDOW, r"conv\dd\.W", r"kernel:.*", _window_first),
    Layout(WINDOW, r"conv_transpose\dd\.W", r"kernel:.+", _window_first),
    Layout(f"{WINDOW}, turned round", r"conv_transpose\dd\.W", r"kernel:", _turned),
    Layout("as it is", ANY, ANY, lambda a, _: a),
    Layout("transposed", r"(linear|matmul|lstm|gru|rnn)\..*|\.", ANY, lambda a, _: a.T),
    Layout(WINDOW, r"conv(_transpose)?\dd\.W", ANY, _window_first),
    Layout("transposed, by heads", r"linear\.W", ANY, _turned_and_split),
    Layout("by heads", r"linear\.b", ANY, lambda a, shape: a.reshape(shape)),
    Layout("axes of length 1 apart", ANY, ANY, _reshaped),
)
"""The first that fits is taken. A pattern of a class is empty where parameters lie in dicts and lists."""


def layouts(
    parameter: Parameter, leaf: str, kind: str, shape: Shape, numbers: Numbers
) -> Iterator[tuple[str, Numbers]]:
    """Those that make an array of this shape, the likelier first. `numbers` are the parameter's, or of a part of it."""
    for row in LAYOUTS:
        if not re.fullmatch(row.ops, f"{parameter.op}.{parameter.argument}"):
            continue
        if not re.fullmatch(row.theirs, f"{leaf}:{kind}"):
            continue
        try:
            made = row.made(numbers, shape)
        except (ValueError, IndexError):
            continue
        if made.shape == shape:
            yield row.words, made


# Several parameters in one, and one in several


class Fused(NamedTuple):
    """Parameters of one call of the original, and what each of the port's is made of."""

    words: str
    op: str
    theirs: str
    """A pattern of their path below what holds them."""
    made: Callable[[Mapping[str, Numbers], Shape, re.Match[str]], list[Numbers]]
    """Of the original's by argument: arrays that are added up."""


def _gates(a: Numbers, order: tuple[int, ...]) -> Numbers:
    """The blocks of a matrix's or vector's first axis in another order."""
    parts = np.split(a, len(order))
    return np.concatenate([parts[i] for i in order])


ZRH = (1, 0, 2)
"""r z n as z r h."""


def _one_bias(
    order: tuple[int, ...],
) -> Callable[[Mapping[str, Numbers], Shape, re.Match[str]], list[Numbers]]:
    """Both biases of a recurrent layer in one: added up, or a row each where there are two rows."""

    def made(own: Mapping[str, Numbers], shape: Shape, _: re.Match[str]) -> list[Numbers]:
        biases = [_gates(own[name], order) for name in ("b_ih", "b_hh")]
        return [np.stack(biases)] if len(shape) == 2 else biases

    return made


def _gate(
    arguments: tuple[str, ...], gates: str
) -> Callable[[Mapping[str, Numbers], Shape, re.Match[str]], list[Numbers]]:
    """One gate's own matrix or bias."""

    def made(own: Mapping[str, Numbers], _: Shape, found: re.Match[str]) -> list[Numbers]:
        at = gates.index(found["gate"])
        return [np.split(own[name], len(gates))[at].T for name in arguments]

    return made


IFGO, SAME3 = (0, 1, 2, 3), (0, 1, 2)
FUSED = (
    Fused("transposed", "lstm", r"(.*/)?kernel", lambda own, *_: [own["W_ih"].T]),
    Fused("transposed", "lstm", r"(.*/)?recurrent_kernel", lambda own, *_: [own["W_hh"].T]),
    Fused("the two biases in one", "lstm", r"(.*/)?bias", _one_bias(IFGO)),
    Fused("transposed, gates z r h", "gru", r"(.*/)?kernel", lambda own, *_: [_gates(own["W_ih"], ZRH).T]),
    Fused("transposed, gates z r h", "gru", r"(.*/)?recurrent_kernel", lambda own, *_: [_gates(own["W_hh"], ZRH).T]),
    Fused("gates z r h", "gru", r"(.*/)?bias", _one_bias(ZRH)),
    Fused("transposed", "rnn", r"(.*/)?kernel", lambda own, *_: [own["W_ih"].T]),
    Fused("transposed", "rnn", r"(.*/)?recurrent_kernel", lambda own, *_: [own["W_hh"].T]),
    Fused("the two biases in one", "rnn", r"(.*/)?bias", lambda own, *_: [own["b_ih"], own["b_hh"]]),
    Fused("one gate, transposed", "lstm", r"(.*/)?i(?P<gate>[ifgo])/kernel", _gate(("W_ih",), "ifgo")),
    Fused("one gate, transposed", "lstm", r"(.*/)?h(?P<gate>[ifgo])/kernel", _gate(("W_hh",), "ifgo")),
    Fused("one gate, the two biases in one", "lstm", r"(.*/)?h(?P<gate>[ifgo])/bias", _gate(("b_ih", "b_hh"), "ifgo")),
    Fused("one gate, transposed", "gru", r"(.*/)?i(?P<gate>[rzn])/kernel", _gate(("W_ih",), "rzn")),
    Fused("one gate, transposed", "gru", r"(.*/)?h(?P<gate>[rzn])/kernel", _gate(("W_hh",), "rzn")),
    Fused("one gate, the two biases in one", "gru", r"(.*/)?i(?P<gate>[rz])/bias", _gate(("b_ih", "b_hh"), "rzn")),
    Fused("one gate", "gru", r"(.*/)?i(?P<gate>n)/bias", _gate(("b_ih",), "rzn")),
    Fused("one gate", "gru", r"(.*/)?h(?P<gate>n)/bias", _gate(("b_hh",), "rzn")),
)  # fmt: skip
"""Of recurrent layers. The original's arguments are those of the op's row."""


def fused(op: str, path: str, shape: Shape, own: Mapping[str, Numbers]) -> tuple[str, list[Numbers]] | None:
    """What one of their parameters is made of, where it is one of such a layer; `path` is that below the layer."""
    for row in FUSED:
        found = re.fullmatch(row.theirs, path)
        if row.op == op and found:
            try:
                made = row.made(own, shape, found)
            except KeyError:
                continue
            if all(a.shape == shape for a in made):
                return row.words, made
    return None


PARTS = {
    0: re.compile(r"(^|[/._])(w?q|query|q_?proj|w_?q|to_q)($|[/._])", re.IGNORECASE),
    1: re.compile(r"(^|[/._])(w?k|key|k_?proj|w_?k|to_k)($|[/._])", re.IGNORECASE),
    2: re.compile(r"(^|[/._])(w?v|value|v_?proj|w_?v|to_v)($|[/._])", re.IGNORECASE),
}
"""What people call the thirds of what is projected to queries, keys and values together."""
TOGETHER = re.compile(r"(^|[/._])(in_proj|qkv|to_qkv|c_attn|query_key_value)", re.IGNORECASE)


def third_of(path: str) -> int | None:
    """Which third a path's parameter is by its name."""
    return next((i for i, pattern in PARTS.items() if pattern.search(path)), None)
