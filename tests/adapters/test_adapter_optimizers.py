"""What frameworks make of an optimizer's step that is wrong, held to its cause: the step with what is wrong in it is theirs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, interpreter
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.optimizers import OPTIMIZERS

pytestmark = pytest.mark.framework

STEPS = 3
AT = np.array([1.5, -0.75])
DRAWN = np.array([[1.0, -0.5], [-0.625, 0.75], [0.25, 1.25]])
"""What the parameter is multiplied with in each step: its gradients."""


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Client]]:
    found = {
        name: Client(interpreter(name), ADAPTERS / name / "adapter.py")
        for name in ("torch", "tensorflow", "mxnet")
    }
    yield found
    for client in found.values():
        client.close()


def trained(
    client: Client, name: str, options: Mapping[str, Any], parameters: Sequence[str] = ("w",)
) -> np.ndarray:
    """The first parameter after each step of a training in float64, on the sum of x * w over all of them."""
    program = [
        {"out": [f"p{i}"], "op": "mul", "args": ["x", w], "kw": {}} for i, w in enumerate(parameters)
    ] + [
        {"out": [f"s{i}"], "op": "sum", "args": [f"p{i}"], "kw": {"axis": None, "keepdims": False}}
        for i in range(len(parameters))
    ]
    total = "s0"
    for i in range(1, len(parameters)):
        program.append({"out": [f"t{i}"], "op": "add", "args": [total, f"s{i}"], "kw": {}})
        total = f"t{i}"
    training = {
        "optimizer": {name: OPTIMIZERS[name].given(options)}, "parameters": list(parameters), "steps": STEPS,
    }  # fmt: skip
    arrays = {"x": DRAWN, **dict.fromkeys(parameters, AT)}
    reply = client.run(
        program, arrays, gradients=list(parameters), training=training, mode=client.mode, dtype="float64", each=["x"]
    )  # fmt: skip
    assert reply["type"] == "done", reply
    return np.stack([reply["arrays"]["parameter", parameters[0], step] for step in range(STEPS)])


def steps_of(name: str, options: Mapping[str, Any]) -> np.ndarray:
    """The same by the reference."""
    row, state, at, found = OPTIMIZERS[name], OPTIMIZERS[name].started(AT), AT, []
    for count, gradient in enumerate(DRAWN, 1):
        at, state = row.took(EXACT, at, gradient, state, count, row.given(options))
        found.append(at)
    return np.stack(found)


def rounded(options: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {**options, **{name: float(np.float32(options[name])) for name in names}}


NEAR = 1e-14
FLOAT32 = [
    ("tensorflow", "sgd", {"lr": 0.1, "momentum": 0.9}, ["momentum"]),
    ("tensorflow", "sgd", {"lr": 0.1, "weight_decay": 0.1, "decoupled": True}, ["weight_decay"]),
    ("tensorflow", "adagrad", {"lr": 0.1, "epsilon": 0.0, "weight_decay": 0.1, "decoupled": True}, ["weight_decay"]),
    ("tensorflow", "lion", {"lr": 0.1, "weight_decay": 0.1}, ["weight_decay"]),
    ("mxnet", "sgd", {"lr": 0.1, "momentum": 0.9}, ["lr", "momentum"]),
    ("mxnet", "sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, ["lr", "momentum"]),
]  # fmt: skip


@pytest.mark.parametrize(("framework", "name", "options", "names"), FLOAT32)
def test_what_is_taken_in_float32(
    clients: dict[str, Client], framework: str, name: str, options: dict[str, Any], names: list[str]
) -> None:
    got = trained(clients[framework], name, options)
    assert np.max(np.abs(got - steps_of(name, rounded(options, *names)))) < NEAR
    assert np.max(np.abs(got - steps_of(name, options))) > 1e-10


def adam_in_part(beta1: Any, beta2: Any, lr: Any, epsilon: float, powers: tuple[float, float]) -> np.ndarray:
    """Adam as Keras and MXNet write it, the powers of other betas than the means."""
    mean, square, at, found = np.zeros(2), np.zeros(2), AT, []
    for count, g in enumerate(DRAWN, 1):
        mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
        alpha = lr(0.1 * np.sqrt(1 - powers[1] ** count) / (1 - powers[0] ** count))
        at = at - alpha * mean / (np.sqrt(square) + epsilon)
        found.append(at)
    return np.stack(found)


def test_the_corrections_of_keras_adam_are_of_rounded_betas(clients: dict[str, Client]) -> None:
    options = {"lr": 0.1, "epsilon": 0.125, "epsilon_hat": True}
    powers = float(np.float32(0.9)), float(np.float32(0.999))
    expected = adam_in_part(0.9, 0.999, float, 0.125, powers)
    assert np.max(np.abs(trained(clients["tensorflow"], "adam", options) - expected)) < NEAR
    assert np.max(np.abs(expected - steps_of("adam", options))) > 1e-8


def test_mxnet_adam_is_given_float32_options(clients: dict[str, Client]) -> None:
    """The corrected learning rate is rounded as a whole; the betas of the corrections are not."""
    options = {"lr": 0.1, "epsilon": 0.125, "epsilon_hat": True}
    one, two = float(np.float32(0.9)), float(np.float32(0.999))
    expected = adam_in_part(one, two, lambda a: float(np.float32(a)), 0.125, (0.9, 0.999))
    assert np.max(np.abs(trained(clients["mxnet"], "adam", options) - expected)) < 1e-9
    assert np.max(np.abs(expected - steps_of("adam", options))) > 1e-9


def test_torch_nadam_rounds_its_product_of_momenta(clients: dict[str, Client]) -> None:
    beta1, beta2, epsilon, decay = 0.75, 0.95, 0.125, 0.004
    mean, square, product, at, expected = np.zeros(2), np.zeros(2), np.float32(1), AT, []
    for t, g in enumerate(DRAWN, 1):
        now, following = (beta1 * (1 - 0.5 * 0.96 ** (s * decay)) for s in (t, t + 1))
        product = np.float32(product * np.float32(now))
        mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
        below = np.sqrt(square / (1 - beta2**t)) + epsilon
        at = at - 0.1 * (1 - now) / (1 - float(product)) * g / below
        at = at - 0.1 * following / (1 - float(product) * following) * mean / below
        expected.append(at)
    options = {"lr": 0.1, "beta1": beta1, "beta2": beta2, "epsilon": epsilon}
    assert np.max(np.abs(trained(clients["torch"], "nadam", options) - np.stack(expected))) < NEAR
    assert np.max(np.abs(np.stack(expected) - steps_of("nadam", options))) > 1e-10


def test_mxnet_nag_decays_its_velocity_by_the_moved_weight(clients: dict[str, Client]) -> None:
    options = {"lr": 0.125, "momentum": 0.75, "nesterov": True, "weight_decay": 0.125}
    lr, momentum, decay = (options[name] for name in ("lr", "momentum", "weight_decay"))
    velocity, at, expected = np.zeros(2), AT, []
    for g in DRAWN:
        pulled = momentum * velocity
        at = at - pulled + (momentum + 1) * (pulled - lr * (g + decay * at))
        velocity = pulled - lr * (g + decay * at)
        expected.append(at)
    got = trained(clients["mxnet"], "sgd", options)
    assert np.max(np.abs(got - np.stack(expected))) < NEAR
    assert (
        np.max(np.abs(got[0] - steps_of("sgd", options)[0]))
        < NEAR
        < 1e-4
        < np.max(np.abs(got - steps_of("sgd", options)))
    )


def test_mxnet_nadam_has_one_product_for_all_parameters(clients: dict[str, Client]) -> None:
    """Alone a parameter is moved as it should be, beside another it isn't."""
    options = {"lr": 0.1, "beta1": 0.75, "epsilon": 0.125}
    right = steps_of("nadam", options)
    assert np.max(np.abs(trained(clients["mxnet"], "nadam", options) - right)) < NEAR
    beside = trained(clients["mxnet"], "nadam", options, ["w", "v"])
    assert np.max(np.abs(beside[0] - right[0])) < NEAR < 1e-3 < np.max(np.abs(beside[1] - right[1]))
