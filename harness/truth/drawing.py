"""Where each row of the op table is certified: inputs spread over its domain, and every attribute.

One table, op -> samples: all forms of broadcasting, axes and reductions, and numbers from the largest to subnormal
ones, beside branches too. A branch itself (relu at 0) has no derivative; what is to hold there is in `AT_KINKS`.
Numbers have all their 53 bits, so that products are rounded.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sample = tuple[tuple[Any, ...], dict[str, Any]]
RNG = np.random.default_rng(19)


def draw(*shape: int, low: float = -2, high: float = 2) -> NDArray[np.float64]:
    return RNG.uniform(low, high, shape)


def positive(*shape: int) -> NDArray[np.float64]:
    return draw(*shape, low=0.1, high=3)


def probabilities(*shape: int) -> NDArray[np.float64]:
    return draw(*shape, low=0.05, high=0.95)


def distribution(*shape: int, axis: int = -1) -> NDArray[np.float64]:
    weights = positive(*shape)
    total: NDArray[np.float64] = weights.sum(axis, keepdims=True)
    return weights / total


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
        (TINY, row(0.3, -0.7, 1.1, 2.0, -3.0, 5.0)),
        (HUGE, row(3.3, -2.7, 1.1, 2.0, -3.0, 5.0)),
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
    products: list[Sample] = [((draw(*x), draw(*y)), {}) for x, y in shapes]
    return [*products, ((row(1e150, 1.0, -1e150), row(1.0, 1e-9, 1.0)), {}), ((TINY, HUGE), {})]


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
    extreme: list[Sample] = [
        ((x,), {})
        for x in (wide, wide[:2], row(800.0, -800.0, 799.0), row(-800.0, -801.0), 1e-9 * wide, TINY)
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


TINY = row(5e-324, -3e-323, 1.7e-310, -2.2250738585072014e-308, 1e-300, -1e-160)
HUGE = row(3e307, -1e300, 1e160, -1e16, 123456789.1, -(2.0**53 - 1))
BRANCH = row(5e-324, -5e-324, 1e-30, -1e-30, 2**-53, -(2**-53))
"""Beside 0, where relu and its relatives turn."""

SPREAD = row(-745.0, -40.0, -1e-3, 1e-10, 1e-3, 40.0, 700.0)

SAMPLES: dict[str, list[Sample]] = {
    "add": binary(),
    "sub": [*binary(), ((row(1.0, 1e16), row(1 - 2**-53, 1.0)), {})],
    "mul": binary(),
    "div": binary(),
    "pow": powers(),
    "maximum": [*binary(), ((row(1.0, -1.0), row(1 + 2**-52, -1 - 2**-52)), {}), ((draw(2, 3), 0), {})],
    "where": choices(),
    "neg": unary(TINY, HUGE),
    "exp": unary(SPREAD, TINY, row(709.7, -708.4, 2**-53)),
    "log": unary_positive(row(1 - 2**-53, 1 + 2**-52, 0.999, 1.001, 1e-300, 1e300), abs(TINY[3:]), abs(HUGE)),
    "sqrt": unary_positive(row(1e-300, 1e300, 4.0), abs(TINY), abs(HUGE)),
    "square": unary(row(1e-150, 1e150, 0.0), TINY),
    "abs": unary(row(1e-300, -1e300), TINY, HUGE, BRANCH),
    "sin": unary(row(1e-200, 3.14159, 1.5707963, 100.0, 1e5), TINY, HUGE[3:]),
    "cos": unary(row(1e-200, 3.14159, 1.5707963, 100.0, 1e5), TINY, HUGE[3:]),
    "sigmoid": unary(SPREAD, TINY),
    "tanh": unary(row(-20.0, -5.0, 1e-10, 1e-200, 0.0, 5.0, 20.0), TINY, row(-350.0, 350.0)),
    "relu": unary(TINY, HUGE, BRANCH),
    "leaky_relu": [
        *unary(TINY, HUGE, BRANCH),
        ((draw(2, 3),), {"slope": 0.2}),
        ((row(1e-300, -1e-300),), {"slope": -0.5}),
    ],
    "softplus": unary(SPREAD, TINY, row(-50.0, 50.0)),
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
    "sum": reductions(((row(1e16, 1.0, -1e16),), {}), ((TINY,), {}), ((HUGE[1:],), {})),
    "mean": reductions(((TINY,), {}), ((HUGE[1:],), {})),
    "max": reductions(((row(1.0, 1 + 2**-52, -1e300),), {}), ((TINY,), {}), ((HUGE,), {})),
    # norm's vjp divides by its result: below the smallest normal number that has no 53 bits left.
    "norm": reductions(
        *(((scale * draw(2, 3),), {"axis": -1}) for scale in (1e-305, 1e-170, 1e-9, 1e9, 1e170))
    ),
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
