"""A run is judged again from what it kept, and never by a guess."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.case.library import CaseChanged, CaseGone
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.judging.comparing import compare
from gradient_conformance.harness.judging.judge import worse
from gradient_conformance.harness.judging.rejudge import (
    NeedsArrays,
    NeedsLedger,
    Sources,
    rejudge,
)
from gradient_conformance.harness.references.row import References
from gradient_conformance.harness.run import arrays
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.rounding import RULES_VERSION, K, Reference
from matrix import ENTRY, LAYER, Matrix, change_header


@pytest.fixture
def ran(matrix_once, tmp_path):
    """Gives the run file of some fakes in a folder of the test's own."""

    def run(*frameworks, more=("--keep-arrays=reports/arrays",)):
        shutil.copytree(matrix_once(*frameworks, text=LAYER, more=tuple(more)).path, run.path)
        file = run.path / "reports" / "run.jsonl"
        change_header(file, roots=[str(run.path / "cases")])
        return file

    run.path = tmp_path / "own"
    run.case = run.path / "cases" / "tiny" / "layer.toml"
    return run


def verdicts(file):
    return {cell.cell.rpartition("::")[2]: str(cell.verdict) for cell in read_run(file).cells}


def test_kept_arrays_are_those_that_were_answered(ran):
    run = read_run(ran("faultless"))
    assert len(list((ran.path / "reports" / "arrays").glob("*.npz"))) == len(run.cells) == 2
    for cell in run.cells:
        assert cell.arrays.startswith("arrays/")
        kept = arrays.load(ran.path / "reports" / cell.arrays, cell.kept)
        assert {role for role, _, _ in kept} == {"value", "gradient"}
        assert all(a.dtype == cell.dtype for a in kept.values())


def test_without_the_option_nothing_is_kept_but_the_digest_of_the_case(ran):
    cells = read_run(ran("faultless", more=[])).cells
    assert [cell.arrays for cell in cells] == [None, None]
    assert len({cell.content for cell in cells}) == 1
    assert len(cells[0].content) == 16


def test_under_xdist_arrays_are_kept_too(ran):
    run = read_run(ran("faultless", more=["--keep-arrays=reports/arrays", "-n2"]))
    assert all((ran.path / "reports" / cell.arrays).is_file() for cell in run.cells)


def test_cells_without_an_answer_keep_nothing(ran):
    cells = read_run(ran("unimportable")).cells
    assert [(cell.verdict, cell.arrays) for cell in cells] == [(Verdict.CRASHED, None)] * 2


def test_ids_alike_but_for_what_a_name_cannot_hold_get_different_files():
    ids = ["a::k:1-float32", "a::k_1-float32", "a/:k:1-float32", "x" * 300, "x" * 299 + "y"]
    names = [arrays.file_name(cell, content) for cell in ids for content in ("1f", "2e")]
    assert len(set(names)) == 2 * len(ids)
    assert all(len(name) < 200 and "/" not in name and ":" not in name for name in names)


def test_arrays_survive_being_kept_whatever_their_shape_and_name(tmp_path):
    given = {
        ("value", "loss", None): np.array(1.5, np.float32),
        ("gradient", "w/1.2", 3): np.zeros((0, 3)),
        ("value", "file", 0): np.array([np.nan, -0.0]),
    }
    found = arrays.load(*arrays.keep(tmp_path, "a::b", given))
    assert found.keys() == given.keys()
    for key, array in given.items():
        np.testing.assert_array_equal(found[key], array)
        assert found[key].dtype == array.dtype
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense"])
def test_arrays_that_cannot_be_read_are_an_error_that_names_them(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(arrays.ArraysUnreadable, match=r"a\.npz: can't read kept arrays"):
        arrays.load(tmp_path / "a.npz", None)


def test_another_k_needs_the_run_file_alone(ran, capsys):
    file = ran("faultless", "negates", more=[])
    ran.case.unlink()
    assert main(["rejudge", str(file), "--K", "6"]) == 1  # negates fails now as it did
    new = read_run(ran.path / "reports" / "run-rejudged.jsonl")
    assert new.header.K == 6
    for before, after in zip(read_run(file).cells, new.cells, strict=True):
        assert after.verdict is before.verdict
        assert after.used == pytest.approx(min(before.used * K / 6, LARGEST))
    assert f"4 cells: K 6 (was {K:g})" in capsys.readouterr().out


def test_a_smaller_k_turns_agreement_into_disagreement_with_its_message(ran, capsys):
    file = ran("faultless", more=[])
    assert main(["rejudge", str(file)]) == 0
    assert "verdicts changed: 0" in capsys.readouterr().out
    assert main(["rejudge", str(file), "--K", "1e-6", "--record", str(ran.path / "new.jsonl")]) == 1
    assert verdicts(ran.path / "new.jsonl") == {
        "float32-faultless-eager": "disagree",
        "float64-faultless-eager": "agree",  # the fake computes in float64, as the reference does
    }
    told = capsys.readouterr().out
    assert "agree -> disagree: 1" in told
    assert "× tolerance" in told


def test_a_larger_k_turns_a_tight_tensor_inconclusive_at_its_hundredth(ran):
    file = ran("faultless", more=[])
    width = max(t.width for cell in read_run(file).cells for t in cell.tensors)
    for factor, verdict in ((0.99, "agree"), (1.01, "inconclusive")):
        new = K * factor * 0.01 / width
        main(["rejudge", str(file), "--K", repr(new), "--record", str(ran.path / "new.jsonl")])
        assert verdicts(ran.path / "new.jsonl")["float32-faultless-eager"] == verdict


KEY = ("value", "y")


def test_the_widest_and_the_worst_step_both_reach_the_line():
    """A step may have the larger error and another the wider tolerance; one K or another makes either count."""
    want = Reference(np.ones(1), np.full(1, 1e-3 / K / 2**-28.5))
    wide = Reference(np.ones(1), np.full(1, 2e-2 / K / 2**-28.5))
    [one] = compare(References.of({KEY: want}), {KEY: np.array([1.0009])}, "float64")
    [other] = compare(References.of({KEY: wide}), {KEY: np.array([1.0])}, "float64")
    assert (one.verdict, other.verdict) == (Verdict.AGREE, Verdict.INCONCLUSIVE)
    for merged in (worse(one, other), worse(other, one)):
        assert merged.verdict is Verdict.INCONCLUSIVE
        assert (merged.ratio, merged.width) == (one.ratio, other.width)


def test_other_rules_judge_from_the_arrays_and_come_to_the_same(ran):
    file = ran("faultless", "forgets", "negates")
    change_header(file, rules="an older one")
    assert main(["rejudge", str(file)]) == 1
    new = read_run(ran.path / "reports" / "run-rejudged.jsonl")
    assert new.header.rules == RULES_VERSION
    before = read_run(file)
    assert new.cells == before.cells


def test_other_rules_find_what_the_arrays_hold_and_not_what_the_line_says(ran):
    """A line that lies about its verdict is corrected from the arrays."""
    file = ran("faultless")
    text = file.read_text()
    assert '"agree":2' in text
    text = text.replace('"verdict":"agree","used"', '"verdict":"disagree","used"')
    file.write_text(text.replace('"agree":2', '"agree":0').replace('"disagree":0', '"disagree":2'))
    assert set(verdicts(file).values()) == {"disagree"}
    change_header(file, rules="0")
    assert main(["rejudge", str(file)]) == 0
    assert set(verdicts(ran.path / "reports" / "run-rejudged.jsonl").values()) == {"agree"}


def test_arrays_that_are_named_are_judged_whatever_the_rules(ran):
    file = ran("faultless")
    moved = ran.path / "moved"
    (ran.path / "reports" / "arrays").rename(moved)
    assert main(["rejudge", str(file), "--arrays", str(moved)]) == 0


def refused(capsys, file, *words, options=()):
    assert main(["rejudge", str(file), *options]) == 2
    told = capsys.readouterr().err
    for word in words:
        assert word in told
    assert not file.with_name("run-rejudged.jsonl").exists()


def edited(*changes):
    """The case with other text."""

    def edit(ran):
        text = LAYER
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        ran.case.write_text(text)

    return edit


def without_arrays(ran):
    next((ran.path / "reports" / "arrays").glob("*float64*")).unlink()


CHANGED = "tiny/layer: its program or inputs have changed"
GONE = {
    "arrays": (without_arrays, NeedsArrays, "arrays of 1 of 2 cells*tiny/layer::float64-faultless-eager*--keep-arrays"),
    "a case": (lambda ran: ran.case.rename(ran.case.with_name("renamed.toml")), CaseGone, "tiny/layer: no such case in*--cases=DIR"),
    "a variant": (edited(("4]", '"k"]'), ("[tensors]", "[sweep]\nk = [4]\n[tensors]")), CaseGone, "no variant '' any more"),
    "another program": (edited(("sigmoid", "tanh")), CaseChanged, CHANGED),
    "other inputs": (edited(("uniform = [-1, 1]", "uniform = [-1, 2]")), CaseChanged, CHANGED),
    "other gradients": (edited(('["W", "x"]', '["W"]')), CaseChanged, CHANGED),
}  # fmt: skip


@pytest.mark.parametrize(("change", "error", "words"), GONE.values(), ids=GONE)
def test_what_other_rules_need_and_is_not_there_is_refused_by_name(ran, capsys, change, error, words):
    file = ran("faultless")
    change_header(file, rules="0")
    change(ran)
    refused(capsys, file, *words.split("*"))
    with pytest.raises(error):
        rejudge(read_run(file), Sources(read_run(file), file, [ran.case.parents[1]], {}), K)


def test_other_rules_without_arrays_are_refused_by_name(ran, capsys):
    file = ran("faultless", more=[])
    change_header(file, rules="0")
    refused(capsys, file, "arrays of 2 of 2 cells", "tiny/layer::float32-faultless-eager", "--keep-arrays")


def test_a_case_that_only_reads_differently_is_the_same(ran):
    file = ran("faultless")
    change_header(file, rules="0")
    edited(("title", "# a remark\ntitle"), ("z = W @ x", "\n# the layer\nz = W@x"), ("tiny", "small"))(ran)
    assert main(["rejudge", str(file)]) == 0


def test_a_line_without_its_width_is_refused_and_not_guessed(ran, capsys):
    file = ran("faultless", more=[])
    first, *lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        for tensor in line.get("tensors", ()):
            del tensor["width"]
    file.write_text("\n".join(map(json.dumps, [first, *lines])) + "\n")
    refused(capsys, file, "the width of the tolerances is not in the run file", options=["--K", "6"])


def test_known_deviations_are_known_again_or_their_ledger_is_asked_for(ran, capsys):
    file = ran("negates", more=[])
    adapters = ran.path / "fakes" / "adapters"
    (adapters / "negates" / "deviations.toml").write_text(ENTRY.format(cell="tiny/layer::*", high=1e300))
    assert main(["rejudge", str(file), "--adapters", str(adapters)]) == 0
    known = ran.path / "reports" / "run-rejudged.jsonl"
    assert set(verdicts(known).values()) == {"known deviation"}
    assert main(["rejudge", str(known), "--K", "7"]) == 2
    assert (
        "negates: the run knows deviations of it; name its folder with --adapters=DIR"
        in capsys.readouterr().err
    )
    run = read_run(known)
    with pytest.raises(NeedsLedger):
        rejudge(run, Sources(run, known, [], {}), K)


def test_a_ledger_of_ones_own_is_asked_too(ran, capsys):
    file = ran("negates", more=[])
    own = ran.path / "own.toml"
    entry = ENTRY.format(cell="tiny/layer::*", high=1e300) + 'framework = "negates"\nphase = "{}"\n'
    for phase, known in (("gradient", "known deviation"), ("value", "stale ledger entry")):
        own.write_text(entry.format(phase))
        assert main(["rejudge", str(file), "--deviations", str(own)]) == (phase == "value")
        assert set(verdicts(ran.path / "reports" / "run-rejudged.jsonl").values()) == {known}


@pytest.mark.parametrize("bad", ["0", "-1", "inf", "nan"])
def test_a_k_that_is_none_is_refused(ran, capsys, bad):
    refused(capsys, ran("faultless", more=[]), "must be a positive number", options=[f"--K={bad}"])


def test_the_run_itself_is_never_overwritten(ran, capsys):
    file = ran("faultless", more=[])
    before = file.read_bytes()
    refused(capsys, file, "that is the run itself", options=["--record", str(file)])
    assert file.read_bytes() == before


def test_the_arrays_of_another_run_are_refused_and_nothing_becomes_green(ran, capsys):
    """Those of right code in the place of a wrong one's own, or in a folder that is named."""
    file = ran("faultless", "negates")
    others = ran.path / "others"
    others.mkdir()
    by_column = {(cell.framework, cell.dtype): cell.arrays for cell in read_run(file).cells}
    for dtype in ("float32", "float64"):
        right = file.parent / by_column["faultless", dtype]
        shutil.copy(right, others / right.name)
        shutil.copy(right, others / Path(by_column["negates", dtype]).name)
    told = "they are not those that the run file tells of by their content"
    refused(capsys, file, told, options=["--arrays", str(others)])
    shutil.copytree(others, file.parent / "arrays", dirs_exist_ok=True)
    change_header(file, rules="0")
    refused(capsys, file, told)


def test_arrays_that_a_run_does_not_name_by_content_are_not_believed(ran, capsys):
    """Those of formats before 3."""
    file = ran("faultless")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["format"] = 2
    for line in lines:
        line.pop("kept", None)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    change_header(file, rules="0")
    refused(
        capsys, file, "the run is of format 2, which doesn't name arrays by their content", "--keep-arrays"
    )


def test_a_ledger_of_ones_own_speaks_of_a_framework_that_there_is(ran, capsys):
    file = ran("negates", more=[])
    own = file.with_name("own.toml")
    entry = ENTRY.format(cell="tiny/layer::*", high=1e300)
    own.write_text(entry.replace("[[deviation]]", '[[deviation]]\nframework = "negatse"'))
    refused(
        capsys, file, "own.toml:2", "framework = 'negatse'", "negates", options=["--deviations", str(own)]
    )


SHOWS_LITTLE = """
import numpy as np

def layer(W, x):
    z = W @ x
    a = 1 / (1 + np.exp(-z))
    dz = 2 * a * a * (1 - a)
    if W.dtype == np.float64:
        x *= 2
    return {}, {"dx": W.T @ dz, "W": np.outer(dz, x / 2 if W.dtype == np.float64 else x)}
"""


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("how", ["another K", "the arrays"])
def test_what_was_not_shown_or_changed_in_place_is_so_again(tmp_path, capsys, how, strict):
    """From arrays the numbers are right: that an input was changed, or how strictly was asked, does not get lost."""
    matrix = Matrix(tmp_path, LAYER)
    (tmp_path / "mine.py").write_text(SHOWS_LITTLE)
    more = [f"--subject={tmp_path / 'mine.py'}", "--keep-arrays=reports/arrays"]
    matrix.run("mine", more=[*more, *["--strict-subjects"] * strict])
    file = matrix.record
    change_header(file, roots=[str(tmp_path / "cases")])
    before = {cell.dtype: cell for cell in read_run(file).cells}
    assert before["float32"].agrees_in_part is not strict
    assert [str(before[d].verdict) for d in ("float32", "float64")] == [
        "disagree" if strict else "agree",
        "disagree",
    ]
    given = ["--K", "7"] if how == "another K" else ["--arrays", str(tmp_path / "reports" / "arrays")]
    main(["rejudge", str(file), *given])
    after = {cell.dtype: cell for cell in read_run(file.with_name("run-rejudged.jsonl")).cells}
    for dtype, was in before.items():
        now = after[dtype]
        assert (now.verdict, now.changed, now.notes) == (was.verdict, was.changed, was.notes)
        assert {t.name: t.unshown for t in now.tensors} == {t.name: t.unshown for t in was.tensors}
    assert "changed its inputs in place: x; what it returned is right" in after["float64"].message or strict
