"""Proof that a case is exact: no operation of it rounds in any of its dtypes, so the tolerance may be 0.

The op table's rows run once more, through a context whose numbers are fractions. Frameworks order their work in
their own ways, so that an exact result is not enough:

* every result of an elementwise operation must be representable in every dtype of the case, without subnormals,
  which several frameworks flush to zero;
* the terms of a sum or of a product of matrices must be multiples of one power of two q, and the sum of their
  magnitudes at most 2^p q, where p is the precision: then every term and every partial sum, in whatever order, is
  representable;
* only a power of two may divide, since a framework may multiply by the reciprocal;
* of the elementary functions only the root of a square is known exactly.
"""

import math
import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NoReturn

import numpy as np

from .backprop import backward, forward
from .contexts import Exact
from .formats import FORMATS
from .program import Node, Program, ProgramError

Array = Any


class NotExact(ArithmeticError):
    """A number that rounds, or may; the message says which."""


def _is_power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


def _value(number: Any) -> Fraction:
    """The exact value of a number; of NumPy's own as Python's, since a fraction of int64 would overflow."""
    if isinstance(number, Rational):
        return number.value
    try:
        return Fraction(number.item() if isinstance(number, np.generic) else number)
    except (ValueError, OverflowError):
        raise NotExact(f"needs {number}, which is no finite number") from None


def _fraction(number: Any) -> Fraction:
    """An operand: no arithmetic on what would have been rounded before."""
    value = _value(number)
    if not _is_power_of_two(value.denominator):
        raise NotExact(f"needs {value}, which is not representable in any dtype")
    return value


def _operation(compute: Callable[[Any, Any], Any], make: Callable[[Any], Any]) -> Any:
    def apply(x: "Rational", y: Any) -> Any:
        if isinstance(y, np.ndarray):
            return NotImplemented  # NumPy then takes it element by element
        return make(compute(_fraction(x), _fraction(y)))

    return apply


def _made(value: Fraction) -> "Rational":
    return Rational(value)


def _arithmetic(compute: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """The operation, and the same with its operands the other way round."""
    return _operation(compute, _made), _operation(lambda x, y: compute(y, x), _made)


def _divide(x: Fraction, y: Fraction) -> Fraction:
    if y == 0:
        raise NotExact(f"needs {x} / 0, which has no value")
    quotient = x / y
    if quotient and _is_power_of_two(quotient.denominator) and not _is_power_of_two(abs(y.numerator)):
        raise NotExact(f"needs {x} / {y}: only a power of two may divide, for {x} * (1 / {y}) rounds")
    return quotient


def _unknown(name: str) -> Any:
    def refuse(_: "Rational") -> NoReturn:
        raise NotExact(f"needs {name}, which rounds in general")

    return refuse


@dataclass(frozen=True, slots=True, eq=False)
class Rational:
    """An element of an object array.

    Unlike a Fraction it never turns into a float beside one. NumPy hands a 0-d array's element out by itself: hence
    the attributes of an array.
    """

    value: Fraction

    ndim = 0
    size = 1
    shape = ()

    __add__, __radd__ = _arithmetic(operator.add)
    __sub__, __rsub__ = _arithmetic(operator.sub)
    __mul__, __rmul__ = _arithmetic(operator.mul)
    __truediv__, __rtruediv__ = _arithmetic(_divide)
    __mod__, __rmod__ = _arithmetic(operator.mod)
    __floordiv__, __rfloordiv__ = _arithmetic(operator.floordiv)
    __eq__, __ne__ = _operation(operator.eq, bool), _operation(operator.ne, bool)
    __lt__, __le__ = _operation(operator.lt, bool), _operation(operator.le, bool)
    __gt__, __ge__ = _operation(operator.gt, bool), _operation(operator.ge, bool)
    exp, log = _unknown("exp"), _unknown("log")  # NumPy calls these on elements of object arrays

    def __neg__(self) -> "Rational":
        return Rational(-self.value)

    def __abs__(self) -> "Rational":
        return Rational(abs(self.value))

    def __floor__(self) -> "Rational":
        return Rational(Fraction(math.floor(self.value)))

    def __ceil__(self) -> "Rational":
        return Rational(Fraction(math.ceil(self.value)))

    def rint(self) -> "Rational":
        return Rational(Fraction(round(self.value)))

    def __float__(self) -> float:
        return float(_fraction(self))


def _rational(number: Any) -> Rational:
    return number if isinstance(number, Rational) else Rational(_value(number))


_RATIONAL = np.frompyfunc(_rational, 1, 1)


def rational(a: Array) -> Array:
    """The array with every element as the fraction that it is."""
    return np.asarray(_RATIONAL(a), dtype=object)


def representable(value: Fraction, dtype: str) -> bool:
    """Whether `value` is a number of `dtype`, zero or normal."""
    form = FORMATS[dtype]
    numerator, denominator = abs(value.numerator), value.denominator
    exponent = numerator.bit_length() - denominator.bit_length()
    return not numerator or (
        _is_power_of_two(denominator)
        and numerator.bit_length() - _lowest_bit(numerator).bit_length() < form.digits
        and form.lowest <= exponent <= form.highest
    )


class Fractions(Exact):
    """Arithmetic that refuses what would round. Every primitive raises NotExact with the place in its array."""

    def __init__(self, dtypes: Iterable[str]) -> None:
        self.dtypes = tuple(dtypes)
        self.place: Hashable = None

    def at(self, place: Hashable) -> None:
        self.place = place

    def literal(self, place: Hashable, number: float) -> Array:  # noqa: ARG002
        """As the fraction that it is: a literal that some dtype has to round makes the case inexact. Infinity is a word, such as an order."""
        if math.isinf(number):
            return number
        value = _rational(number)
        for dtype in self.dtypes:
            if not representable(value.value, dtype):
                raise NotExact(f"needs {number!r}, which is not representable in {dtype}")
        return value

    def r(self, a: Array, c: float = 1.0) -> Array:  # noqa: ARG002
        a = rational(a)
        for i, element in enumerate(a.flat):
            for dtype in self.dtypes:
                if not representable(element.value, dtype):
                    raise NotExact(f"{_at(a, i)}needs {element.value}, which is not representable in {dtype}")
        return a

    def fn(self, name: str, *args: Array) -> Array:
        if name != "sqrt":
            raise NotExact(f"needs {name}, which rounds in general")
        return self.r(np.asarray(np.frompyfunc(_root, 1, 1)(*args), dtype=object))

    def absolute(self, a: Array, m: Array) -> NoReturn:  # noqa: ARG002
        raise NotExact("has intermediate terms that differ from one framework to another")

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        x, x_grain = _integers(x)
        w, w_grain = _integers(w)
        grain = x_grain * w_grain
        result, largest = _multiples(x @ w, grain), _multiples(np.abs(x) @ np.abs(w), grain)
        if bias is None:
            return self.contraction(result, largest, grain)
        bias = rational(bias)
        return self.contraction(result + bias, largest + np.abs(bias), min(grain, _integers(bias)[1]))

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        a, grain = _integers(a)
        result, magnitude = (np.sum(n, axis=axis, keepdims=keepdims) for n in (a, np.abs(a)))
        return self.contraction(_multiples(result, grain), _multiples(magnitude, grain), grain)

    def contraction(self, result: Array, magnitude: Array, grain: Fraction) -> Array:
        """A sum whose terms are multiples of `grain`, and add up to `magnitude` if all are taken as positive."""
        magnitude = rational(magnitude)
        for dtype in self.dtypes:
            limit, holds = grain * 2 ** FORMATS[dtype].digits, representable(grain, dtype)
            for i, element in enumerate(magnitude.flat):
                if element.value > limit or (element.value and not holds):
                    raise NotExact(
                        f"{_at(magnitude, i)}needs a sum of multiples of {grain} whose magnitudes add up to {element.value}; "
                        f"{dtype} is sure to hold its partial sums up to {limit}"
                    )
        return self.r(result)

    def step(self, function: Any, *args: Array) -> Array:
        return self.r(function(*args))

    def kink(self, z: Array) -> Array:
        """Floats, exactly: a branch compares, or takes a sign."""
        return np.asarray(self.r(z), dtype=np.float64)


def _at(a: Array, i: int) -> str:
    where = map(str, np.unravel_index(i, a.shape))
    return f"at [{', '.join(where)}] " if a.shape else ""


def _integers(a: Array) -> tuple[Array, Fraction]:
    """The array as integers, whose arithmetic is fast, and what they are multiples of: the largest power of two."""
    values = [_fraction(element) for element in rational(a).flat]
    largest = max((value.denominator for value in values), default=1)
    integers = [value.numerator * (largest // value.denominator) for value in values]
    lowest = min((_lowest_bit(n) for n in integers if n), default=largest)
    made = np.empty(len(integers), dtype=object)
    made[:] = [n // lowest for n in integers]
    return made.reshape(np.shape(a)), Fraction(lowest, largest)


def _multiples(integers: Array, grain: Fraction) -> Array:
    """The fractions again."""
    return np.asarray(np.frompyfunc(lambda n: Rational(n * grain), 1, 1)(integers), dtype=object)


def _lowest_bit(n: int) -> int:
    return n & -n


def _root(a: Any) -> Rational:
    value = _fraction(a)
    top, bottom = (math.isqrt(max(n, 0)) for n in (value.numerator, value.denominator))
    if (root := Fraction(top, bottom)) ** 2 != value:
        raise NotExact(f"needs the root of {value}, which is not representable in any dtype")
    return Rational(root)


def prove(
    program: Program,
    inputs: Mapping[str, Array],
    cotangents: Mapping[str, Array],
    gradients: Iterable[str],
    dtypes: Iterable[str],
) -> None:
    """Evaluate the program and its gradients. Raises ProgramError, at the op call, for the first that rounds."""
    c = Fractions(dtypes)
    try:
        given = {name: rational(a) if a.dtype.kind == "f" else a for name, a in inputs.items()}
        upstream = {name: rational(a) for name, a in cotangents.items()}
        env = forward(program, given, c)
        _check_values(program, env, c)
        _check_gradients(program, backward(program, env, upstream, program.descendants(gradients), c), c)
    except NotExact as error:
        node, what = _placed(program, c.place)
        raise ProgramError(f"the case is not exact: {what} {error}", node.line, node.column) from None


def _check_values(program: Program, env: Mapping[str, Array], c: Fractions) -> None:
    for i, node in enumerate(program.nodes):
        c.at(i)
        for name in (*node.inputs, *node.outs):
            if np.asarray(env[name]).dtype.kind not in "ib":
                c.r(_unbroken(env[name]))


def _check_gradients(program: Program, grads: Mapping[str, Array], c: Fractions) -> None:
    for i, node in enumerate(program.nodes):
        for k, name in enumerate(node.args):
            if isinstance(name, str) and name in grads:
                c.at((i, k))
                c.r(_unbroken(grads[name]))


def _unbroken(a: Array) -> Array:
    """The array, if a row has not turned its fractions into floats, whose rounding nobody would see."""
    if np.asarray(a).dtype != object and np.any(a):
        raise NotExact("comes from a row that cannot be evaluated in fractions")
    return a


def _placed(program: Program, place: Any) -> tuple[Node, str]:
    """The op call at a place of the walk, and what is computed there."""
    if isinstance(place, tuple):
        node = program.nodes[place[0]]
        return node, f"gradient of {node.args[place[1]]}"
    node = program.nodes[place or 0]
    return node, node.outs[0]
