"""Tolerances: derived, the same everywhere, wide enough for correct arithmetic and narrow enough for faults."""

import numpy as np
import pytest
from gradient_conformance.reference import backprop, parse
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS, Spec
from gradient_conformance.reference.ops.elementary import FUNCTIONS
from gradient_conformance.reference.program import ProgramError
from gradient_conformance.reference.recording import Recording, Tape
from gradient_conformance.reference.rounding import (
    KINK_MAGNIFICATION,
    Rounding,
    U,
    expected,
    runs_for,
    seed_of,
)
from gradient_conformance.reference.runs import raw
from gradient_conformance.reference.terms import effective_products, effective_terms

NET = parse("h = {f}(linear(X, W1, b1))\nz = linear(h, W2)\nloss = cross_entropy(z, y)", {"f": "tanh"})
WANTED = ["X", "W1", "b1", "W2"]


def inputs(seed=0, batch=16, width=24):
    rng = np.random.default_rng(seed)
    shapes = {"X": (batch, 8), "W1": (width, 8), "b1": (width,), "W2": (5, width)}
    drawn = {n: rng.uniform(-1, 1, s).astype(np.float32).astype(np.float64) for n, s in shapes.items()}
    return drawn | {"y": rng.integers(0, 5, batch)}


def tolerances(given, runs=None, seed=1):
    def compute(c):
        env, grads = backprop(NET, given, WANTED, {"loss": np.ones(())}, c)
        return {"loss": env["loss"], **grads}

    return expected(compute, sum(a.size for a in given.values()), seed, runs)


def float32_net(given):
    """A plain float32 implementation of the same network."""
    X, W1, b1, W2 = (given[n].astype(np.float32) for n in WANTED)
    rows, y = np.arange(len(X)), given["y"]
    h = np.tanh(X @ W1.T + b1)
    z = h @ W2.T
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[rows, y]).mean()
    p[rows, y] -= 1
    dz = p / np.float32(len(X))
    da = dz @ W2 * (1 - h * h)
    return {"loss": loss, "X": da @ W1, "W1": da.T @ X, "b1": da.sum(0), "W2": dz.T @ h}


@pytest.mark.parametrize("seed", range(8))
def test_plain_float32_arithmetic_stays_well_within(seed):
    given = inputs(seed)
    found = float32_net(given)
    for name, e in tolerances(given).items():
        used = np.abs(found[name] - e.value) / e.tolerance("float32")
        assert np.max(used) < 0.7, name


@pytest.mark.parametrize("name", WANTED)
def test_a_gradient_that_is_off_by_one_part_in_ten_thousand_is_seen(name):
    given = inputs()
    e, found = tolerances(given)[name], float32_net(given)[name]
    assert np.max(np.abs(found * np.float32(1.0001) - e.value) / e.tolerance("float32")) > 1


def test_float64_tolerances_are_those_of_float32_in_its_own_units():
    e = tolerances(inputs())["W1"]
    np.testing.assert_allclose(e.tolerance("float64") / e.tolerance("float32"), 2**-29 * np.sqrt(2))


def test_the_same_content_has_the_same_tolerances():
    a, b = tolerances(inputs()), tolerances(inputs())
    assert all(np.array_equal(a[n].sigma, b[n].sigma) for n in a)
    assert seed_of(b"ab", b"c") != seed_of(b"a", b"bc")


def test_more_runs_change_sigma_little():
    few, many = tolerances(inputs(), runs=64), tolerances(inputs(), runs=512, seed=10_000)
    for name in WANTED:
        ratio = np.median(few[name].sigma / many[name].sigma)
        assert 0.8 < ratio < 1.25, name


def test_the_number_of_runs_falls_with_size():
    assert [runs_for(n) for n in (10, 9_999, 10_000, 99_999, 100_000)] == [64, 64, 32, 32, 16]


def test_nothing_is_lost_in_rows_that_only_move_elements():
    program = parse("y = concat(x.T[1:], w)\nz = sum(reshape(y, shape=(6,))[0:1])")
    x = np.arange(6.0).reshape(2, 3)
    e = expected(lambda c: backprop(program, {"x": x, "w": np.ones((1, 2))}, c=c)[1], 8, 0)["x"]
    assert np.all(e.sigma <= 0.58 * U * np.abs(e.value) + 2**-125)  # several frameworks flush subnormals


@pytest.mark.parametrize(
    ("terms", "n"),
    [
        ([1.0, 2.0, 3.0, 4.0], 4),
        ([1.0, 1.0, 1.0, 1.0], 16),
        ([0.0, 0.0, 1.0, 2.0], 2),
        ([1.0, 1.0, 2.0, 2.0], 8),
    ],
)
def test_a_sum_of_repeated_terms_counts_them_as_often_as_they_repeat(terms, n):
    assert effective_terms(np.array(terms), None) == n


def test_terms_are_counted_for_each_sum():
    np.testing.assert_array_equal(effective_terms(np.array([[1.0, 1.0], [1.0, 2.0]]), 1), [4, 2])


def test_products_repeat_where_both_factors_do():
    ones, different = np.ones((2, 4)), np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 2.0, 2.0]])
    assert effective_products(ones, ones.T).tolist() == [[16, 16], [16, 16]]
    assert effective_products(ones, different.T).tolist() == [[4, 8], [4, 8]]
    assert effective_products(different[0], different.T) == 4


def test_every_elementary_function_errs_within_its_constants():
    c = Rounding(3, Tape(), range(5))
    wide, inside, beyond = np.linspace(0.1, 2, 1000), np.linspace(0.1, 0.9, 1000), np.linspace(1.1, 2, 1000)
    domains = {"asin": inside, "acos": inside, "atanh": inside, "acosh": beyond, "lgamma": beyond + 1}
    for name, function in FUNCTIONS.items():
        x = domains.get(name, wide)
        args = (x, 1.5) if name in ("pow", "atan2", "hypot", "logaddexp") else (x,)
        exact = EXACT.fn(name, *args)
        error = np.abs(c.fn(name, *args) - exact).a / (U * np.abs(raw(exact)))
        assert 0 < np.max(error) <= function.spread + function.bias + 1e-6, name


def test_nearly_equal_outputs_of_a_product_err_together_in_rows_or_in_columns():
    """Saturated units: equal rows of x give equal outputs, in a real product with equal errors."""
    x, w = np.ones((50, 8)), np.random.default_rng(0).uniform(-1, 1, (8, 6))
    tape = Tape()
    exact = Recording(tape).matmul(x, w)
    error = raw(Rounding(0, tape, range(20)).matmul(x, w) - exact)
    together = np.ptp(error, axis=0).max(axis=0)
    assert 0 < np.count_nonzero(together == 0) < 20


def test_a_unit_that_rounding_might_flip_is_seen_to_flip():
    program = parse("y = relu(linear(x, W))\nloss = sum(y)")
    given = {"x": np.array([1.0, 1.0]), "W": np.array([[1.0, -1.0 - U / 2], [1.0, -0.5]])}
    compute = lambda c: backprop(program, given, ["x"], c=c)[1]
    assert np.all(expected(compute, 6, 0, magnification=KINK_MAGNIFICATION)["x"].sigma > 0.1)


def test_a_whole_program_takes_the_branches_of_the_exact_run():
    """Where somebody's rounding takes another, that is told call by call: no column is loosened for it."""
    program = parse("y = relu(linear(x, W))\nloss = sum(y)")
    given = {"x": np.array([1.0, 1.0]), "W": np.array([[1.0, -1.0 - U / 2], [1.0, -0.5]])}
    e = expected(lambda c: backprop(program, given, ["x"], c=c)[1], 6, 0)["x"]
    assert np.all(e.sigma < 10 * U)


def test_a_literal_is_rounded_once_and_the_same_in_both_directions_of_its_call():
    """Once in a dtype, as a framework holds it; and one that float32 has is no error at all."""
    c = Rounding(3, Tape(), range(5))
    found = raw(c.literal(0, 0.1))
    assert np.array_equal(found, raw(c.literal(0, 0.1)))
    assert np.all((found != 0.1) & (np.abs(found - 0.1) <= U * 0.1))
    assert len({*found, *raw(c.literal(1, 0.1))}) == 10
    assert [c.literal(0, exact) for exact in (0.25, 3, -np.inf)] == [0.25, 3, -np.inf]
    assert EXACT.literal(0, 0.1) == 0.1


def test_the_reference_takes_a_literal_as_it_is_written():
    program = parse("y = sum(0.1 * leaky_relu(x, slope=0.3))")
    e = expected(lambda c: backprop(program, {"x": np.array([-1.0, 2.0])}, c=c)[1], 2, 0)["x"]
    assert e.value.tolist() == [0.1 * 0.3, 0.1]
    assert np.all(np.abs(np.float32([0.1 * 0.3, 0.1]) - e.value) < e.tolerance("float32"))


def test_a_single_number_of_every_run_errs_by_its_own_share():
    """What is computed from a sum has no axis, and another size in each run: exp2, logaddexp and others err by that."""
    for op, row in sorted(OPS.items()):
        arguments = ", ".join(["sum(x)"] * row.arity[0])
        try:
            program = parse(f"y = {op}({arguments})")
            single = program.specs({"x": Spec((3,))})["y"] == Spec(())
        except (ProgramError, TypeError):
            continue
        if single:
            found = expected(
                lambda c, p=program: backprop(p, {"x": np.full(3, 0.1)}, ["x"], None, c)[1], 3, 0
            )
            assert found["x"].sigma.shape == (3,), op
