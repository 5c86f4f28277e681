"""Arrays of several runs: what NumPy makes of them is, in each run, what it makes of that run's arrays."""

import dataclasses
import operator

import numpy as np
import pytest
from gradient_conformance.harness.case.library import Library, root_named
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.reference import backprop, parse, rounding
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.rounding import Recorded, expected
from gradient_conformance.reference.runs import FUNCTIONS, Runs, in_runs, raw

RUNS = 5
SHIPPED = Library([root_named("shipped")]).all()[0]


def drawn(*shape, seed=0):
    return in_runs(np.random.default_rng(seed).uniform(-1, 1, RUNS * int(np.prod(shape))), shape, RUNS)


def same_in_each_run(function, *arrays):
    """`function` of arrays, some of which are of runs, against the same of every run's own."""
    found = raw(
        function(*(Runs(a) if isinstance(a, np.ndarray) and a.shape[-1:] == (RUNS,) else a for a in arrays))
    )
    for run in range(RUNS):
        own = [a[..., run] if isinstance(a, np.ndarray) and a.shape[-1:] == (RUNS,) else a for a in arrays]
        alone = function(*own)
        assert found[..., run].shape == np.shape(alone)
        np.testing.assert_allclose(found[..., run], alone, rtol=1e-13)


A, B, V = drawn(3, 4), drawn(3, 4, seed=1), drawn(4, seed=2)
PLAIN = np.random.default_rng(3).uniform(-1, 1, (3, 4))

CALLS = {
    np.shape: lambda a: a * np.ones(np.shape(a)),
    np.ndim: lambda a: a * np.ndim(a),
    np.size: lambda a: a * np.size(a),
    np.sum: lambda a: np.sum(a, axis=(0, -1), keepdims=True) + np.sum(a) + np.sum(a, axis=-1)[:, None],
    np.max: lambda a: np.max(np.abs(a), axis=-1, keepdims=True, initial=0.5) + np.max(a),
    np.any: lambda a: np.any(a > 0.9, axis=-1),
    np.all: lambda a: np.all(a > -0.9, axis=0, keepdims=True),
    np.where: lambda a: np.where(a > 0, a, 0.0) + np.where(PLAIN > 0, PLAIN, a),
    np.reshape: lambda a: np.reshape(a, (2, 6)) @ np.reshape(a, 12)[:6],
    np.squeeze: lambda a: np.squeeze(a[None, :, :1], (0, -1)),
    np.transpose: lambda a: np.transpose(a[None], (2, 0, -2)) + np.transpose(a)[:, None],
    np.expand_dims: lambda a: np.expand_dims(np.expand_dims(a, -1), (0, -2)),
    np.broadcast_to: lambda a: np.broadcast_to(a, (2, 3, 4)) + 0.0,
    np.zeros_like: lambda a: np.zeros_like(a) + np.sum(np.zeros_like(a, shape=(2, 2))),
    np.ones_like: lambda a: np.ones_like(a) * a,
    np.clip: lambda a: np.clip(a, -0.5, PLAIN + 0.5),
    np.round: lambda a: np.round(a, 2),
    np.flip: lambda a: np.flip(a, -1),
    np.roll: lambda a: np.roll(a, 1, -2),
    np.concatenate: lambda a: np.concatenate((a, PLAIN, a[:, :2]), -1),
    np.split: lambda a: np.split(a, 2, -1)[1],
    np.take: lambda a: np.take(a, [3, 0, 0], -1)[:, :2] + np.take(a, 1, 0)[:2],
    np.take_along_axis: lambda a: np.take_along_axis(a, np.argsort(PLAIN, 0)[:2], -2),
    np.moveaxis: lambda a: np.moveaxis(a[None], 0, -1),
}


def test_every_function_that_is_known_has_a_call_here():
    assert CALLS.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_function_does_in_each_run_what_it_does_alone(function):
    same_in_each_run(CALLS[function], A)


@pytest.mark.parametrize(
    "function",
    [
        operator.add,
        operator.truediv,
        operator.gt,
        np.arctan2,
        lambda a, b: -a * 2.0 - 1 / b,
        lambda a, b: np.frexp(a)[0] + np.ldexp(b, 2),
        lambda a, b: np.divide(a, b, out=np.zeros((3, 4)), where=b > 0.2),
        lambda a, b: np.positive(a, dtype=np.float32) + b,
        lambda a, b: a.T.swapaxes(0, 1)[1:, ..., None, 0] + b[-2:, :1] + len(b) + b.size + b.ndim,
        lambda a, b: a.reshape(4, 3).reshape((3, 4)) + b.reshape(12).reshape(3, 4),
    ],
)
def test_operators_and_methods_do_too_beside_plain_arrays_and_numbers(function):
    same_in_each_run(function, A, B)
    same_in_each_run(function, A, PLAIN)
    same_in_each_run(function, PLAIN, B)


@pytest.mark.parametrize(
    ("x", "w"),
    [
        (A, drawn(4, 2)),
        (A, np.ones((4, 2))),
        (np.ones((2, 3)), A),
        (V, drawn(4, 2)),
        (A, V),
        (V, V),
        (PLAIN, V),
        (drawn(2, 1, 3, 4), drawn(6, 4, 3)),
        (drawn(2, 3, 4), np.ones((4, 2))),
        (np.ones((6, 2, 3)), A),
        (A, np.ones((6, 4, 2))),
    ],
)
def test_products_do_too(x, w):
    same_in_each_run(np.matmul, x, w)


def test_elements_are_set_in_every_run():
    zeros = np.zeros_like(Runs(A))
    zeros[:, 1:3] = Runs(A)[:, 1:3]
    zeros[0] = 2.0
    kept = np.array(A)
    kept[:, 0], kept[:, 3], kept[0] = 0, 0, 2
    np.testing.assert_array_equal(raw(zeros), kept)


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (lambda a: np.cumsum(a, axis=0), r"np\.cumsum isn't known of runs: add it to runs\.py"),
        (np.add.reduce, r"np\.add\.reduce isn't known of runs"),
        (np.asarray, "no plain array stands for them all"),
        (lambda a: bool(a > 0), r"ask np\.any or np\.all of them, and choose with np\.where"),
        (lambda a: a[np.array([0, 1])], r"use np\.take or np\.where"),
    ],
)
def test_what_is_not_known_of_runs_is_named(use, says):
    with pytest.raises(TypeError, match=says):
        use(Runs(A))


def test_a_row_with_a_function_that_runs_do_not_know_is_an_error_that_names_it(monkeypatch):
    row = dataclasses.replace(OPS["neg"], forward=lambda c, x: np.sort(c.r(-x)))
    monkeypatch.setitem(OPS, "neg", row)
    with pytest.raises(TypeError, match=r"np\.sort"):
        expected(lambda c: backprop(parse("y = sum(-x)"), {"x": np.ones(3)}, c=c)[1], 3, 0)


@pytest.mark.parametrize("op", OPS)
def test_runs_one_by_one_and_all_at_once_have_the_same_spread(op, monkeypatch):
    """Of every row: the root mean square of each tensor's sigmas, over two small cases of the op."""
    cases = (case for case in SHIPPED if case.name.startswith("ops/") and not case.variants[0].exact)
    of_op = [v for case in cases for v in case.variants if any(node.op == op for node in v.program.nodes)]
    assert of_op
    ratios = []
    for variant in of_op[:2]:
        monkeypatch.undo()
        together = _spreads(variant, 256, 1)
        monkeypatch.setattr(rounding, "AT_ONCE", 1)
        alone = _spreads(variant, 64, 2)
        ratios += [together[key] / alone[key] for key in alone if alone[key]]
    assert ratios
    assert 0.75 < np.median(ratios) < 1.33
    assert 0.5 < min(ratios) <= max(ratios) < 2


def _spreads(variant, runs, seed):
    wanted = VariantReference(variant)

    def compute(c):
        env, grads = backprop(wanted.program, wanted.inputs, variant.gradients, wanted.cotangents, c)
        return {**{n: env[n] for n in variant.values}, **{f"d{n}": grads[n] for n in variant.gradients}}

    found = Recorded(compute).expected(1, seed, runs)
    return {key: float(np.sqrt(np.mean(np.square(e.sigma)))) for key, e in found.items() if e.sigma.size}
