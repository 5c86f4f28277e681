"""Normalization, attention and recurrent layers: what they refuse, and which formulas of others their tolerances know."""

import numpy as np
import pytest
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS, OpError, Spec
from gradient_conformance.reference.ops.kinks import Kink
from gradient_conformance.reference.rounding import expected

RANDOM = np.random.default_rng(8)
QKV = ((3, 4), (5, 4), (5, 2))


@pytest.mark.parametrize(
    ("op", "shapes", "kw", "told"),
    [
        ("var", [(2, 3)], {"axis": 0, "ddof": 2}, "ddof is 2, but only 2 elements"),
        ("std", [(3,)], {"ddof": -1}, "ddof is -1"),
        ("layer_norm", [(2, 3)], {"axis": 0}, "axis is 0, but must be the last axes of shape (2, 3)"),
        ("layer_norm", [(2, 3)], {"axis": (1, 0)}, "in their order"),
        ("layer_norm", [(2, 3), (2,)], {}, "w has shape (2,), but must have (3,)"),
        ("rms_norm", [(2, 0)], {}, "nothing to normalize"),
        ("rms_norm", [(2, 3)], {"epsilon": -1.0}, "epsilon is -1.0"),
        ("batch_norm", [(1, 3)], {}, "1 values of each channel, which is no batch"),
        ("batch_norm_inference", [(4, 3), (3,), (2,)], {}, "variance has shape (2,)"),
        ("running_statistics", [(1, 3), (3,), (3,)], {}, "1 values of each channel, which is no batch"),
        ("running_statistics", [(4, 3), (3,), (4,)], {}, "variance has shape (4,)"),
        ("running_statistics", [(4, 3), (3,), (3,)], {"momentum": 1.5}, "momentum is 1.5"),
        ("running_statistics", [(4, 3), (3,), (3,)], {"ddof": 2}, "ddof is 2, but must be 0 or 1"),
        ("group_norm", [(2, 6)], {"groups": 4}, "groups is 4, but must be an integer that divides the 6"),
        ("group_norm", [(4, 6)], {"groups": 2, "axis": 0}, "a batch first"),
        ("instance_norm", [(2, 6)], {}, "nothing to normalize in each"),
        ("weight_norm", [(3, 2), (3,)], {}, "g has shape (3,), but must have (3, 1)"),
        ("masked_softmax", [(3,), (2, 3)], {}, "mask (2, 3) does not broadcast to the shape of x, (3,)"),
        ("dropout", [(3,), (1,)], {}, "mask (1,) and x (3,) must have the same shape"),
        ("dropout", [(3,), (3,)], {"rate": 1.0}, "rate is 1.0"),
        ("attention", [(3, 4), (5, 3), (5, 2)], {}, "q and k have one size"),
        ("attention", [(2, 3, 4), (5, 4), (5, 2)], {}, "must all have the axes (..., length, size)"),
        ("attention", [(4, 3, 4), (3, 5, 4), (3, 5, 2)], {"groups": 2}, "2 times the heads"),
        ("attention", [*QKV, (2, 3, 5)], {}, "mask (2, 3, 5) does not broadcast to (3, 5)"),
        ("attention", QKV, {"scale": "no"}, "scale is 'no'"),
        ("rnn", [(0, 2, 3), (2, 4), (4, 3), (4, 4)], {}, "x a first step"),
        (
            "rnn",
            [(5, 2, 3), (2, 4), (4, 3), (4, 4)],
            {"nonlinearity": "sin"},
            "nonlinearity is 'sin', but must be one of 'tanh', 'relu'",
        ),
        ("gru", [(5, 2, 3), (2, 4), (4, 3), (4, 4)], {}, "W_ih has shape (4, 3), but must have (12, 3)"),
        ("gru", [(5, 2, 3), (2, 4), (12, 3), (12, 4)], {"gates": "ifgo"}, "gates is 'ifgo'"),
        ("lstm", [(5, 2, 3), (2, 4), (5, 4), (16, 3), (16, 4)], {}, "c has shape (5, 4)"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(op, shapes, kw, told):
    dtypes = ["float" if "float" in OPS[op].dtypes.get(i, ("float",)) else "bool" for i in range(len(shapes))]
    with pytest.raises(OpError) as refused:
        OPS[op].infer(*map(Spec, shapes, dtypes), **{**OPS[op].defaults, **kw})
    assert told in str(refused.value)


def test_the_gradient_of_std_at_equal_numbers_adds_up_to_nothing_and_is_short():
    """Norm of the deviations: its ball, less what all have in common, by the root of their number."""
    x, g, kw = np.zeros((2, 4)), np.array([2.0, -1.0]), {"axis": 1, "keepdims": False, "ddof": 0}
    at = Kink(OPS["std"], EXACT, 0, np.zeros(2), (x,), g, kw, {})
    near = OPS["std"].kinks(at, RANDOM.uniform(5, 9, x.shape))
    np.testing.assert_allclose(near.sum(axis=1), 0, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(near, axis=1), np.abs(g) / 2, rtol=1e-14)


def tolerated(op, inputs, **kw):
    """Reference and tolerance, in float32, of the value and of the cotangent of the first input for one of ones."""
    row, kw = OPS[op], {**OPS[op].defaults, **kw}

    def compute(c):
        out = row.forward(c, *inputs, **kw)
        return {"out": out, "x": row.vjp(c, 0, out, inputs, np.ones(np.shape(out)), kw)}

    found = expected(compute, 100, 0)
    return [(found[name].value, found[name].tolerance("float32")) for name in ("out", "x")]


def test_the_variance_may_be_a_difference_of_means_and_is_told_where_half_of_it_is_rounded_away():
    """E[x^2] - E[x]^2 in float32, far from 0: off by more than any other formula, and by no more than is allowed."""
    x = (RANDOM.uniform(-0.1, 0.1, (50, 100)) + 8).astype(np.float32)
    (want, allowed), _ = tolerated("var", (x.astype(np.float64),), axis=1)
    got = np.mean(x * x, axis=1, dtype=np.float32) - np.square(np.mean(x, axis=1, dtype=np.float32))
    off = np.abs(got.astype(np.float64) - want)
    assert np.all(off <= allowed)
    assert np.max(off / want) > 1e-4 > np.max(np.abs(np.var(x, axis=1).astype(np.float64) - want) / want)


def test_a_batch_norm_that_infers_may_be_folded_into_a_factor_and_a_shift():
    """X * a + (b - mean * a) in float32, far from 0 and near the mean, where both terms nearly cancel."""
    x = (RANDOM.uniform(-0.1, 0.1, (50, 3)) + 8).astype(np.float32)
    mean, variance, w = (np.array(a, np.float32) for a in ((8, 8.05, 7.95), (0.5, 1, 2), (1, -2, 0.5)))
    inputs = tuple(a.astype(np.float64) for a in (x, mean, variance, w))
    (want, allowed), _ = tolerated("batch_norm_inference", inputs)
    a = w / np.sqrt(variance + np.float32(1e-5))
    off = np.abs((x * a - mean * a).astype(np.float64) - want)
    assert np.all(off <= allowed)
    assert np.max(off / np.abs(want)) > 1e-5


def test_the_backward_of_attention_may_take_its_sum_from_the_output():
    """As flash attention: sum(g * out) in place of sum(dp * p), of which one outweighs all others; of g * out nearly all cancels."""
    q, k, v = (RANDOM.uniform(-1, 1, shape).astype(np.float32) for shape in ((20, 8), (16, 8), (16, 64)))
    q, v = q * np.float32(40), v + np.where(np.arange(64) % 2, 100, -100).astype(np.float32)
    inputs = tuple(a.astype(np.float64) for a in (q, k, v))
    _, (want, allowed) = tolerated("attention", inputs)
    scale, g = np.float32(8**-0.5), np.ones((20, 64), np.float32)
    p = np.exp(q @ k.T * scale - np.max(q @ k.T * scale, axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    flash = p * (g @ v.T - np.sum(g * (p @ v), axis=-1, keepdims=True)) @ k * scale
    assert np.all(np.abs(flash - want) <= allowed)


def test_a_query_that_attends_to_nothing_has_no_value():
    q, k, v = (RANDOM.uniform(-1, 1, shape) for shape in QKV)
    mask = np.ones((3, 5), bool)
    mask[1] = False
    with np.errstate(invalid="ignore"):
        out = OPS["attention"].forward(EXACT, q, k, v, mask)
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2]]).all()


def test_a_causal_query_does_not_see_what_follows():
    q, k, v = (RANDOM.uniform(-1, 1, (4, 2)) for _ in range(3))
    out = OPS["attention"].forward(EXACT, q, k, v, causal=True)
    k[2:], v[2:] = 7, 7
    np.testing.assert_array_equal(OPS["attention"].forward(EXACT, q, k, v, causal=True)[:2], out[:2])


def test_groups_are_as_if_keys_and_values_were_repeated():
    q, k, v = (
        RANDOM.uniform(-1, 1, (6, 3, 2)),
        RANDOM.uniform(-1, 1, (2, 4, 2)),
        RANDOM.uniform(-1, 1, (2, 4, 2)),
    )
    wide = OPS["attention"].forward(EXACT, q, np.repeat(k, 3, 0), np.repeat(v, 3, 0))
    np.testing.assert_array_equal(OPS["attention"].forward(EXACT, q, k, v, groups=3), wide)


@pytest.mark.parametrize(("op", "letters", "states"), [("gru", "rzn", 1), ("lstm", "ifgo", 2)])
def test_gates_in_another_order_are_the_same_layer(op, letters, states):
    n, order = len(letters), letters[::-1]
    given = [RANDOM.uniform(-1, 1, (2, 2)) for _ in range(states)]
    weights = [RANDOM.uniform(-1, 1, (n, 2, width)) for width in (3, 2)]
    x = RANDOM.uniform(-1, 1, (4, 2, 3))
    own = [OPS[op].forward(EXACT, x, *given, *(w.reshape(2 * n, -1) for w in weights))]
    own.append(OPS[op].forward(EXACT, x, *given, *(w[::-1].reshape(2 * n, -1) for w in weights), gates=order))
    for one, other in zip(*own, strict=True):
        np.testing.assert_array_equal(one, other)
