"""Every row of the reference's op table, forward and vjp, against its definition in 50 digits.

The bounds, in units of u = 2^-53, one for elementwise ops and one for all others:

* Elementwise: 8 u of each single element. A good row is a few library functions, each within an ulp (2 u),
  and a few roundings of u, on operands that are exact. Where broadcasting sums n of them, (n - 1) u more for
  the additions.
* All others: 16 u of the sum of the |terms| of each element: a dozen additions at most in these samples, and
  a few more roundings and library functions.

The sums of |terms| come from the exact Jacobian J: |J|^T |g| for a vjp, |y| + |J| |x| for a value (for
matmul, sums and the like that is literally the sum of the |terms|). In softmax and its relatives J is itself
a difference of numbers about 1, and log(1 + e) is known to u, not to u e: there a value's scale is at least
1, and a vjp's is its tensor's largest, at least the largest cotangent.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.definitions import (
    DEFINITIONS,
    MP,
    MpArray,
    attributes,
    contract,
    exact,
    numerical_jacobian,
)
from reference.ops import OPS
from reference.rounding import EXACT

U = MP.mpf(2) ** -53
ELEMENTWISE_BOUND = 8
CONTRACTION_BOUND = 16
UNDERFLOW = MP.mpf(2) ** -1022
"""Below the smallest normal number relative accuracy ends, for every op."""

ELEMENTWISE = {
    *("add", "sub", "mul", "div", "pow", "maximum", "where", "neg", "exp", "log", "sqrt", "square", "abs"),
    *("sin", "cos", "sigmoid", "tanh", "relu", "leaky_relu", "softplus"),
}
NORMALIZED = {"softmax", "log_softmax", "logsumexp", "bce", "bce_with_logits", "cross_entropy"}

Sample = tuple[tuple[Any, ...], dict[str, Any]]
RNG = np.random.default_rng(19)


def draw(*shape: int, low: float = -2, high: float = 2) -> NDArray[np.float64]:
    """Random doubles with all their 53 bits, so that products are rounded."""
    return RNG.uniform(low, high, shape)


def positive(*shape: int) -> NDArray[np.float64]:
    return draw(*shape, low=0.1, high=3)


def probabilities(*shape: int) -> NDArray[np.float64]:
    return draw(*shape, low=0.05, high=0.95)


def distribution(*shape: int, axis: int = -1) -> NDArray[np.float64]:
    weights = positive(*shape)
    return weights / weights.sum(axis, keepdims=True)


def labels(classes: int, *shape: int) -> NDArray[np.int64]:
    return RNG.integers(0, classes, shape)


def row(*numbers: float) -> NDArray[np.float64]:
    return np.array(numbers, dtype=np.float64)


def bools(*shape: int) -> NDArray[np.bool_]:
    return RNG.integers(0, 2, shape).astype(bool)


def unary(*xs: NDArray[np.float64]) -> list[Sample]:
    return [((x,), {}) for x in (draw(), draw(3), draw(2, 3), draw(2, 1, 3), *xs)]


def unary_positive(*xs: NDArray[np.float64]) -> list[Sample]:
    return [((x,), {}) for x in (positive(), positive(3), positive(2, 3), *xs)]


def binary() -> list[Sample]:
    """Broadcasting in all its forms, on either side; numbers, integers and floats, on either side."""
    pairs = [
        (draw(3), draw(3)),
        (draw(), draw()),
        (draw(), draw(2, 3)),
        (draw(2, 3), draw()),
        (draw(3), draw(2, 3)),
        (draw(2, 3), draw(3)),
        (draw(2, 1), draw(1, 3)),
        (draw(1), draw(3)),
        (draw(2, 1, 3), draw(4, 1)),
        (draw(2, 3), 0.7),
        (1.7, draw(2, 3)),
        (draw(3), 2),
        (1, draw(3)),
        (row(1e-200, 1e200, 3.0), row(7.0, 1e-5, 1e15)),
    ]
    return [(pair, {}) for pair in pairs]


def powers() -> list[Sample]:
    by_number = [(draw(2, 3), 2), (draw(3), 3), (draw(3), -1), (draw(), 1), (positive(2, 3), 0.5)]
    by_number += [
        (positive(3), -1.5),
        (positive(3), 2.5),
        (row(0.0, 1.5, -2.0), 2),
        (row(0.0, -1.0), 1),
        (draw(3), 0),
    ]
    by_tensor = [
        (positive(3), draw(3)),
        (positive(2, 3), draw(3)),
        (positive(2, 1), draw(1, 3)),
        (2, draw(2, 3)),
    ]
    by_tensor += [
        (positive(), draw(2, 3)),
        (1.3, draw()),
        (row(1e-100, 1e100, 1 + 2**-40), row(2.5, -1.5, 300.0)),
    ]
    return [(pair, {}) for pair in by_number + by_tensor]


def choices() -> list[Sample]:
    operands = [
        (bools(2, 3), draw(2, 3), draw(2, 3)),
        (bools(3), draw(2, 3), draw()),
        (bools(2, 1), draw(3), draw(2, 3)),
        (bools(2, 3), draw(3), 0.5),
        (bools(2, 3), -1, draw(2, 1)),
        (np.array(True), draw(3), draw(3)),
        (bools(2, 3), draw(), draw()),
    ]
    return [(inputs, {}) for inputs in operands]


def contractions() -> list[Sample]:
    shapes = [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((2, 2, 3), (2, 3, 2)),
        ((2, 2, 3), (3, 4)),
        ((2, 3), (2, 3, 2)),
        ((2, 2, 3), (3,)),
        ((3,), (2, 3, 2)),
        ((2, 1, 2, 3), (2, 3, 2)),
        ((1, 2, 3), (2, 3, 1)),
        ((1, 1), (1, 1)),
    ]
    return [((draw(*x), draw(*y)), {}) for x, y in shapes] + [
        ((row(1e150, 1.0, -1e150), row(1.0, 1e-9, 1.0)), {})
    ]


def layers() -> list[Sample]:
    samples: list[Sample] = []
    for x in ((3,), (2, 3), (2, 2, 3)):
        for bias in ((), (draw(4),), (draw(1, 4),)):
            samples.append(((draw(*x), draw(4, 3), *bias), {"weights": "out_in"}))
            samples.append(((draw(*x), draw(3, 4), *bias), {"weights": "in_out"}))
    square = [((draw(2, 3), draw(3, 3), draw(3)), {"weights": way}) for way in ("out_in", "in_out")]
    return [*samples, *square, ((draw(2, 3), draw(4, 3)), {})]


AXES: list[dict[str, Any]] = [
    {},
    {"keepdims": True},
    {"axis": 0},
    {"axis": -1},
    {"axis": 1, "keepdims": True},
    {"axis": (0, 2)},
    {"axis": (-1, 0), "keepdims": True},
    {"axis": (0, 1, 2)},
]


def reductions(*special: Sample) -> list[Sample]:
    return [*(((draw(2, 3, 2),), kw) for kw in AXES), ((draw(),), {}), ((draw(5),), {"axis": 0}), *special]


def normalizations(*special: Sample) -> list[Sample]:
    wide = row(300.0, -300.0, 299.5, 0.0)
    plain = [((draw(2, 3, 2),), {"axis": axis}) for axis in (0, 1, -1, -2)]
    extreme = [
        ((x,), {}) for x in (wide, wide[:2], row(800.0, -800.0, 799.0), row(-800.0, -801.0), 1e-9 * wide)
    ]
    return [*plain, *extreme, ((draw(4),), {}), ((draw(2, 1),), {}), *special]


INDICES: list[tuple[Any, ...]] = [
    (0,),
    (-1,),
    (1, 2, 0),
    ((None, None, None),),
    ((1, 3, None), (None, None, 2)),
    ((None, None, -1), 0),
    ("...", (None, None, -2)),
    ("...", 1),
    (None, 0, "...", None),
    (0, (None, -1, None), (-2, None, 1)),
    ((5, None, None),),
    ("...",),
]


def losses(prediction: Sequence[Any], target: Sequence[Any]) -> list[Sample]:
    pairs = list(zip(prediction, target, strict=True))
    reduced: list[Sample] = [(pairs[0], {"reduction": kind}) for kind in ("mean", "sum", "none")]
    return reduced + [(pair, {"reduction": kind}) for pair in pairs[1:] for kind in ("mean", "none")]


def classifications() -> list[Sample]:
    wide = row(300.0, -300.0, 299.5, 0.0)
    targets = [
        ((draw(2, 4, 3), labels(4, 2, 3)), 1),
        ((draw(2, 4, 3), labels(3, 2, 4)), -1),
        ((draw(2, 4, 3), labels(2, 4, 3)), 0),
        ((draw(2, 4, 3), distribution(2, 4, 3, axis=1)), 1),
        ((draw(2, 4, 3), distribution(2, 4, 3, axis=0)), -3),
        ((draw(5, 3), labels(3, 5)), -1),
        ((draw(5, 3), distribution(5, 3)), -1),
        ((draw(4), np.array(2)), -1),
        ((draw(4), np.array(0)), 0),
        ((draw(4), distribution(4)), 0),
        ((draw(4), positive(4)), 0),
        ((draw(2, 3), np.eye(3)[[2, 0]]), -1),
        ((np.stack([wide, -wide]), np.array([0, 2])), -1),
        ((np.stack([wide, -wide]), distribution(2, 4)), -1),
        ((row(900.0, -900.0, 0.0), np.array(1)), -1),
    ]
    kinds = ("mean", "sum", "none")
    return [(inputs, {"axis": axis, "reduction": kind}) for inputs, axis in targets for kind in kinds]


SPREAD = row(-745.0, -40.0, -1e-3, 1e-10, 1e-3, 40.0, 700.0)

SAMPLES: dict[str, list[Sample]] = {
    "add": binary(),
    "sub": [*binary(), ((row(1.0, 1e16), row(1 - 2**-53, 1.0)), {})],
    "mul": binary(),
    "div": binary(),
    "pow": powers(),
    "maximum": [*binary(), ((row(1.0, -1.0), row(1 + 2**-52, -1 - 2**-52)), {}), ((draw(2, 3), 0), {})],
    "where": choices(),
    "neg": unary(),
    "exp": unary(SPREAD, row(1e-300)),
    "log": unary_positive(row(1 - 2**-53, 1 + 2**-52, 0.999, 1.001, 1e-300, 1e300)),
    "sqrt": unary_positive(row(1e-300, 1e300, 4.0)),
    "square": unary(row(1e-150, 1e150, 0.0)),
    "abs": unary(row(1e-300, -1e300)),
    "sin": unary(row(1e-200, 3.14159, 1.5707963, 100.0, 1e5)),
    "cos": unary(row(1e-200, 3.14159, 1.5707963, 100.0, 1e5)),
    "sigmoid": unary(SPREAD),
    "tanh": unary(row(-20.0, -5.0, 1e-10, 1e-200, 0.0, 5.0, 20.0)),
    "relu": unary(row(1e-300, -1e-300, 1e300)),
    "leaky_relu": [*unary(), ((draw(2, 3),), {"slope": 0.2}), ((row(1e-300, -1e-300),), {"slope": -0.5})],
    "softplus": unary(SPREAD, row(-50.0, 50.0)),
    "matmul": contractions(),
    "linear": layers(),
    "transpose": [
        ((draw(2, 3),), {}),
        ((draw(2, 3, 4),), {}),
        ((draw(3),), {}),
        ((draw(2, 3, 4),), {"axes": (1, 2, 0)}),
        ((draw(2, 3, 4),), {"axes": (0, 2, 1)}),
        ((draw(2, 3, 4),), {"axes": (-1, 0, 1)}),
    ],
    "reshape": [((draw(2, 3, 2),), {"shape": shape}) for shape in ((12,), (3, 4), (2, 1, 6), (2, 3, 2))]
    + [((draw(),), {"shape": (1, 1)}), ((draw(1, 1),), {"shape": ()})],
    "index": [((draw(2, 3, 2),), {"index": index}) for index in INDICES] + [((draw(),), {"index": [None]})],
    "concat": [
        ((draw(2, 3), draw(1, 3)), {}),
        ((draw(2, 3), draw(2, 1), draw(2, 2)), {"axis": 1}),
        ((draw(2, 3), draw(2, 1)), {"axis": -1}),
        ((draw(3),), {"axis": 0}),
        ((draw(1, 2, 2), draw(1, 1, 2)), {"axis": -2}),
    ],
    "split": [
        ((draw(2, 4),), {}),
        ((draw(6),), {"parts": 3}),
        ((draw(4, 3),), {"parts": 4, "axis": 0}),
        ((draw(2, 4, 3),), {"parts": 2, "axis": -2}),
        ((draw(2, 3),), {"parts": 1, "axis": 1}),
    ],
    "sum": reductions(((row(1e16, 1.0, -1e16),), {})),
    "mean": reductions(),
    "max": reductions(((row(1.0, 1 + 2**-52, -1e300),), {})),
    "norm": reductions(*(((scale * draw(2, 3),), {"axis": -1}) for scale in (1e-170, 1e-9, 1e9, 1e170))),
    "sum_squares": [((x,), {}) for x in (draw(), draw(3), draw(2, 3), 1e-100 * draw(2, 3), 1e150 * draw(3))],
    "softmax": normalizations(),
    "log_softmax": normalizations(),
    "logsumexp": normalizations(*(((draw(2, 3, 2),), kw) for kw in AXES), ((draw(2, 2),), {"axis": None})),
    "mse": losses(
        [draw(2, 3), draw(), draw(4), row(1.0, 1e100)], [draw(2, 3), draw(), draw(4), row(1 - 2**-53, -1e100)]
    ),
    "bce": losses(
        [probabilities(2, 3), probabilities(), row(1e-10, 1 - 1e-10, 0.5, 0.3), row(1e-3, 0.7)],
        [probabilities(2, 3), probabilities(), row(0.0, 1.0, 0.5, 0.3), row(1.0, 0.0)],
    ),
    "bce_with_logits": losses(
        [draw(2, 3), draw(), row(60.0, -60.0, 60.0, -60.0), row(800.0, -800.0, 0.1)],
        [probabilities(2, 3), probabilities(), row(1.0, 0.0, 0.0, 1.0), row(0.0, 1.0, 0.5)],
    ),
    "cross_entropy": classifications(),
}

CASES = [
    pytest.param(op, inputs, attributes(op) | kw, id=f"{op}-{number}")
    for op, samples in SAMPLES.items()
    if op in OPS
    for number, (inputs, kw) in enumerate(samples)
]


def test_every_row_has_samples_and_a_definition() -> None:
    """A row that isn't measured here fails, and so does a definition without its row."""
    assert set(OPS) == set(SAMPLES) == set(DEFINITIONS)


@pytest.mark.parametrize(("op", "inputs", "kw"), CASES)
def test_a_row_s_forward_is_its_definition(op: str, inputs: tuple[Any, ...], kw: dict[str, Any]) -> None:
    """Shape, dtype and each element, the inputs being left as they were."""
    got = tensors(OPS[op].forward(EXACT, *frozen(inputs), **kw))
    wanted = tensors(DEFINITIONS[op](*inputs, **kw))
    scales = value_scales(op, inputs, kw, wanted)
    assert len(got) == len(wanted)
    for out, (value, truth, scale) in enumerate(zip(got, wanted, scales, strict=True)):
        bound = ELEMENTWISE_BOUND if op in ELEMENTWISE else CONTRACTION_BOUND
        assert_close(value, truth, scale, bound, f"output {out} of {call(op, inputs, kw)}")


@pytest.mark.parametrize(("op", "inputs", "kw"), CASES)
def test_a_row_s_vjp_is_the_definition_s_derivative(
    op: str, inputs: tuple[Any, ...], kw: dict[str, Any]
) -> None:
    """For every float input, a target too, with random cotangents: ones would hide a transposition."""
    out = OPS[op].forward(EXACT, *frozen(inputs), **kw)
    g = cotangents(out)
    for which in float_inputs(inputs):
        got = OPS[op].vjp(EXACT, which, out, frozen(inputs), g, kw)
        jacobians = numerical_jacobian(op, inputs, kw, which)
        scale, bound = vjp_scale(op, jacobians, tensors(g))
        what = f"vjp of input {which} of {call(op, inputs, kw)}"
        assert_close(got, contract(jacobians, tensors(g)), scale, bound, what)


# Kinks: any element between the derivatives on its two sides is a correct convention

AT_KINKS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("relu", (row(0.0, -0.0, 1.0),), {}),
    ("leaky_relu", (row(0.0, -0.0, 1.0),), {"slope": 0.2}),
    ("abs", (row(0.0, -0.0, 1.0),), {}),
    ("maximum", (row(1.0, 0.0), row(1.0, 0.0)), {}),
    ("maximum", (row(0.0, 2.0), 0), {}),
    ("maximum", (0.5, row(0.5, 2.0)), {}),
    ("max", (row(1.0, 1.0, 0.0),), {}),
    ("max", (np.array([[1.0, 1.0], [2.0, 3.0]]),), {"axis": 1}),
    ("norm", (row(0.0, 0.0),), {}),
    ("norm", (np.array([[0.0, 0.0], [3.0, 4.0]]),), {"axis": -1}),
]


@pytest.mark.parametrize(("op", "inputs", "kw"), AT_KINKS)
def test_at_a_kink_the_vjp_lies_between_the_derivatives_of_both_sides(
    op: str, inputs: tuple[Any, ...], kw: dict[str, Any]
) -> None:
    """Which of them is a convention; none of them is a NaN, and the forward is unaffected."""
    kw = attributes(op) | kw
    out = OPS[op].forward(EXACT, *frozen(inputs), **kw)
    truth = DEFINITIONS[op](*inputs, **kw)
    assert_close(out, truth, magnitude(truth), CONTRACTION_BOUND, call(op, inputs, kw))
    for which in float_inputs(inputs):
        got = exact(OPS[op].vjp(EXACT, which, out, frozen(inputs), np.ones_like(out), kw))
        for place in np.ndindex(got.shape):
            low, high = sorted(one_sided_slope(op, inputs, kw, which, place, side) for side in (-1, 1))
            assert low - CONTRACTION_BOUND * U <= got[place] <= high + CONTRACTION_BOUND * U, call(
                op, inputs, kw
            )


def one_sided_slope(
    op: str, inputs: tuple[Any, ...], kw: dict[str, Any], which: int, place: tuple[int, ...], side: int
) -> Any:
    """(f(x + h) - f(x)) / h of the outputs' sum, h of the given sign: 20 digits."""
    step = side * MP.mpf("1e-22")
    moved = exact(inputs[which]).copy()
    moved[place] += step
    above = DEFINITIONS[op](*inputs[:which], moved, *inputs[which + 1 :], **kw)
    return np.sum(above - DEFINITIONS[op](*inputs, **kw)) / step


# Scales: exact sums of |terms|


def value_scales(
    op: str, inputs: Sequence[Any], kw: dict[str, Any], values: Sequence[MpArray]
) -> list[MpArray]:
    """For each output, |y| for elementwise ops, else |y| + sum over all float inputs of |J| |x|."""
    scales = [magnitude(value) for value in values]
    if op in ELEMENTWISE:
        return scales
    for which in float_inputs(inputs):
        size = magnitude(inputs[which])
        for out, jacobian in enumerate(numerical_jacobian(op, inputs, kw, which)):
            scales[out] = magnitude(scales[out] + np.tensordot(size, magnitude(jacobian), axes=size.ndim))
    return [at_least(scale, MP.one) for scale in scales] if op in NORMALIZED else scales


def vjp_scale(op: str, jacobians: Sequence[MpArray], g: Sequence[Any]) -> tuple[MpArray, int]:
    """|J|^T |g| for each element of the input, and how many u of it a correct row may be off."""
    scale = contract([magnitude(jacobian) for jacobian in jacobians], [magnitude(c) for c in g])
    if op in ELEMENTWISE:
        return scale, ELEMENTWISE_BOUND + max(np.size(g[0]) // max(scale.size, 1), 1) - 1
    if op in NORMALIZED:
        scale = at_least(scale, max([*scale.flat, *magnitude(g[0]).flat]))
    return scale, CONTRACTION_BOUND


def magnitude(x: Any) -> MpArray:
    """|x| as an array, also where NumPy would hand back a bare number."""
    return np.asarray(abs(exact(x)), dtype=object)


def at_least(scale: Any, floor: Any) -> MpArray:
    return np.asarray(np.frompyfunc(lambda s: max(s, floor), 1, 1)(scale), dtype=object)


def assert_close(got: Any, truth: MpArray, scale: MpArray, bound: int, what: str) -> None:
    """Shape and dtype first (a scalar would broadcast), then each element; NaN is within no bound."""
    got = np.asarray(got)
    assert (got.shape, got.dtype) == (truth.shape, np.float64), what
    for place, value, right, size in each_place(exact(got), truth, scale):
        error, allowed = abs(value - right), bound * U * size + UNDERFLOW
        assert error <= allowed, (
            f"{what}, element {list(place)}: got {got[place]!r}, but should be {MP.nstr(right, 20)}: "
            f"off by {MP.nstr(error / (U * size + UNDERFLOW), 4)} u, {bound} u allowed"
        )


def each_place(*arrays: MpArray) -> Iterator[tuple[Any, ...]]:
    for place in np.ndindex(arrays[0].shape):
        yield (place, *(array[place] for array in arrays))


# Small things


def tensors(out: Any) -> tuple[Any, ...]:
    return out if isinstance(out, tuple) else (out,)


def frozen(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Read-only copies: a row that writes to its inputs raises."""
    return tuple(_frozen(x) if isinstance(x, np.ndarray) else x for x in inputs)


def _frozen(x: NDArray[Any]) -> NDArray[Any]:
    x = x.copy()
    x.setflags(write=False)
    return x


def cotangents(out: Any) -> Any:
    """Random, of both signs, in the outputs' structure and shapes; the same for the same shapes."""
    rng = np.random.default_rng(7)
    drawn = frozen(tuple(np.asarray(rng.uniform(-1, 1, np.shape(o))) for o in tensors(out)))
    return drawn if isinstance(out, tuple) else drawn[0]


def float_inputs(inputs: Sequence[Any]) -> list[int]:
    """The positions of float tensors; a Python number, a label or a condition has no gradient."""
    return [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype == np.float64]


def call(op: str, inputs: Sequence[Any], kw: dict[str, Any]) -> str:
    """As it would be typed, with shapes for tensors: `sum((2, 3), axis=0)`."""
    shown = [str(x.shape) if isinstance(x, np.ndarray) else repr(x) for x in inputs]
    return f"{op}({', '.join([*shown, *(f'{key}={value!r}' for key, value in kw.items())])})"


# The comparison itself is tested: it must be able to fail


@pytest.mark.parametrize(
    ("got", "complaint"),
    [
        (row(1.0, 2.0 + 2**-48), "element \\[1\\]: got .* off by 16.0 u, 8 u allowed"),
        (row(1.0, np.nan), "got .*nan"),
        (row(1.0, np.inf), "got .*inf"),
        (np.array(1.0), "what"),
        (row(1.0, 2.0).astype(np.float32), "what"),
    ],
)
def test_the_comparison_refuses_what_is_wrong(got: Any, complaint: str) -> None:
    """An element off by 16 u, a NaN, an infinity, a scalar in an array's place, another dtype."""
    truth = exact(row(1.0, 2.0))
    with pytest.raises(AssertionError, match=complaint):
        assert_close(got, truth, magnitude(truth), ELEMENTWISE_BOUND, "what")
