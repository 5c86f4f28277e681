"""What people have reported of frameworks, as cases whose right verdicts are known.

Each is judged twice: from a few lines of NumPy, right and wrong, which need no framework, and from the frameworks
themselves. What is right was settled with 50 digits, or by the limit.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import frameworks, shipped_adapters
from gradient_conformance.harness.frameworks.interpreters import interpreter_of
from gradient_conformance.harness.judging.judge import judge
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.truth.printed import check_variant
from gradient_conformance.harness.verdict import Verdict

ROOT = Path(__file__).parent / "reported"
CASES = {path.relative_to(ROOT).with_suffix("").as_posix(): path for path in sorted(ROOT.rglob("*.toml"))}
AGREE, DISAGREE, INCONCLUSIVE = Verdict.AGREE, Verdict.DISAGREE, Verdict.INCONCLUSIVE
BOTH = ("float32", "float64")


def variant_of(name, number=0):
    return load(CASES[name], ROOT).variants[number]


# A few lines of NumPy each: what is right, and what is often written. `d` is the dtype, `g` the output's cotangent.


def literal(d, g, x):
    return {"y": d(0.1) * x}, {"x": d(0.1) * g}


def literal_of_float32(d, g, x):
    return {"y": d(np.float32(0.1)) * x}, {"x": d(np.float32(0.1)) * g}


def factor(d, g, x):
    return {"y": d(0.3) * x}, {"x": d(0.3) * g}


def root(d, g, x):
    return {"y": np.sqrt(x)}, {"x": g / (2 * np.sqrt(x))}


def root_with_floor(d, g, x):
    """The root flushed to float32's smallest normal number."""
    y = np.maximum(np.sqrt(x), d(2.0**-126))
    return {"y": y}, {"x": g / (2 * y)}


def root_plus(d, g, x):
    y = np.sqrt(np.sum(x * x, axis=1) + d(1e-12))
    return {"y": y}, {"x": (g / y)[:, None] * x}


def zero_row(d, g, x):
    n = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    m = np.maximum(n, d(0.5))
    dn = np.where(n > d(0.5), np.sum(-g * x / (m * m), axis=1, keepdims=True), 0)
    return {"y": x / m}, {"x": g / m + dn * x / np.where(n == 0, 1, n)}


def masked(d, g, s, m):
    e = np.exp(s + m - np.max(s + m))
    p = e / e.sum()
    return {"p": p}, {"s": p * (g - np.sum(g * p))}


def masked_nan(d, g, s, m):
    values, gradients = masked(d, g, s, m)
    return values, {"s": gradients["s"] * (m - m)}


def masked_where(d, g, s, keep):
    return masked(d, g, s, np.where(keep, d(0), d(-np.inf)))


def square(d, g, x):
    return {"y": x * x}, {"x": g * 2 * x}


def square_saturated(d, g, x):
    """The largest number where float32 has none."""
    return {"y": np.minimum(x * x, np.finfo(d).max)}, {"x": g * 2 * x}


def where_of_numbers(d, g, x, keep):
    return {"y": x + np.where(keep, d(0), d(1))}, {"x": g}


def quotient(d, g, a, b):
    return {"y": a / b}, {"b": -g * (a / b / b)}


def quotient_by_square(d, g, a, b):
    return {"y": a / b}, {"b": -g * a / (b * b)}


def zero_norms(d, g, x):
    n = np.sqrt(np.sum(x * x, axis=1))
    return {"n": n}, {"x": (g / np.where(n == 0, 1, n))[:, None] * x}


def zero_norms_nan(d, g, x):
    n = np.sqrt(np.sum(x * x, axis=1))
    return {"n": n}, {"x": (g / n)[:, None] * x}


def zero_norm(d, g, x):
    return {"n": d(0)}, {"x": np.zeros(2, d)}


def zero_norm_nan(d, g, x):
    return {"n": d(0)}, {"x": np.full(2, np.nan, d)}


def power(d, g, a, b):
    return {"c": np.sum(a**b)}, {"b": a**b * np.log(np.where(a == 0, 1, a))}


def power_nan(d, g, a, b):
    return {"c": np.sum(a**b)}, {"b": a**b * np.log(a)}


def chosen_root(d, g, positive, x):
    y = np.sqrt(np.where(positive, x, 1))
    return {"y": np.where(positive, y, 0)}, {"x": np.where(positive, g / (2 * y), 0)}


def chosen_root_nan(d, g, positive, x):
    y = np.sqrt(x)
    return {"y": np.where(positive, y, 0)}, {"x": np.where(positive, g, 0) / (2 * y)}


def bce_at_one(d, g, p, t):
    return {"loss": d(0)}, {"p": d(-1) / p}


def bce_at_one_flat(d, g, p, t):
    return {"loss": d(0)}, {"p": np.zeros(1, d)}


def bce_at_one_nan(d, g, p, t):
    return {"loss": np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p))}, {"p": d(-1) / p}


def log_of_exp(d, g, x):
    return {"y": np.log(np.exp(x))}, {"x": g / np.exp(x) * np.exp(x)}


def lone(d, g, x):
    return {"a": np.sin(x), "b": np.log(np.exp(x))}, {"x": g * np.cos(x)}


def lone_wrong(d, g, x):
    values, gradients = lone(d, g, x)
    return {**values, "a": 1.001 * values["a"]}, gradients


def nothing(d, g, X, W, t):
    return {"loss": d(np.nan)}, {"X": np.zeros((0, 3), d), "W": np.zeros((3, 2), d), "t": np.zeros((0, 2), d)}


def nothing_is_zero(d, g, X, W, t):
    return {"loss": d(0)}, nothing(d, g, X, W, t)[1]


def nothing_is_everywhere(d, g, X, W, t):
    values, gradients = nothing(d, g, X, W, t)
    return values, {**gradients, "W": np.full((3, 2), np.nan, d)}


def inside(d, g, a, b, c):
    x = np.maximum(a, 0)
    values = {"inside": np.minimum(x, 6), "borders": np.clip(b, 0, 6), "far": np.clip(c, 0, 6)}
    return values, {"a": np.where((a > 0) & (a < 6), g, 0), "b": np.zeros(4, d), "c": np.zeros(4, d)}


NUMPY = [
    ("reduced/literal", literal, AGREE, AGREE),
    ("reduced/literal", literal_of_float32, AGREE, DISAGREE),
    ("reduced/literal64", literal, None, AGREE),
    ("reduced/swept_number", factor, AGREE, AGREE),
    ("reduced/root_of_1e-200", root, None, AGREE),
    ("reduced/root_of_1e-200", root_with_floor, None, DISAGREE),
    ("reduced/root_plus", root_plus, AGREE, AGREE),
    ("reduced/zero_row", zero_row, AGREE, AGREE),
    ("reduced/mask", masked, AGREE, AGREE),
    ("reduced/mask", masked_nan, DISAGREE, DISAGREE),
    ("reduced/mask_large", masked, AGREE, AGREE),
    ("reduced/too_large", square, AGREE, AGREE),
    ("reduced/where_of_numbers", where_of_numbers, AGREE, AGREE),
    ("reduced/log_of_exp", log_of_exp, INCONCLUSIVE, AGREE),
    ("reduced/lone", lone, INCONCLUSIVE, AGREE),
    ("reduced/lone", lone_wrong, None, DISAGREE),
    ("reduced/expect_not_finite", zero_norm, AGREE, AGREE),
    ("reduced/expect_not_finite", zero_norm_nan, DISAGREE, DISAGREE),
    ("points/norm_of_some_zero_rows", zero_norms, AGREE, AGREE),
    ("points/norm_of_some_zero_rows", zero_norms_nan, DISAGREE, DISAGREE),
    ("points/power_of_zero", power, AGREE, AGREE),
    ("points/power_of_zero", power_nan, DISAGREE, DISAGREE),
    ("points/softmax_with_mask", masked_where, AGREE, AGREE),
    ("points/where_beside_sqrt", chosen_root, AGREE, AGREE),
    ("points/where_beside_sqrt", chosen_root_nan, DISAGREE, DISAGREE),
    ("ranges/bce_at_one", bce_at_one, AGREE, AGREE),
    ("ranges/bce_at_one", bce_at_one_flat, DISAGREE, DISAGREE),
    ("ranges/bce_at_one", bce_at_one_nan, DISAGREE, DISAGREE),
    ("ranges/quotient", quotient, AGREE, AGREE),
    ("ranges/quotient", quotient_by_square, DISAGREE, AGREE),
    ("edges/mean_of_nothing", nothing, AGREE, AGREE),
    ("edges/mean_of_nothing", nothing_is_zero, DISAGREE, DISAGREE),
    ("edges/mean_of_nothing", nothing_is_everywhere, DISAGREE, DISAGREE),
    ("edges/capped_relu", inside, AGREE, AGREE),
]
"""By case and implementation the right verdicts in float32 and float64; None where nothing is said of a dtype."""


def judged(name, implementation, dtype):
    """What becomes of the implementation's answer to the first variant of a case."""
    variant = variant_of(name)
    wanted = VariantReference(variant)
    cast = {n: a.astype(dtype) if a.dtype.kind == "f" else a for n, a in wanted.inputs.items()}
    [g] = [g.astype(dtype) for g in wanted.cotangents.values()]
    with np.errstate(all="ignore"):
        values, gradients = implementation(np.dtype(dtype).type, g, **cast)
    found = {("value", n, None): a for n, a in values.items()}
    found |= {("gradient", n, None): a for n, a in gradients.items() if n in variant.gradients}
    return judge(wanted, dtype, {key: np.asarray(a, dtype) for key, a in found.items()})


@pytest.mark.parametrize(("name", "implementation", *BOTH), NUMPY)
def test_a_few_lines_of_numpy_get_the_right_verdict(name, implementation, float32, float64):
    for dtype, right in zip(BOTH, (float32, float64), strict=True):
        if right is not None:
            judgement = judged(name, implementation, dtype)
            assert judgement.verdict is right, f"{dtype}: {judgement.message}"


def test_a_message_names_the_call_that_leaves_the_range():
    assert judged("reduced/log_of_exp", log_of_exp, "float32").message == (
        "gradient of x[0] can't be judged, out of range: exp(x), line 3, is 4.49e+38 at [0], beyond float32"
    )
    said = judged("reduced/lone", lone, "float32").message
    assert (
        said == "value b[0] can't be judged, out of range: exp(x), line 5, is 4.49e+38 at [0], beyond float32"
    )


def test_a_nan_is_told_as_nan():
    said = judged("points/where_beside_sqrt", chosen_root_nan, "float32").message
    assert "gradient of x[0] = nan, should be 0.0 ± 9.4e-38   (NaN)" in said


def sum_of_squares(inputs):
    return np.sum(inputs["W"] ** 2), 2 * inputs["W"]


def mean_of_squares(inputs):
    residual = inputs["X"] @ inputs["W"] - inputs["t"]
    return np.mean(residual**2), inputs["X"].T @ residual * inputs["W"].dtype.type(2 / residual.size)


def trained(name, dtype, loss, rate=None, *, forgets=True):
    """What becomes of a training by hand, whose gradients are added up where it does not forget them."""
    wanted = VariantReference(variant_of(name))
    training = wanted.variant.training
    inputs = {n: a.astype(dtype) for n, a in wanted.inputs.items()}
    rate = np.dtype(dtype).type(training.options["lr"] if rate is None else rate)
    found, before = {}, 0
    for step in range(training.steps):
        value, gradient = loss(inputs)
        gradient = gradient + before
        inputs["W"] = inputs["W"] - rate * gradient
        found["value", wanted.variant.outputs[0], step] = np.asarray(value, dtype)
        found["gradient", "W", step], found["parameter", "W", step] = gradient, inputs["W"]
        before = 0 if forgets else gradient
    return judge(wanted, dtype, found).verdict


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("name", ["reduced/lr", "reduced/lr_given"])
def test_a_learning_rate_is_the_number_that_is_written(name, dtype):
    assert trained(name, dtype, sum_of_squares) is AGREE
    rounded = trained(name, dtype, sum_of_squares, rate=np.float32(0.1))
    assert rounded is (AGREE if dtype == "float32" else DISAGREE)


@pytest.mark.parametrize("dtype", BOTH)
def test_gradients_that_are_added_up_are_called(dtype):
    assert trained("edges/forgotten_zero_grad", dtype, mean_of_squares) is AGREE
    assert trained("edges/forgotten_zero_grad", dtype, mean_of_squares, forgets=False) is DISAGREE


@pytest.mark.parametrize("name", [name for name in CASES if "[[expect]]" in CASES[name].read_text()])
def test_what_a_report_expects_holds(name):
    """Also where the reference's own error isn't known, or the tolerance is the least there is."""
    case = load(CASES[name], ROOT)
    assert check_variant(case.variants[0], case.expects) == []


@pytest.mark.parametrize("number", range(4))
def test_small_numbers_of_float64_are_judged_as_closely_as_others(number):
    wanted = VariantReference(variant_of("ranges/root_of_small", number))
    [key] = [key for key in wanted.single() if key[0] == "value"]
    due = wanted.single()[key]
    assert due.tolerance("float64") < 1e-14 * due.value


def test_the_reports_are_all_judged():
    by_hand = {name for name, *_ in NUMPY} | {"reduced/lr", "reduced/lr_given", "edges/forgotten_zero_grad"}
    assert CASES.keys() == by_hand | {"ranges/root_of_small", "ranges/log_of_exp"}


# The frameworks themselves


FRAMEWORKS = {
    "edges/capped_relu::place:inside": {},
    "edges/capped_relu::place:far": {},
    "edges/forgotten_zero_grad::": {},
    "edges/mean_of_nothing::": {"mxnet": None, "tensorflow": DISAGREE},
    "points/norm_of_some_zero_rows::": dict.fromkeys(("jax", "mxnet", "tensorflow"), DISAGREE),
    "points/power_of_zero::": {"mxnet": DISAGREE},
    "points/softmax_with_mask::": {},
    "points/where_beside_sqrt::": dict.fromkeys(("jax", "mxnet", "torch"), DISAGREE),
    "ranges/bce_at_one::": {
        **dict.fromkeys(("jax", "tensorflow", "torch"), DISAGREE),
        "mxnet": (AGREE, DISAGREE),
    },
    "ranges/log_of_exp::i:80": {},
    "ranges/log_of_exp::i:88": dict.fromkeys(("jax", "mxnet", "tensorflow", "torch"), (INCONCLUSIVE, AGREE)),
    "ranges/log_of_exp::i:89": dict.fromkeys(("jax", "mxnet", "tensorflow", "torch"), (INCONCLUSIVE, AGREE)),
    "ranges/quotient::": dict.fromkeys(("jax", "mxnet"), (DISAGREE, AGREE)),
    **{f"ranges/root_of_small::i:{i}": {} for i in range(4)},
    "reduced/expect_not_finite::": dict.fromkeys(("jax", "mxnet", "tensorflow"), DISAGREE),
    "reduced/literal::": {},
    "reduced/literal64::": {},
    "reduced/log_of_exp::": dict.fromkeys(("jax", "mxnet", "tensorflow", "torch"), (INCONCLUSIVE, AGREE)),
    "reduced/lone::o:a": dict.fromkeys(("jax", "mxnet", "tensorflow", "torch"), (INCONCLUSIVE, AGREE)),
    "reduced/lr::": {"mxnet": (AGREE, DISAGREE)},
    "reduced/lr_given::": {"mxnet": (AGREE, DISAGREE)},
    "reduced/mask::": {},
    "reduced/mask_large::": {},
    "reduced/root_of_1e-200::": {},
    "reduced/root_plus::": {},
    "reduced/swept_number::k:0.3": {},
    "reduced/too_large::": {},
    "reduced/where_of_numbers::": {},
    "reduced/zero_row::": dict.fromkeys(("jax", "mxnet"), DISAGREE),
}
"""By variant, of the frameworks that don't agree, the verdict, or one for float32 and one for float64.

None: not asked. MXNet divides integers by 0 there, of which its worker dies, in this cell or in the next. Ties of a
maximum are conventions, judged call by call: `borders` of `capped_relu` is not here.
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(lambda framework: interpreter_of(framework, {}, dict(os.environ), Path()), ledgers={})
    yield made
    made.close()


@pytest.mark.framework
@pytest.mark.parametrize("framework", frameworks([shipped_adapters()]), ids=lambda framework: framework.name)
def test_frameworks_get_the_right_verdicts(framework, engine):
    interpreter(framework.name)  # skips without one
    variants = {f"{name}::{v.id}": v for name, path in CASES.items() for v in load(path, ROOT).variants}
    cells = [
        (Cell(variants[name], dtype, framework, framework.modes[0]), right)
        for name, others in FRAMEWORKS.items()
        for dtype, right in zip(BOTH, _pair(others.get(framework.name, AGREE)), strict=True)
        if right is not None and dtype in variants[name].dtypes
    ]
    engine.submit(cell for cell, _ in cells)
    found = {cell.id: engine.result(cell) for cell, _ in cells}
    wrong = {cell.id: found[cell.id].message for cell, right in cells if found[cell.id].verdict is not right}
    assert not wrong


def _pair(right):
    return right if isinstance(right, tuple) else (right, right)
