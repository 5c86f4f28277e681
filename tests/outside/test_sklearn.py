"""scikit-learn's multilayer perceptrons, whose backpropagation is written by hand in NumPy, held to the reference.

Loss and gradients of `_backprop` (sklearn/neural_network/_multilayer_perceptron.py), at float64, for every activation and loss
that it has. Its regressor's squared error with several outputs is no gradient of its loss: https://github.com/scikit-learn/scikit-learn/issues/8349
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from outside import misses
from sklearn.neural_network import MLPClassifier, MLPRegressor

ALPHA, SAMPLES, FEATURES = 0.3, 7, 4
ACTIVATIONS = {"identity": "{}", "logistic": "sigmoid({})", "tanh": "tanh({})", "relu": "relu({})"}
HIDDEN = ((5,), (6, 3))

Numbers = Mapping[tuple[str, str], np.ndarray]


def network(activation: str, hidden: tuple[int, ...], data_loss: str) -> str:
    """The program: layers, a loss of their output z, and the weights' squares, which scikit-learn divides by the samples."""
    lines, below = [], "x"
    for i in range(len(hidden)):
        lines.append(f"h{i} = {ACTIVATIONS[activation].format(f'({below} @ W{i} + b{i})')}")
        below = f"h{i}"
    squares = " + ".join(f"sum_squares(W{i})" for i in range(len(hidden) + 1))
    lines += [f"z = {below} @ W{len(hidden)} + b{len(hidden)}"]
    return "\n".join([*lines, f"loss = {data_loss} + {ALPHA / (2 * SAMPLES)!r} * ({squares})"])


def backprop(
    mlp: Any, x: np.ndarray, t: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """Its parameters, loss and gradients by our names, at the parameters that one pass of training left."""
    layers = len(mlp.coefs_)
    activations, deltas = [x, *[None] * layers], [None] * layers
    empty = [[np.empty_like(a) for a in arrays] for arrays in (mlp.coefs_, mlp.intercepts_)]
    loss, weights, biases = mlp._backprop(x, t, None, activations, deltas, *empty)
    named = lambda W, b: {f"W{i}": a for i, a in enumerate(W)} | {f"b{i}": a for i, a in enumerate(b)}
    return named(mlp.coefs_, mlp.intercepts_), np.asarray(loss), named(weights, biases)


def drawn(outputs: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(outputs)
    return random.normal(size=(SAMPLES, FEATURES)), random.uniform(0.5, 2, (SAMPLES, outputs))


def regressor(
    activation: str, hidden: tuple[int, ...], loss: str, x: np.ndarray, t: np.ndarray
) -> MLPRegressor:
    mlp = MLPRegressor(
        hidden_layer_sizes=hidden, activation=activation, loss=loss, alpha=ALPHA, random_state=0
    )
    return mlp.partial_fit(x, t[:, 0] if t.shape[1] == 1 else t)


def held(
    text: str, inputs: Mapping[str, np.ndarray], loss: np.ndarray | None, gradients: Mapping[str, np.ndarray]
) -> list[str]:
    values = {} if loss is None else {("value", "loss"): loss}
    due = values | {("gradient", name): g for name, g in gradients.items()}
    return misses(text, inputs, due, {"loss": np.ones(())})


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_s_loss_and_gradients(activation: str, hidden: tuple[int, ...], classes: int) -> None:
    """The logistic loss of two classes, the cross-entropy of more."""
    x, _ = drawn(1)
    labels = np.arange(SAMPLES) % classes
    mlp = MLPClassifier(hidden_layer_sizes=hidden, activation=activation, alpha=ALPHA, random_state=0)
    mlp.partial_fit(x, labels, classes=range(classes))
    targets = mlp._label_binarizer.transform(labels).astype(np.float64)
    parameters, loss, gradients = backprop(mlp, x, targets)
    two = classes == 2
    text = network(activation, hidden, "bce_with_logits(z, t)" if two else "cross_entropy(z, t)")
    assert held(text, {"x": x, "t": targets if two else labels, **parameters}, loss, gradients) == []


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_regressor_s_loss_and_gradients(activation: str, hidden: tuple[int, ...]) -> None:
    """Half the squared error of one output; and that of counts, whose output is exp(z), of two."""
    for outputs, kind, data_loss in (
        (1, "squared_error", f"sum_squares(z - t) / {2 * SAMPLES}"),
        (2, "poisson", f"sum(xlogy(t, t) - t * z - t + exp(z)) / {SAMPLES}"),
    ):
        x, t = drawn(outputs)
        parameters, loss, gradients = backprop(regressor(activation, hidden, kind, x, t), x, t)
        assert (
            held(network(activation, hidden, data_loss), {"x": x, "t": t, **parameters}, loss, gradients)
            == []
        )


@pytest.mark.parametrize("outputs", [2, 5])
def test_of_several_outputs_the_gradient_is_that_of_so_many_times_the_squared_error(outputs: int) -> None:
    """Their own finding, scikit-learn#8349: the loss is a mean over the outputs, its gradient that of their sum."""
    x, t = drawn(outputs)
    parameters, loss, gradients = backprop(regressor("tanh", (5,), "squared_error", x, t), x, t)
    given = {"x": x, "t": t, **parameters}
    mean, total = (
        network("tanh", (5,), f"{n} * sum_squares(z - t) / {2 * SAMPLES * outputs}") for n in (1, outputs)
    )
    assert held(mean, given, loss, {}) == []
    assert held(total, given, None, gradients) == []
    assert len(held(mean, given, loss, gradients)) >= len(gradients)
