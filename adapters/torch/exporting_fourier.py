"""Rules for Fourier transforms, and for complex numbers between them: a pair of names, the real and the imaginary part."""

# ruff: noqa: ARG001 - torch's schemas say what a rule is given

from collections.abc import Sequence
from typing import Any

from exporting_rules import number, shape, sliced
from exports import RULES, Cannot, called, rule
from torch.fx import Node

Pair = list[str]


def is_complex(x: Any) -> bool:
    return isinstance(x, complex) or (isinstance(x, Node) and bool(x.meta["val"].is_complex()))


def parts(m: Any, x: Any) -> Pair:
    """Of what is real the imaginary part is empty."""
    if not isinstance(x, Node):
        return [repr(x.real), repr(x.imag)] if isinstance(x, complex) else [repr(x), ""]
    if not is_complex(x):
        return [number(m, x), ""]
    if x not in m.said:
        known = m.known[x]
        m.said[x] = [
            m.folded(f"{x.name}_{n}", a.clone(), x) for n, a in (("re", known.real), ("im", known.imag))
        ]
    if not isinstance(m.said[x], list):
        raise Cannot("of complex parameters, or after an op without a rule")
    return list(m.said[x])


def pair(m: Any, node: Node, re: str, im: str) -> Pair:
    return [text if text.isidentifier() else m.assign(node, text) for text in (re, im)]


# Transforms, along one axis after the other


def scaled(text: str, n: int, norm: Any, *, inverse: bool) -> str:
    """By 1 / n as the transform's norm says; the rows scale the inverse."""
    power = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}[norm]
    factor = float(n) ** (power if inverse else -power)
    return text if factor == 1 else f"{text} * {factor!r}"


def half(m: Any, node: Node, x: str, axis: int) -> Pair:
    return list(m.assign(node, called("rfft", x, axis=axis), 2))


def whole(m: Any, node: Node, x: str, axis: int, rank: int, n: int) -> Pair:
    """Of real numbers: the half that is computed, and its mirror."""
    found = half(m, node, x, axis)
    if n < 3:
        return found
    mirror = [called("flip", f"{a}[{sliced(axis, rank, f'1:{(n + 1) // 2}')}]", axis=axis) for a in found]
    return [
        m.assign(node, called("concat", a, b, axis=axis))
        for a, b in zip(found, (mirror[0], f"-{mirror[1]}"), strict=True)
    ]


def along(m: Any, node: Node, x: Pair, axis: int, rank: int, n: int) -> Pair:
    """Of complex numbers: of both parts."""
    re, im = whole(m, node, x[0], axis, rank, n), whole(m, node, x[1], axis, rank, n) if x[1] else ["", ""]
    return pair(m, node, f"{re[0]} - {im[1]}", f"{re[1]} + {im[0]}") if x[1] else re


def axes_of(x: Any, n: Any, dims: Any, *, several: bool) -> list[int]:
    if n is not None and [n] != [shape(x)[dims]] if not several else n is not None:
        raise Cannot("of other sizes than there are")
    chosen = range(len(shape(x))) if dims is None else dims if isinstance(dims, (tuple, list)) else [dims]
    return [d % len(shape(x)) for d in chosen]


def transformed(m: Any, node: Node, x: Any, dims: Sequence[int], norm: Any, *, inverse: bool) -> Pair:
    """The inverse is the transform of the conjugate, conjugated, by n."""
    rank, found = len(shape(x)), parts(m, x)
    count = 1
    if inverse and found[1]:
        found = [found[0], m.assign(node, f"-{found[1]}")]
    for d in dims:
        found, count = along(m, node, found, d, rank, shape(x)[d]), count * shape(x)[d]
    re, im = found
    if inverse:
        re, im = f"{re} / {count}", f"-{im} / {count}"
    return pair(m, node, *(scaled(a, count, norm, inverse=inverse) for a in (re, im)))


@rule("fft_fft.default", "fft_ifft.default")
def fft(m: Any, node: Node, x: Any, n: Any = None, dim: int = -1, norm: Any = None) -> Pair:
    inverse = "ifft" in str(node.target)
    return transformed(m, node, x, axes_of(x, n, dim, several=False), norm, inverse=inverse)


@rule("fft_fft2.default", "fft_ifft2.default")
def fft2(m: Any, node: Node, x: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None) -> Pair:
    inverse = "ifft" in str(node.target)
    return transformed(m, node, x, axes_of(x, s, dim, several=True), norm, inverse=inverse)


@rule("fft_fftn.default", "fft_ifftn.default")
def fftn(m: Any, node: Node, x: Any, s: Any = None, dim: Any = None, norm: Any = None) -> Pair:
    return fft2(m, node, x, s, dim, norm)


@rule("fft_rfft.default")
def rfft(m: Any, node: Node, x: Any, n: Any = None, dim: int = -1, norm: Any = None) -> Pair:
    [axis] = axes_of(x, n, dim, several=False)
    found, size = half(m, node, m.arg(x), axis), shape(x)[axis]
    return pair(m, node, *(scaled(a, size, norm, inverse=False) for a in found))


@rule("fft_rfft2.default")
def rfft2(m: Any, node: Node, x: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None) -> Pair:
    *others, last = axes_of(x, s, dim, several=True)
    found, count = half(m, node, m.arg(x), last), shape(x)[last]
    for d in others:
        found, count = along(m, node, found, d, len(shape(x)), shape(x)[d]), count * shape(x)[d]
    return pair(m, node, *(scaled(a, count, norm, inverse=False) for a in found))


@rule("fft_irfft.default")
def irfft(m: Any, node: Node, x: Any, n: Any = None, dim: int = -1, norm: Any = None) -> str:
    size = shape(node)[dim]
    return scaled(called("irfft", *parts(m, x), n=size, axis=dim), size, norm, inverse=True)


@rule("fft_irfft2.default")
def irfft2(m: Any, node: Node, x: Any, s: Any = None, dim: Any = (-2, -1), norm: Any = None) -> str:
    *others, last = [d % len(shape(x)) for d in dim]
    if any(shape(node)[d] != shape(x)[d] for d in others):
        raise Cannot("of other sizes than there are")
    re, im = transformed(m, node, x, others, norm, inverse=True)
    size = shape(node)[last]
    return scaled(called("irfft", re, im, n=size, axis=last), size, norm, inverse=True)


# Complex numbers


@rule("complex.default")
def complex_(m: Any, node: Node, re: Any, im: Any) -> Pair:
    return [m.arg(re), m.arg(im)]


@rule("view_as_complex.default")
def view_as_complex(m: Any, node: Node, x: Any) -> Pair:
    rank = len(shape(x))
    return [m.assign(node, f"{m.arg(x)}[{sliced(rank - 1, rank, i)}]") for i in (0, 1)]


@rule("view_as_real.default")
def view_as_real(m: Any, _: Node, x: Any) -> str:
    return called("stack", *parts(m, x), axis=-1)


RULES |= {"real.default": lambda m, _, x: parts(m, x)[0], "imag.default": lambda m, _, x: parts(m, x)[1]}


@rule("conj.default", "_conj.default")
def conj(m: Any, node: Node, x: Any) -> Pair:
    re, im = parts(m, x)
    return pair(m, node, re, f"-{im}")


def also_complex(name: str, made: Any) -> None:
    """A rule for complex numbers beside that for real ones."""
    real = RULES[name]

    def chosen(m: Any, node: Node, *args: Any, **kw: Any) -> Any:
        if not any(map(is_complex, args)):
            return real(m, node, *args, **kw)
        if "alpha" in kw:
            raise Cannot("of complex numbers, scaled")
        return made(m, node, *args)

    RULES[name] = chosen


def product(m: Any, node: Node, x: Any, y: Any) -> Pair:
    (a, b), (c, d) = parts(m, x), parts(m, y)
    if b and d:
        return pair(m, node, f"{a} * {c} - {b} * {d}", f"{a} * {d} + {b} * {c}")
    return pair(m, node, f"{a} * {c}", f"{b} * {c}" if b else f"{a} * {d}")


def sum_of(sign: str) -> Any:
    def made(m: Any, node: Node, x: Any, y: Any) -> Pair:
        (a, b), (c, d) = parts(m, x), parts(m, y)
        return pair(m, node, f"{a} {sign} {c}", f"{b or 0} {sign} {d}" if d else b)

    return made


for name, made in {
    "mul.Tensor": product, "add.Tensor": sum_of("+"), "sub.Tensor": sum_of("-"),
    "abs.default": lambda m, _, x: called("hypot", *parts(m, x)),
    "clone.default": lambda m, _, x: parts(m, x),
}.items():  # fmt: skip
    also_complex(name, made)
