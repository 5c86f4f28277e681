"""Which gradients a pool of largest elements may have where windows have several: each window divides its own cotangent."""

from collections.abc import Callable

import numpy as np
import pytest
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.ops.kinks import Kink
from gradient_conformance.reference.ops.row import OpError, Spec

RANDOM = np.random.default_rng(5)
FLAT = np.ones((1, 2, 4, 5))
PAIRS = np.kron(RANDOM.permutation(40).reshape(1, 2, 4, 5), [[1.0, 1.0]])
RELU = np.maximum(np.round(RANDOM.uniform(-2, 1, (2, 2, 5, 6))), 0)
WINDOWS = [
    {"size": 2},
    {"size": 2, "stride": 1},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": (2, 3), "stride": (1, 2), "ceil_mode": True},
]


def divided(x: np.ndarray, g: np.ndarray, kw: dict, shares: Callable[[int], np.ndarray]) -> np.ndarray:
    """A gradient in which every window divides its cotangent among its so many largest elements."""
    dx = np.zeros(x.shape)
    sizes, steps, pads = (
        np.broadcast_to(kw[name] if kw[name] is not None else kw["size"], 2)
        for name in ("size", "stride", "padding")
    )
    for n, c, *place in np.ndindex(g.shape):
        begin = place * steps - pads
        window = (n, c, *(slice(max(0, b), b + k) for b, k in zip(begin, sizes, strict=True)))
        hit = np.argwhere(x[window] == x[window].max())
        for (i, j), share in zip(hit, shares(len(hit)), strict=True):
            dx[window][i, j] += share * g[n, c, place[0], place[1]]
    return dx


def first(n: int) -> np.ndarray:
    return np.eye(n)[0]


def last(n: int) -> np.ndarray:
    return np.eye(n)[-1]


def equal(n: int) -> np.ndarray:
    return np.full(n, 1 / n)


def drawn(n: int) -> np.ndarray:
    return RANDOM.dirichlet(np.ones(n))


def whole(n: int) -> np.ndarray:
    return np.ones(n)


def more(n: int) -> np.ndarray:
    return np.eye(n)[0] + 0.01


def kink(x: np.ndarray, kw: dict) -> Kink:
    row = OPS["max_pool2d"]
    kw = {**row.defaults, **kw}
    out = row.forward(EXACT, x, **kw)
    return Kink(row, EXACT, 0, out, (x,), RANDOM.uniform(-1, 1, out.shape), kw, {})


@pytest.mark.parametrize("kw", WINDOWS)
@pytest.mark.parametrize("x", [FLAT, PAIRS, RELU], ids=["flat", "pairs", "relu"])
@pytest.mark.parametrize("shares", [first, last, equal])
def test_conventions_that_frameworks_have_are_in_the_set(x, kw, shares):
    at = kink(x, kw)
    dx = divided(x, at.g, at.kw, shares)
    np.testing.assert_allclose(at.row.kinks(at, dx), dx, rtol=0, atol=1e-13)


@pytest.mark.parametrize("x", [FLAT, PAIRS, RELU], ids=["flat", "pairs", "relu"])
def test_any_shares_are_in_the_set_of_windows_that_are_apart(x):
    at = kink(x, {"size": 2})
    dx = divided(x, at.g, at.kw, drawn)
    np.testing.assert_allclose(at.row.kinks(at, dx), dx, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kw", WINDOWS)
@pytest.mark.parametrize("x", [FLAT, PAIRS], ids=["flat", "pairs"])
@pytest.mark.parametrize("shares", [whole, more])
def test_what_adds_up_to_more_is_not(x, kw, shares):
    at = kink(x, kw)
    dx = divided(x, at.g, at.kw, shares)
    assert np.max(np.abs(at.row.kinks(at, dx) - dx)) > 1e-3


def test_what_goes_to_another_element_is_not():
    at = kink(RELU, {"size": 2})
    dx = divided(RELU, at.g, at.kw, first)
    assert np.max(np.abs(at.row.kinks(at, dx[..., ::-1]) - dx[..., ::-1])) > 1e-3


def test_a_window_whose_places_are_all_padding_is_refused():
    row = OPS["max_pool1d"]
    with pytest.raises(OpError, match="nothing but padding"):
        row.infer(Spec((1, 1, 1)), **{**row.defaults, "size": 2, "padding": 1, "dilation": 2})
