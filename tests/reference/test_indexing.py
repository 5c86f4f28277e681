"""Rows by tables of integers, along an axis and by letters: what they refuse, and what no correct run is held to."""

import math

import numpy as np
import pytest
from gradient_conformance.reference.backprop import backprop
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.ops import OPS, OpError, Spec
from gradient_conformance.reference.ops.kinks import Kink, dealt
from gradient_conformance.reference.program import Program
from gradient_conformance.reference.rounding import Recorded


@pytest.mark.parametrize("index", [-1, 3])
@pytest.mark.parametrize(("op", "inputs"), [("take", 1), ("gather", 1), ("embedding", 0)])
def test_an_index_that_is_none_is_named(op, inputs, index):
    table, indices = np.ones((3, 2)), np.array([[0, index]])
    given = (indices, table) if inputs == 0 else (table, indices)
    with pytest.raises(IndexError, match=f"index {index} is outside 0 to 2"):
        OPS[op].forward(EXACT, *given, **({} if op == "embedding" else {"axis": 0}))


@pytest.mark.parametrize(
    ("op", "shapes", "kw", "says"),
    [
        ("embedding", [((2,), "int64"), (3, 2)], {"padding_idx": 3}, "padding_idx is 3, but must be None or from 0 to 2"),
        ("embedding", [((2,), "int64"), (3,)], {"padding_idx": None}, "the table needs two dimensions, not (3,)"),
        ("gather", [(2, 3), ((3, 3), "int64")], {"axis": 1}, "indices (3, 3) may differ from (2, 3) only along axis 1"),
        ("scatter_add", [(2, 3), ((2, 3), "int64"), (2, 2)], {"axis": 1}, "indices (2, 3) and src (2, 2) must have the same shape"),
        ("take", [(2,), ((1,) * 17, "int64")], {"axis": 0}, "17 dimensions, but at most 16 are allowed"),
        ("broadcast_to", [(2, 3)], {"shape": (2, 1)}, "shape (2, 3) does not broadcast to (2, 1)"),
        ("broadcast_to", [(3,)], {"shape": (-1, 3)}, "shape is (-1, 3), but must be a tuple of integers of at least 0"),
        ("stack", [(2, 3), (3, 2)], {"axis": 0}, "shapes (2, 3) and (3, 2) must be the same"),
        ("stack", [(2, 3)], {"axis": 3}, "axis 3 is outside shape (2, 3, 1)"),
        ("squeeze", [(1, 3)], {"axis": 1}, "axis 1 of shape (1, 3) has 3 elements and cannot be left out"),
        ("expand_dims", [(3,)], {"axis": (0, 0)}, "axis (0, 0) names an axis twice"),
        ("expand_dims", [(3,)], {"axis": None}, "axis is None, but must be an integer or a tuple of them"),
        ("roll", [(2, 3)], {"shift": 1.0, "axis": 0}, "shift is 1.0, but must be an integer or a tuple of them"),
        ("roll", [(2, 3)], {"shift": (1, 2), "axis": 0}, "shift (1, 2) and axis 0 must be as many"),
        ("repeat", [(2, 3)], {"repeats": 0, "axis": 0}, "repeats is 0, but must be a tuple of integers of at least 1"),
        ("tile", [(2, 3)], {"repeats": (2,)}, "repeats is (2,), but must have 2 of them"),
        ("tril", [(3,)], {"k": 0}, "needs two dimensions or more, not (3,)"),
        ("trace", [(3, 3)], {"k": True}, "k is True, but must be an integer"),
        ("diag", [()], {}, "needs one dimension or more, not ()"),
        ("topk", [(2, 3)], {"k": 4, "axis": -1}, "k is 4, but must be an integer from 1 to 3, for shape (2, 3)"),
        ("argmax", [(2, 0)], {"axis": 1}, "nothing to reduce: shape (2, 0) is empty along axis 1"),
        ("outer", [(2, 3), (2,)], {}, "both need one dimension, not (2, 3)"),
        ("einsum", [(2, 3)], {"equation": "ij"}, 'equation is \'ij\', but must have operands and result, as in "ij,jk->ik"'),
        ("einsum", [(2, 2)], {"equation": "ii->i"}, "equation 'ii->i': 'ii' must be letters, each of them once"),
        ("einsum", [(2, 3)], {"equation": "...j->j"}, "equation '...j->j': '...j' must be letters, each of them once"),
        ("einsum", [(2, 3)], {"equation": "ij,jk->ik"}, "equation 'ij,jk->ik' has 2 operands, but there are 1"),
        ("einsum", [(2, 3)], {"equation": "ijk->k"}, "equation 'ijk->k': 'ijk' does not fit shape (2, 3)"),
        ("einsum", [(2, 3), (2, 4)], {"equation": "ij,jk->ik"}, "equation 'ij,jk->ik': 'j' is both 3 and 2"),
        ("einsum", [(2, 3)], {"equation": "ij->k"}, "equation 'ij->k': 'k' of the result stands in no operand"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_both_numbers(op, shapes, kw, says):
    specs = [Spec(*shape) if shape and isinstance(shape[0], tuple) else Spec(shape) for shape in shapes]
    with pytest.raises(OpError) as caught:
        OPS[op].infer(*specs, **kw)
    assert str(caught.value) == says


def spread_of(text, x, dtype="float32"):
    """Sigma of the value of z and of the gradient of x."""
    program: Program = parse(text)

    def compute(c):
        env, grads = backprop(program, {"x": x}, ["x"], {"z": np.ones(())}, c)
        return {"z": env["z"], "x": grads["x"]}

    return {key: found.sigma for key, found in Recorded(compute).expected(x.size, 0, dtype=dtype).items()}


def test_a_product_that_leaves_the_range_in_some_order_is_held_to_nothing():
    """1e-18 * 1e-20 is below float32's smallest normal number, and is flushed to 0 where that comes first."""
    x = np.array([1e18, 1e-18, 3e19, -1e-20])
    assert spread_of("z = prod(x)", x)["z"] > 0.1
    assert spread_of("z = prod(x)", x, "float64")["z"] < 1e-6
    assert math.isinf(spread_of("z = prod(x)", np.array([1e30, 1e-30, 1e30, 1e-30]))["z"])


def test_an_element_that_is_read_once_has_a_gradient_that_does_not_round():
    """So its tolerance is that of storing it; of one that is read twice it is a sum's."""
    x = np.array([1.0, 1.0, 1.0])

    def compute(c):
        inputs = {"x": x, "i": np.array([0, 1, 1])}
        return backprop(parse("z = take(x, i)"), inputs, ["x"], {"z": np.array([0.7, 0.7, 0.6])}, c)[1]

    once, twice, never = Recorded(compute).expected(3, 0)["x"].sigma
    assert once < 0.6 * 0.7 * 2**-24 < twice
    assert never < 1e-30


def test_equal_elements_may_be_dealt_their_cotangents_in_any_order_or_a_mean_of_orders():
    """Of three equal ones with cotangents 3, 1, 0: a permutation and the mean are right, one that takes more is not."""
    x, g = np.array([2.0, 2.0, 2.0, 5.0]), np.array([3.0, 1.0, 0.0, -1.0])
    at = Kink(OPS["sort"], EXACT, 0, x, (x,), g, {"axis": 0, "descending": False}, {})
    for right in ([0.0, 3, 1, -1], [4 / 3, 4 / 3, 4 / 3, -1], [2, 2, 0, -1]):
        np.testing.assert_allclose(dealt(at, np.array(right)), right, rtol=1e-15)
    np.testing.assert_allclose(dealt(at, np.array([4.0, 0, 0, -1])), [3, 0.5, 0.5, -1])
    np.testing.assert_allclose(dealt(at, np.array([3.0, 1, 0, 7])), g)


def test_what_pads_nothing_has_no_gradient_and_no_error():
    program = parse("z = x[2:2]\ny = pad(z, padding=((1, 2),))\ns = sum(y)\n", tensors=["x"])
    env, grads = backprop(program, {"x": np.ones(3)}, ["x"], {"s": np.ones(())})
    assert env["y"].tolist() == grads["x"].tolist() == [0, 0, 0]
