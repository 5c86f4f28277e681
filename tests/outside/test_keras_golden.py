"""The numbers that Keras prints in the tests of its own optimizers, held to the reference's rows.

Keras 3, keras/src/optimizers/*_test.py (https://github.com/keras-team/keras, commit 51d7e77): `test_correctness_with_golden`,
`test_single_step` and `test_weight_decay`. There each is compared within 5e-4; here within half a unit of its last digit.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.optimizers import OPTIMIZERS

FIRST, LATER = np.full(10, 0.01), np.arange(1, 11) / 10
"""The gradients of the first step and of the four after it, towards ten parameters that are 1."""

KERAS_ADAM = {"lr": 0.001, "epsilon": 1e-7, "epsilon_hat": True}
KERAS_NADAM = {"warming": 0.5, "momentum_decay": 1.0}
GOLDEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "Adam(amsgrad=True)": ("adam", KERAS_ADAM | {"amsgrad": "uncorrected"}, "0.999 / 0.9982 / 0.9974 / 0.9965 / 0.9955"),
    "Adagrad(0.2, 0.3, 1e-6)": (
        "adagrad",
        {"lr": 0.2, "initial": 0.3, "epsilon": 1e-6, "epsilon_inside": True},
        """0.9963 0.9963 0.9963 0.9963 0.9963 0.9963 0.9963 0.9963 0.9963 0.9963
        / 0.9604 0.9278 0.9003 0.8784 0.8615 0.8487 0.8388 0.8313 0.8255 0.8209
        / 0.9251 0.8629 0.8137 0.7768 0.7497 0.7298 0.7151 0.704 0.6956 0.6891
        / 0.8903 0.8012 0.7342 0.6862 0.6521 0.6277 0.6099 0.5967 0.5867 0.579
        / 0.856 0.7422 0.6604 0.6037 0.5644 0.5367 0.5168 0.5021 0.491 0.4825""",
    ),
    "Adadelta(1.0, 0.8, 1e-6)": (
        "adadelta",
        {"lr": 1.0, "decay": 0.8, "epsilon": 1e-6},
        "0.9978 / 0.9947 / 0.9915 / 0.9882 / 0.9849",
    ),
    "Adamax(0.2, 0.85, 0.95, 1e-6)": (
        "adamax",
        {"lr": 0.2, "beta1": 0.85, "beta2": 0.95, "epsilon": 1e-6},
        """0.8 0.8 0.8 0.8 0.8 0.8 0.8 0.8 0.8 0.8
        / 0.6827 0.6873 0.6888 0.6896 0.6901 0.6904 0.6906 0.6908 0.6909 0.691
        / 0.5333 0.5407 0.5431 0.5444 0.5451 0.5456 0.546 0.5462 0.5464 0.5466
        / 0.368 0.3773 0.3804 0.382 0.3829 0.3835 0.384 0.3843 0.3846 0.3848
        / 0.1933 0.204 0.2076 0.2094 0.2105 0.2112 0.2117 0.2121 0.2124 0.2126""",
    ),
    "Nadam(0.5, 0.5, 0.67, 1e-5)": (
        "nadam",
        KERAS_NADAM | {"lr": 0.5, "beta1": 0.5, "beta2": 0.67, "epsilon": 1e-5},
        """0.4281 0.4281 0.4281 0.4281 0.4281 0.4281 0.4281 0.4281 0.4281 0.4281
        / -0.1738 -0.1731 -0.1726 -0.1723 -0.1721 -0.172 -0.1719 -0.1718 -0.1718 -0.1717
        / -0.7115 -0.7103 -0.7096 -0.7092 -0.709 -0.7088 -0.7086 -0.7085 -0.7085 -0.7084
        / -1.2335 -1.2322 -1.2313 -1.2309 -1.2306 -1.2304 -1.2302 -1.2301 -1.23 -1.2299
        / -1.7492 -1.7478 -1.7469 -1.7464 -1.7461 -1.7459 -1.7457 -1.7456 -1.7455 -1.7454""",
    ),
    "RMSprop(centered=True)": (
        "rmsprop",
        {"lr": 0.001, "epsilon": 1e-7, "epsilon_inside": True, "centered": True},
        "0.9967 / 0.9933 / 0.9908 / 0.9885 / 0.9864",
    ),
    "Lion()": ("lion", {"lr": 0.001}, "0.999 / 0.998 / 0.997 / 0.996 / 0.995"),
    "SGD(nesterov=True)": (
        "sgd",
        {"lr": 0.01, "nesterov": True},
        """0.9999 0.9999 0.9999 0.9999 0.9999 0.9999 0.9999 0.9999 0.9999 0.9999
        / 0.9989 0.9979 0.9969 0.9959 0.9949 0.9939 0.9929 0.9919 0.9909 0.9899
        / 0.9979 0.9959 0.9939 0.9919 0.9899 0.9879 0.9859 0.9839 0.9819 0.9799
        / 0.9969 0.9939 0.9909 0.9879 0.9849 0.9819 0.9789 0.9759 0.9729 0.9699
        / 0.9959 0.9919 0.9879 0.9839 0.9799 0.9759 0.9719 0.9679 0.9639 0.9599""",
    ),
    "AdamW(1.0, weight_decay=0.5, epsilon=2)": (
        "adamw",
        {"lr": 1.0, "weight_decay": 0.5, "epsilon": 2.0, "epsilon_hat": True},
        """0.4998 0.4998 0.4998 0.4998 0.4998 0.4998 0.4998 0.4998 0.4998 0.4998
        / 0.2486 0.2475 0.2463 0.2451 0.244 0.2428 0.2417 0.2405 0.2394 0.2382
        / 0.1223 0.1198 0.1174 0.1149 0.1124 0.11 0.1075 0.1051 0.1027 0.1003
        / 0.0586 0.0549 0.0512 0.0475 0.0439 0.0402 0.0366 0.033 0.0294 0.0258
        / 0.0263 0.0215 0.0167 0.012 0.0073 0.0026 -0.0021 -0.0067 -0.0113 -0.0159""",
    ),
}  # fmt: skip
"""By Keras' call: our row with its options, and the parameters after each of five steps as they are printed."""

SINGLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "Adam(0.5)": ("adam", KERAS_ADAM | {"lr": 0.5}, "0.5 1.5 2.5 3.5"),
    "AdamW(0.5)": ("adamw", KERAS_ADAM | {"lr": 0.5, "weight_decay": 0.004}, "0.4980 1.4960 2.494 3.492"),
    "Adagrad(0.5)": (
        "adagrad",
        {"lr": 0.5, "initial": 0.1, "epsilon": 1e-7, "epsilon_inside": True},
        "0.5233 1.5007 2.5005 3.5061",
    ),
    "Adadelta(0.5)": ("adadelta", {"lr": 0.5, "decay": 0.95, "epsilon": 1e-7}, "0.9993 1.9993 2.9993 3.9993"),
    "Adamax(0.5)": ("adamax", {"lr": 0.5, "epsilon": 1e-7}, "0.5 1.5 2.5 3.5"),
    "Nadam(0.5)": ("nadam", KERAS_NADAM | {"lr": 0.5, "epsilon": 1e-7}, "0.4686 1.4686 2.4686 3.4686"),
    "RMSprop(0.5)": (
        "rmsprop",
        {"lr": 0.5, "epsilon": 1e-7, "epsilon_inside": True},
        "-0.5811 0.4189 1.4189 2.4189",
    ),
    "Lion(0.5)": ("lion", {"lr": 0.5}, "0.5 1.5 2.5 3.5"),
    "SGD(0.5)": ("sgd", {"lr": 0.5}, "0.5 -1.0 -0.5 3.0"),
}
"""Likewise of the one step from 1, 2, 3, 4 by the gradients 1, 6, 7, 2."""


def off(found: np.ndarray, printed: str) -> list[str]:
    """The printed numbers that what was found does not round to.

    One number alone is repeated ten times there, and is the last parameter's: those of smaller gradients are then off in the
    last decimal with Adam, 0.9973 for 0.9974.
    """
    texts = printed.split()
    pairs = zip(map(float, found[-1:] if len(texts) == 1 else found), texts, strict=True)
    return [
        f"{value!r} for {text}"
        for value, text in pairs
        if abs(Decimal(value) - Decimal(text)) > half_unit(text)
    ]


def half_unit(text: str) -> Decimal:
    """Of the fourth decimal, which is the last of all of them; a zero at the end was left out, and float32 errs too."""
    return Decimal("0.00005") + Decimal(2) ** -23


def trained(
    row: str, options: dict[str, Any], gradients: Sequence[np.ndarray], start: np.ndarray
) -> list[np.ndarray]:
    """The parameters after each step."""
    optimizer = OPTIMIZERS[row]
    parameters = [start]
    for count in range(1, len(gradients) + 1):
        parameters.append(optimizer.moved(EXACT, parameters, gradients[:count], **options))
    return parameters[1:]


@pytest.mark.parametrize("call", GOLDEN)
def test_five_steps_are_those_that_keras_prints(call: str) -> None:
    row, options, printed = GOLDEN[call]
    found = trained(row, options, [FIRST, *[LATER] * 4], np.ones(10))
    steps = printed.split("/")
    assert len(steps) == len(found) == 5
    assert [off(*pair) for pair in zip(found, steps, strict=True)] == [[]] * 5


@pytest.mark.parametrize("call", SINGLE)
def test_one_step_is_the_one_that_keras_prints(call: str) -> None:
    row, options, printed = SINGLE[call]
    (found,) = trained(row, options, [np.array([1.0, 6.0, 7.0, 2.0])], np.array([1.0, 2.0, 3.0, 4.0]))
    assert off(found, printed) == []


@pytest.mark.parametrize("row", sorted(row for row, made in OPTIMIZERS.items() if made.decay != "coupled"))
def test_a_weight_alone_decays_as_keras_prints(row: str) -> None:
    """Thrice, without a gradient, beside the step: 2 becomes 1.9760959."""
    options = {"lr": 1.0, "weight_decay": 0.004}
    if OPTIMIZERS[row].decay == "either":
        options["decoupled"] = True
    found = trained(row, options, [np.zeros(())] * 3, np.asarray(2.0))
    assert abs(found[-1] - 1.9760959) < 1e-7


def test_another_formula_is_told() -> None:
    """Epsilon outside of the root, another start, and nadam's momentum by the paper's 0.004 as exponent."""
    for call, change in (
        ("RMSprop(centered=True)", {"centered": False}),
        ("Adagrad(0.2, 0.3, 1e-6)", {"initial": 0.302}),
        ("Nadam(0.5, 0.5, 0.67, 1e-5)", {"momentum_decay": 0.004}),
        ("AdamW(1.0, weight_decay=0.5, epsilon=2)", {"epsilon_hat": False}),
    ):
        row, options, printed = GOLDEN[call]
        found = trained(row, options | change, [FIRST, *[LATER] * 4], np.ones(10))
        assert any(off(*pair) for pair in zip(found, printed.split("/"), strict=True)), call
