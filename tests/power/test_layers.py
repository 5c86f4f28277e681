"""Faults of layers and of optimizers: each is caught by a shipped case, and the right rows are by none."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.cli import reference as command
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.power import layers
from gradient_conformance.harness.power.layer_figures import LayerPower, layers_markdown, layers_text
from gradient_conformance.harness.power.layers import LAYERS, layer, layer_cases, load_layers, measure_layers
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[2]
CASES, FAULTS = ROOT / "cases", ROOT / "tests" / "faults"
CATALOGUE = load_layers(FAULTS)
FEW = ("ops/attention_groups", "ops/normalization_batch", "optimizers/sgd_dampened", "optimizers/amsgrad")


@pytest.fixture(scope="module")
def measured() -> LayerPower:
    return LayerPower([cell for name in FEW for cell in measure_layers(name, CASES, FAULTS)], CATALOGUE)


def test_there_are_forty_faults_at_least_each_of_a_row_and_with_a_line_that_says_what_is_wrong() -> None:
    assert len(CATALOGUE) >= 40
    assert all(fault.says and "\n" not in fault.says for fault in CATALOGUE.values())
    assert {of for fault in CATALOGUE.values() for of in fault.of} <= {*OPS, *OPTIMIZERS}


def test_faults_that_apply_are_caught_and_the_right_rows_are_not_called_wrong(measured: LayerPower) -> None:
    summary = measured.summary()
    assert summary["correct_called_wrong"] == {"float32": 0, "float64": 0}
    assert summary["cells_unusable"] == []
    for name in (
        "attention_groups_tiled",
        "batch_norm_running_gradient",
        "sgd_first_dampened",
        "amsgrad_forgotten",
    ):
        assert measured.catching(name), name
    assert "lstm_gate_order" in summary["faults_never_caught"]  # no LSTM is among these


def test_a_fault_stays_out_of_the_tables(measured: LayerPower) -> None:
    assert not [name for name in OPS if "faulty" in name]
    assert not [of for fault in CATALOGUE.values() for of, row in fault.rows.items() if OPS[of] is row]


def test_a_right_formula_in_a_row_s_place_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "LAYERS", {})
    layer("right", "batch_norm")(right)
    cells = measure_layers("ops/normalization_batch", CASES, FAULTS)
    assert cells
    assert all(cell.caught == {} for cell in cells)


def right(f: Any, x: Any, w: Any = None, b: Any = None, **kw: Any) -> Any:
    """As it should be."""
    return f.right(x, w, b, **kw)


def test_a_fault_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="registered twice"):
        layer(next(iter(LAYERS)), "relu")(lambda f, x: f.right(x))


def test_a_folder_without_faults_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "LAYERS", {})
    with pytest.raises(HarnessError, match="--faults names"):
        load_layers(tmp_path)


@pytest.mark.parametrize("name", sorted(name for name, fault in CATALOGUE.items() if fault.optimizers))
def test_a_wrong_optimizer_differs_from_the_right_one(name: str) -> None:
    """With options of which each has a part in the step."""
    random = np.random.default_rng(0)
    history, gradients = ([random.normal(size=30) for _ in range(6)] for _ in range(2))
    for of, wrong in CATALOGUE[name].optimizers.items():
        options = _options(of)
        due, got = (row.moved(EXACT, history, gradients, **options) for row in (OPTIMIZERS[of], wrong))
        assert np.max(np.abs(due - got)) > 0, of


def _options(of: str) -> Mapping[str, Any]:
    told = {"lr": (0.1, 0.2, 0.3, 0.2, 0.1, 0.3), "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "initial": 0.2,
            "centered": True, "epsilon": 0.01, "amsgrad": "corrected"}  # fmt: skip
    return {name: value for name, value in told.items() if name in OPTIMIZERS[of].options}


def test_every_form_names_every_fault(measured: LayerPower) -> None:
    for page in (
        layers_text(measured),
        layers_markdown(measured, "harness power --of layers"),
        json.dumps(measured.as_json()),
    ):
        assert all(name in page for name in CATALOGUE)


def test_the_command_prints_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "layer_cases", lambda root: FEW[:1])
    assert main(["power", "--of", "layers", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["faults"]["attention_groups_tiled"]["caught_by"].startswith(
        "ops/attention_groups, float32: "
    )


def test_cases_at_kinks_are_left_out() -> None:
    names = layer_cases(CASES)
    assert "ops/losses_boundary" not in names
    assert {"ops/softmax", "optimizers/adam"} <= set(names)
