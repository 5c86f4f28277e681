"""The evidence of the ledgers: each known deviation in its smallest form, against mpmath.

A version that mends one fails its test here, and its entry in deviations.toml becomes stale.
"""

from collections.abc import Iterator

import mpmath
import numpy as np
import pytest
from client import ADAPTERS, Client, interpreter

pytestmark = pytest.mark.framework
U32, U64 = 2.0**-24, 2.0**-53
MP = mpmath.mp.clone()
MP.dps = 50


@pytest.fixture(scope="module")
def mxnet() -> Iterator[Client]:
    client = Client(interpreter("mxnet"), ADAPTERS / "mxnet" / "adapter.py")
    yield client
    client.close()


def call(client, op, args, inputs, cotangent=None, mode="imperative", **kw):
    """The op's value y and the gradients of its float inputs."""
    program = [{"out": ["y"], "op": op, "args": args, "kw": kw}]
    dtype = next(a.dtype.name for a in inputs.values() if a.dtype.kind == "f")
    floats = [name for name, a in inputs.items() if a.dtype.kind == "f"]
    reply = client.run(program, inputs, gradients=floats, mode=mode, cotangent=cotangent, dtype=dtype)
    assert reply["type"] == "done", reply
    return reply["arrays"]["value", "y"], {name: reply["arrays"]["gradient", name] for name in floats}


def worst(found, exact, x, scale=abs):
    """The largest |error| / scale(exact), each element against mpmath."""
    pairs = [
        (MP.mpf(float(f)), exact(MP.mpf(float(v)))) for f, v in zip(found.ravel(), x.ravel(), strict=True)
    ]
    return float(max(abs(f - e) / scale(e) for f, e in pairs))


def test_mxnet_where_with_a_number_gives_the_gradient_to_the_other_places(mxnet):
    inputs = {"c": np.array([True, False, True]), "x": np.array([2.0, 3.0, 4.0])}
    _, gradients = call(mxnet, "where", ["c", "x", -1.0], inputs, cotangent=np.ones(3))
    assert gradients["x"].tolist() == [0, 1, 0]  # should be 1, 0, 1


def test_mxnet_matmul_with_an_inner_batch_axis_that_is_broadcast_has_a_wrong_gradient(mxnet):
    inputs = {"x": np.ones((2, 1, 1, 1)), "y": np.array([1.0, 10.0]).reshape(2, 1, 1)}
    cotangent = np.array([1.0, 2.0, 3.0, 4.0]).reshape(2, 2, 1, 1)
    _, gradients = call(mxnet, "matmul", ["x", "y"], inputs, cotangent=cotangent)
    assert gradients["y"].ravel().tolist() == [4, 6]
    assert gradients["x"].ravel().tolist() != [21, 43]  # 1 + 2 * 10 and 3 + 4 * 10


def test_mxnet_leaky_relu_multiplies_in_float32(mxnet):
    x = -np.linspace(0.1, 2, 50)
    found, _ = call(mxnet, "leaky_relu", ["x"], {"x": x}, cotangent=np.ones(50), slope=0.25)
    assert worst(found, lambda v: v / 4, x) > 1e7 * U64  # a quarter of a float64 is exact
    assert worst(found, lambda v: v / 4, x) < U32


def test_mxnet_bce_adds_1e_12_to_probabilities(mxnet):
    p, t = np.array([0.5, 0.25, 0.125]), np.ones(3)
    found, gradients = call(
        mxnet, "bce", ["p", "t"], {"p": p, "t": t}, cotangent=np.ones(3), reduction="none"
    )
    assert worst(found, lambda v: -MP.log(v), p) > 1000 * U64
    assert worst(gradients["p"], lambda v: -1 / v, p) > 1000 * U64
    assert worst(found, lambda v: -MP.log(v + MP.mpf("1e-12")), p) < 4 * U64


def test_mxnet_bce_with_logits_has_no_gradient_of_its_smooth_part_at_zero(mxnet):
    inputs = {"z": np.zeros(2), "t": np.array([0.0, 1.0])}
    _, gradients = call(mxnet, "bce_with_logits", ["z", "t"], inputs, cotangent=np.ones(2), reduction="none")
    assert MP.diff(lambda z: MP.log(1 + MP.exp(z)), 0) == 0.5
    assert gradients["z"].tolist() == [0, -1]  # should be 1/2, -1/2


def test_mxnet_log_softmax_is_off_by_tens_of_units_in_float32(mxnet):
    x = np.random.default_rng(0).uniform(-3, 3, (1000, 4)).astype(np.float32)
    found, _ = call(mxnet, "log_softmax", ["x"], {"x": x}, cotangent=np.ones_like(x), axis=-1)
    rows = [[MP.mpf(float(v)) for v in row] for row in x]
    exact = [[v - MP.log(sum(map(MP.exp, row))) for v in row] for row in rows]
    error = max(
        abs(MP.mpf(float(f)) - e)
        for fs, es in zip(found, exact, strict=True)
        for f, e in zip(fs, es, strict=True)
    )
    assert 40 * U32 < error < 100 * U32  # a correctly rounded log and subtraction: below 5 u


def test_mxnet_softplus_is_off_by_tens_of_units_in_float32(mxnet):
    x = np.linspace(-2, 8, 2000).astype(np.float32)
    found, _ = call(mxnet, "softplus", ["x"], {"x": x}, cotangent=np.ones_like(x))
    assert 15 * U32 < worst(found, lambda v: MP.log1p(MP.exp(v)), x) < 50 * U32


def test_mxnet_leaky_relu_with_a_negative_slope_has_a_wrong_gradient(mxnet):
    x = np.array([-2.0, 2.0])
    found, gradients = call(mxnet, "leaky_relu", ["x"], {"x": x}, cotangent=np.ones(2), slope=-0.5)
    assert found.tolist() == [1, 2]
    assert gradients["x"].tolist() == [1, 1]  # should be -1/2, 1


def test_mxnet_max_gives_the_whole_cotangent_to_every_tie(mxnet):
    inputs = {"x": np.array([1.0, 3.0, 3.0])}
    _, gradients = call(mxnet, "max", ["x"], inputs, axis=None, keepdims=False)
    assert gradients["x"].tolist() == [0, 1, 1]  # a subgradient's elements are at least 0 and sum to 1


@pytest.mark.parametrize(
    ("framework", "mode", "op", "inputs", "expected"),
    [
        ("tensorflow", "eager", "maximum", {"x": 1.0, "y": 1.0}, {"x": 1, "y": 0}),
        ("mxnet", "imperative", "maximum", {"x": 1.0, "y": 1.0}, {"x": 1, "y": 0}),
        ("jax", "jit", "abs", {"x": 0.0}, {"x": 1}),
    ],
)
def test_conventions_at_kinks_are_subgradients(framework, mode, op, inputs, expected):
    """At maximum(x, x) the two gradients sum to 1; at abs(0) the gradient lies in [-1, 1]."""
    client = Client(interpreter(framework), ADAPTERS / framework / "adapter.py")
    arrays = {name: np.array(value) for name, value in inputs.items()}
    _, gradients = call(client, op, list(inputs), arrays, mode=mode)
    client.close()
    assert {name: float(g) for name, g in gradients.items()} == expected


def test_jax_log1p_in_float64_is_off_by_hundreds_of_units():
    """Seen through the binary cross-entropy of p for target 0, which is -log1p(-p)."""
    client = Client(interpreter("jax"), ADAPTERS / "jax" / "adapter.py")
    p = np.linspace(0.38, 0.414, 500)
    found, _ = call(
        client,
        "bce",
        ["p", "t"],
        {"p": p, "t": np.zeros(500)},
        cotangent=np.ones(500),
        mode="jit",
        reduction="none",
    )
    client.close()
    assert 100 * U64 < worst(found, lambda v: -MP.log1p(-v), p) < 400 * U64


def test_tensorflow_leaky_relu_takes_its_slope_in_float32():
    """The slope is an attribute of the op, and those are float32."""
    client = Client(interpreter("tensorflow"), ADAPTERS / "tensorflow" / "adapter.py")
    x = -np.array([1.0, 2.0])
    found, gradients = call(
        client, "leaky_relu", ["x"], {"x": x}, cotangent=np.ones(2), mode="eager", slope=0.3
    )
    client.close()
    assert found.tolist() == (float(np.float32(0.3)) * x).tolist() != (0.3 * x).tolist()
    assert gradients["x"].tolist() == [float(np.float32(0.3))] * 2


def test_mxnet_sgd_takes_its_learning_rate_in_float32(mxnet):
    training = {"optimizer": {"sgd": {"lr": 0.1}}, "parameters": ["w"], "steps": 1}
    program = [{"out": ["l"], "op": "sum_squares", "args": ["w"], "kw": {}}]
    reply = mxnet.run(
        program,
        {"w": np.array([1.0])},
        gradients=["w"],
        training=training,
        mode="imperative",
        dtype="float64",
    )
    [found] = reply["arrays"]["parameter", "w", 0]
    assert abs(found - (1 - 2 * float(np.float32(0.1)))) < 4 * U64 < abs(found - 0.8)
