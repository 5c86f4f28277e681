"""Torch's own samples (OpInfo), its values and its gradients at float64, held to the reference.

The samples are those with which torch tests itself: nobody here chose their shapes and arguments. Both sides compute in
float64, so a number may be off by what correct rounding in float64 may do in that call.
"""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import opinfo
import pytest
from client import interpreter
from gradient_conformance.harness.own.onnx.node import NotOurs
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.ops import OPS
from opinfo import Sample
from opinfo_rows import ROWS, WITHOUT
from outside import misses

pytestmark = pytest.mark.framework

SCRIPT = Path(__file__).with_name("opinfo_samples.py")
TRUST = Path(__file__).resolve().parents[2] / "docs" / "trust.md"


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Sample]]:
    """Of each OpInfo its samples, as torch's interpreter wrote them."""
    folder = tmp_path_factory.mktemp("opinfo")
    names = sorted({name for infos in ROWS.values() for name in infos})
    run = subprocess.run(
        [*interpreter("torch"), SCRIPT, folder],
        input=json.dumps(names),
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads((folder / "samples.json").read_text())
    with np.load(folder / "arrays.npz") as stored:
        arrays = [stored[f"arr_{i}"] for i in range(len(stored.files))]
    return {name: [opinfo.read(sample, arrays) for sample in of] for name, of in told["samples"].items()}


def wrong(text: str, sample: Sample) -> list[str]:
    """What of torch's values, and of its gradients where it has some, is not ours."""
    program = parse(text)
    arrays = {t.name: t.array for t in opinfo.leaves([sample.args, sample.kwargs])}
    inputs = {
        name: arrays[name].astype(np.int64 if name in sample.labels else arrays[name].dtype)
        for name in program.inputs
    }
    outs = {name for node in program.nodes for name in node.outs}
    found = {("value", f"y{i}"): out for i, out in enumerate(sample.outputs)}
    cotangents = {f"y{i}": g for i, g in enumerate(sample.cotangents) if g is not None}
    assert {name for _, name in found} <= outs
    if cotangents:
        differentiated = sample.gradients.keys() & inputs.keys() - sample.labels
        found |= {("gradient", name): sample.gradients[name] for name in sorted(differentiated)}
    return misses(program, inputs, found, cotangents)


def hard_sigmoid(sample: Sample) -> None:
    """Its slope is a float32's 1/6 (the torch adapter's ledger): that in its place is right."""
    x, slope = sample.x.array, np.float64(np.float32(1 / 6))
    theirs = sample.gradients["t0"]
    np.testing.assert_array_equal(theirs, np.where(np.abs(x) < 3, sample.cotangents[0] * slope, 0))
    sample.gradients["t0"] = np.where(np.abs(x) < 3, sample.cotangents[0] / 6, 0)


INSTEAD: dict[str, Callable[[Sample], None]] = {"hard_sigmoid": hard_sigmoid}
"""What torch computes instead, where it is off: shown, and then what it would be without."""


@pytest.mark.parametrize("row", sorted(ROWS))
def test_the_reference_has_torch_s_values_and_gradients(
    row: str, samples: Mapping[str, list[Sample]]
) -> None:
    held, others, told = 0, Counter(), []
    for name, say in ROWS[row].items():
        for untouched in samples[name]:
            sample = untouched.copy()
            try:
                text = say(sample)
            except NotOurs as reason:
                others[str(reason)] += 1
                continue
            INSTEAD.get(row, lambda _: None)(sample)
            told += [f"{text}: {miss}" for miss in wrong(text, sample)]
            held += 1
    print(f"{row}: {held} samples; {dict(others)}")
    assert held, others
    assert not told


def test_every_row_has_an_opinfo_or_a_reason() -> None:
    assert ROWS.keys() | WITHOUT.keys() == OPS.keys(), "tests/helpers/opinfo_rows.py has a line for each row"
    assert not ROWS.keys() & WITHOUT.keys()


def test_the_documented_counts_are_those_of_these_samples(samples: Mapping[str, list[Sample]]) -> None:
    """Counted as they are held; nothing is computed."""
    held = sum(
        is_said(say, sample) for row in ROWS.values() for name, say in row.items() for sample in samples[name]
    )
    sentence = f"{held} samples with which torch tests its functions, of {len(ROWS)} rows"
    print(sentence)
    assert sentence in " ".join(TRUST.read_text(encoding="utf-8").split())


def is_said(say: Callable[[Sample], str], sample: Sample) -> bool:
    try:
        return bool(say(sample.copy()))
    except NotOurs:
        return False


def test_a_gradient_that_is_off_by_a_billionth_is_told(samples: Mapping[str, list[Sample]]) -> None:
    """And a value; but not by a unit of float64."""
    say = ROWS["matmul"]["mm"]
    sample = samples["mm"][0]
    assert wrong(say(sample), sample) == []
    of_t0, value = sample.gradients["t0"], sample.outputs[0]
    for factor, seen in ((1 + 1e-9, True), (1 + 2.0**-52, False)):
        assert (
            bool(wrong(say(sample), replace(sample, gradients=sample.gradients | {"t0": of_t0 * factor})))
            is seen
        )
        assert bool(wrong(say(sample), replace(sample, outputs=[value * factor]))) is seen
