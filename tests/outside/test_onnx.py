"""ONNX's own node cases, as its wheel ships them, through the reference.

What they expect was computed by ONNX's formulas in NumPy, with which this project has nothing in common. They are held to
what correct rounding in their dtype may do (K sigma of that very call), where ONNX itself allows a backend 1e-3 of a number.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx_cases
import pytest
from gradient_conformance.harness.own.onnx.ops import OPS, WITHOUT
from gradient_conformance.reference.backprop import forward
from gradient_conformance.reference.contexts import Exact
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.optimizers import OPTIMIZERS
from gradient_conformance.reference.rounding import Reference, expected
from onnx_cases import Said
from outside import beyond, misses

TRUST = Path(__file__).resolve().parents[2] / "docs" / "trust.md"

PRINTED = "test_averagepool_2d_ceil_last_window_starts_on_pad"
"""Its inputs and what it expects were typed in with 4 decimals: 0.2841 for (0.8816 + 0.4353 + 0.5772 + 0.6623) / 9 = 0.28404..."""

OPERATORS = sorted(
    {model.graph.node[0].op_type for model, _ in onnx_cases.models().values() if len(model.graph.node) == 1}
)


@pytest.fixture(scope="module")
def cases() -> dict[str, Said | str]:
    return dict(onnx_cases.every())


@pytest.fixture(scope="module")
def by_operator(cases: dict[str, Said | str]) -> dict[str, list[str]]:
    """The cases of which each operator is the only node."""
    found = defaultdict(list)
    for name, (model, _) in onnx_cases.models().items():
        if len(model.graph.node) == 1:
            found[model.graph.node[0].op_type].append(name)
    return found


@pytest.mark.parametrize("operator", sorted(OPS))
def test_the_reference_computes_what_onnx_expects(
    operator: str, cases: dict[str, Said | str], by_operator: dict[str, list[str]]
) -> None:
    said = {name: case for name in by_operator[operator] if isinstance(case := cases[name], Said)}
    assert said, "an operator none of whose cases is said has its reason in WITHOUT"
    wrong = {}
    for name, case in said.items():
        found = misses(case.text, case.inputs, case.expected, case.cotangents)
        if bool(found) != (name == PRINTED):
            wrong[name] = found
    assert not wrong


def test_the_one_case_that_was_typed_in_is_right_to_its_decimals(cases: dict[str, Said | str]) -> None:
    """Half a unit of the expected number, and that of the four inputs that it is a ninth of."""
    case = cases[PRINTED]
    assert isinstance(case, Said)
    value = forward(parse(case.text), {name: a.astype(np.float64) for name, a in case.inputs.items()})["y0"]
    np.testing.assert_allclose(case.expected["value", "y0"], value, rtol=0, atol=0.5e-4 * (1 + 4 / 9))


def test_every_case_is_said_or_has_its_reason(
    cases: dict[str, Said | str], by_operator: dict[str, list[str]]
) -> None:
    """No operator is forgotten, and no line of either table is about nothing."""
    assert OPS.keys() & WITHOUT.keys() == set()
    assert {*OPS, *WITHOUT, *onnx_cases.OPTIMIZERS} == set(OPERATORS)
    assert all(isinstance(case, Said) or case for case in cases.values())
    reasons = Counter(case for case in cases.values() if isinstance(case, str))
    for reason, count in reasons.most_common():
        print(f"{count:5} {reason}")


def test_what_is_written_out_again_has_the_same_numbers(cases: dict[str, Said | str]) -> None:
    models = onnx_cases.models()
    again = [name for name, (model, _) in models.items() if len(model.graph.node) > 1]
    assert again
    for name in again:
        first = models[re.sub(r"_expanded(_ver\d+)?$", "", name)][1]
        assert data(models[name][1]) == data(first), name


def data(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("test_data_set_*/*.pb")}


def test_the_documented_counts_are_those_of_these_cases(cases: dict[str, Said | str]) -> None:
    said = sum(isinstance(case, Said) for case in cases.values())
    again = sum(len(model.graph.node) > 1 for model, _ in onnx_cases.models().values())
    sentence = f"{len(cases)} node cases: {said} are programs of ours, {again} are the same numbers again"
    print(sentence)
    assert sentence in " ".join(TRUST.read_text(encoding="utf-8").split())


# The comparison can fail


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("test_averagepool_2d_ceil", "ceil_mode=True", "ceil_mode=False"),
        ("test_averagepool_2d_strides", "x0", "x0 * 1.000002"),
        ("test_gelu_default_2", '"none"', '"tanh"'),
        ("test_convtranspose_pads", "((1, 1), (2, 2))", "((1, 1), (1, 3))"),
        ("test_gru_seq_length", "linear_before_reset=False", "linear_before_reset=True"),
        ("test_layer_normalization_4d_axis1", "epsilon=1e-05", "epsilon=2e-05"),
        ("test_col2im_pads", "x0", "x0"),
    ],
)
def test_another_formula_is_told(name: str, before: str, after: str, cases: dict[str, Said | str]) -> None:
    """Of the last case the text stays and a number of the windows is another."""
    case = cases[name]
    assert isinstance(case, Said)
    text = case.text.replace("'", '"').replace(before, after)
    cotangents = {key: a * (1 + 1e-6) for key, a in case.cotangents.items()}
    assert misses(case.text, case.inputs, case.expected, case.cotangents) == []
    assert text != case.text.replace("'", '"') or cotangents
    assert misses(text, case.inputs, case.expected, cotangents)


def test_nothing_to_compare_is_refused(cases: dict[str, Said | str]) -> None:
    case = cases["test_relu"]
    assert isinstance(case, Said)
    with pytest.raises(AssertionError, match="nothing was compared"):
        misses(case.text, case.inputs, {})


# Steps of a training


def steps(name: str) -> list[tuple[dict[str, Any], list[np.ndarray], list[np.ndarray]]]:
    """Of each parameter of a case the options, what it is given (it, its gradient, its state), and it and its state after."""
    model, folder = onnx_cases.models()[name]
    node = onnx_cases.node_of(model, folder)
    rate, _, *given = node.inputs
    count = len(given) - len(node.outputs)  # a gradient for each parameter, which does not come out again
    return [
        ({"lr": float(rate), **node.attributes}, given[i::count], node.outputs[i::count])
        for i in range(count)
    ]


def row_of(operator: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """ONNX's attributes as the options of our row. Its count is 0: no correction yet, no rate that decays."""
    ours = {"lr": options["lr"], "weight_decay": options["norm_coefficient"]}
    if operator == "Adagrad":
        return "adagrad", ours | {"epsilon": options["epsilon"]}
    if operator == "Momentum":
        return "sgd", ours | {"momentum": options["alpha"], "nesterov": options["mode"] == "nesterov"}
    betas = {"beta1": options["alpha"], "beta2": options["beta"], "epsilon": options["epsilon"]}
    return "adam", ours | betas | {"bias_correction": False}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, (model, _) in onnx_cases.models().items()
        if model.graph.node[0].op_type in onnx_cases.OPTIMIZERS
    ],
)
def test_a_step_of_a_training_is_onnx_s(name: str) -> None:
    """From a state that is not that of a beginning."""
    operator = onnx_cases.models()[name][0].graph.node[0].op_type
    for options, given, due in steps(name):
        found = stepped(*row_of(operator, options), given)
        assert found.keys() == set(range(len(due)))
        for number, theirs in enumerate(due):
            assert beyond(name, theirs, found[number]) == []
            assert beyond(name, theirs * np.float32(1 + 1e-5), found[number])


def stepped(row: str, options: dict[str, Any], given: list[np.ndarray]) -> Mapping[int, Reference]:
    """The parameter and its state after a step that is not the first."""
    parameter, gradient, *state = (a.astype(np.float64) for a in given)
    whole = (*state, *OPTIMIZERS[row].started(parameter)[len(state) :])

    def compute(c: Exact) -> dict[int, np.ndarray]:
        after, moved = OPTIMIZERS[row].took(c, parameter, gradient, whole, 2, options)
        return dict(enumerate((after, *moved[: len(state)])))

    return expected(compute, parameter.size, 0)
