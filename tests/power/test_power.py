"""`harness power`: correct code is never called wrong, every fault is caught, and the rules of others are theirs."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.frameworks.interpreters import Interpreter, find
from gradient_conformance.harness.power.faults import load_faults
from gradient_conformance.harness.power.figures import Power, fault_rows, power_markdown, power_text
from gradient_conformance.harness.power.measuring import _Measured, measure_all, movement
from gradient_conformance.harness.power.networks import network
from gradient_conformance.harness.power.rules import RULES, SCHEMES, rule_rejects
from gradient_conformance.harness.power.specimens import Specimen, large_logits, specimens

ROOT = Path(__file__).parent.parent.parent
FAULTS = ROOT / "tests" / "faults"
SIXTY = sorted(load_faults(FAULTS).FAULTS)
SMALL = 660
"""The first of twenty networks in a row that are small."""


@pytest.fixture(scope="module")
def measured():
    implementation = load_faults(FAULTS)
    what = specimens(20, SMALL, ROOT / "cases", implementation.FORWARD)
    return Power(measure_all(what, FAULTS), implementation.FAULTS)


def test_the_sixty_faults_are_there_each_with_a_line_that_says_what_is_wrong():
    faults = load_faults(FAULTS).FAULTS
    assert len(faults) == 60
    assert all(fault.says and "\n" not in fault.says for fault in faults.values())
    float64_only = {name for name, fault in faults.items() if fault.dtypes == ("float64",)}
    assert float64_only == {"sub_f32", "exp_f32", "layer_x1+1e-9", "layer_x1+1e-12"}


def test_the_correct_implementation_is_never_called_wrong(measured):
    assert {c.dtype for c in measured.cells if c.kind == "random"} == {"float32", "float64"}
    assert len([c for c in measured.cells if c.kind == "random"]) == 40
    assert not [c.unusable for c in measured.cells if c.unusable]
    wrong = {f"{c.name}-{c.dtype}": (c.used, c.used_at) for c in measured.cells if c.correct_rejected["ours"]}
    assert not wrong


@pytest.mark.parametrize("name", SIXTY)
def test_a_fault_is_caught_by_some_cell(measured, name):
    assert power_share(measured, name) > 0


def power_share(measured, name):
    return sum(c.caught[name]["ours"] for c in measured.cells if name in c.caught)


def test_the_summary_has_the_figures_by_name(measured):
    summary = measured.summary()
    assert summary["faults_caught"] == "60 of 60"
    assert summary["faults_never_caught"] == []
    assert 0.85 < summary["mean_share_float32"] < summary["mean_share_float64"] <= 1
    assert set(summary["range_faults_on_large_logits"]) == {"softmax_noshift", "clip_p1e-7"}
    assert all(
        of_dtype > 0 for fault in summary["range_faults_on_large_logits"].values() for of_dtype in fault.values()
    )  # fmt: skip
    for name in ("deep_wide_share_float32", "layer_x1.00001_float32", "layer_x1+1e-12_float64"):
        assert name in summary
    assert set(summary["correct_called_wrong"]["float32"]) == set(SCHEMES)
    assert summary["correct_called_wrong"]["float32"]["np.allclose"] > 0
    assert 0 < summary["largest_used"] < 1
    json.dumps(measured.as_json())


def test_every_form_names_every_fault_and_rule(measured):
    for page in (power_text(measured), power_markdown(measured, "harness power --format markdown")):
        assert all(name in page for name in [*SIXTY, *SCHEMES])


def test_a_share_counts_only_cells_in_which_the_fault_applies(measured):
    applicable = {row[0]: int(row[2]) for row in fault_rows(measured) if row[1] == "float32"}
    cells = len(measured.of("float32"))
    assert applicable["grad_double"] == cells
    assert 0 < applicable["l2_no_half"] < applicable["leaky_x10"] < cells


# The implementation and the faults


def problem(network, dtype="float32"):
    given = Specimen("random", "case", network.text)
    measured = _Measured(given.case().variants[0], given, load_faults(FAULTS))
    return measured.problem(dtype)


@pytest.mark.parametrize("seed", range(SMALL, SMALL + 6))
@pytest.mark.parametrize("dtype", ["float32", "longdouble"])
def test_the_implementation_computes_every_number_in_the_dtype_that_is_asked_for(seed, dtype):
    numpy_implementation = load_faults(FAULTS)
    n = numpy_implementation.Implementation(problem(network(seed)), dtype)
    env = n.forward()
    for a in [*env.values(), *n.backward(env).values()]:
        assert np.asarray(a).dtype in (np.dtype(dtype), np.dtype("int64"))


def test_longdouble_has_more_digits_than_float64_here():
    assert np.finfo(np.longdouble).eps < 1e-18


def test_where_nothing_overflows_softmax_without_shift_does_not_apply(tmp_path):
    small = next(n for s in range(99) if "cross_entropy" in (n := network(s)).program["loss"])
    numpy_implementation = load_faults(FAULTS)
    fault = numpy_implementation.FAULTS["softmax_noshift"]
    ordinary, large = problem(small), problem(large_logits(small))
    moved = [
        movement(numpy_implementation.evaluate(p, "float64"), numpy_implementation.evaluate(p, "float64", fault))
        for p in (ordinary, large)
    ]  # fmt: skip
    assert moved[0] < 1e-13
    assert moved[1] == np.inf


def test_a_folder_without_the_implementation_is_refused(tmp_path):
    with pytest.raises(HarnessError, match=r"no numpy_implementation\.py here; --faults names"):
        load_faults(tmp_path)


# The rules of others


def around(dtype, rtol, atol, seed):
    """VariantReference arrays, and arrays within and beyond a rule's bound, some with NaN or infinities."""
    random = np.random.default_rng(seed)
    want = (random.normal(size=30) * 10.0 ** random.integers(-9, 3, 30)).astype(dtype)
    factor = random.choice([0.5, 0.99, 1.01, 2.0])
    got = (want + factor * (atol + rtol * np.abs(want)) * random.choice([-1, 1], 30)).astype(dtype)
    special = random.integers(8)
    if special < 3:
        got[4] = (np.nan, np.inf, -np.inf)[special]
    return got, want


def rejected(check, *args, **kw):
    try:
        return check(*args, **kw) is False
    except AssertionError:
        return True


THEIRS = {
    "np.allclose": lambda got, want: rejected(np.allclose, got, want),
    "7 decimals": lambda got, want: rejected(np.testing.assert_almost_equal, got, want, decimal=7),
    "1e-3": lambda got, want: rejected(np.allclose, got, want, rtol=0, atol=1e-3),
}


@pytest.mark.parametrize("rule", THEIRS)
def test_numpys_rules_are_numpys(rule):
    answers = set()
    for seed in range(200):
        got, want = around("float64", *RULES[rule]["float64"], seed)
        assert rule_rejects(rule, got, want, "float64") == THEIRS[rule](got, want), (seed, got, want)
        answers.add(THEIRS[rule](got, want))
    assert answers == {True, False}


ASSERT_CLOSE = """
import sys, numpy, torch
def rejected(got, want):
    try:
        torch.testing.assert_close(torch.from_numpy(got), torch.from_numpy(want))
    except AssertionError:
        return True
    return False
arrays = numpy.load(sys.argv[1])
print([rejected(arrays[f"got{i}"], arrays[f"want{i}"]) for i in range(int(sys.argv[2]))])
"""


@pytest.mark.framework
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_assert_close_is_torchs(dtype, tmp_path):
    torch = find(
        "torch", option=None, ini={}, requirements=ROOT / "adapters" / "torch" / "requirements.txt",
        environ=os.environ, toxworkdir=Path(os.environ.get("TOX_WORK_DIR", ROOT / ".tox")),
    )  # fmt: skip
    if not isinstance(torch, Interpreter):
        pytest.skip(str(torch))
    pairs = [around(dtype, *RULES["assert_close"][dtype], seed) for seed in range(60)]
    arrays = {f"got{i}": got for i, (got, _) in enumerate(pairs)}
    np.savez(tmp_path / "pairs.npz", **arrays, **{f"want{i}": want for i, (_, want) in enumerate(pairs)})
    command = [*torch.argv, "-c", ASSERT_CLOSE, str(tmp_path / "pairs.npz"), str(len(pairs))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ours = [bool(rule_rejects("assert_close", got, want, dtype)) for got, want in pairs]
    assert set(ours) == {True, False}
    assert str(ours) == said.strip()


# The command


def test_the_command_prints_json_with_a_summary(capsys):
    assert main(["power", "--networks", "0", "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r"\d+ of 60", json.loads(printed.out)["summary"]["faults_caught"])
    assert "notebooks/two_branches\n" in printed.err
