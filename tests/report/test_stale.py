"""What isn't any more as it was when the run was made is refused by name or told of, never shown as if it were."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import runs
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.report import html, junit, markdown
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.report.pairwise import StaleArrays, pairwise
from gradient_conformance.harness.run.arrays import keep
from gradient_conformance.harness.run.diff import SameRun, diff
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, header, tensor, write

CASE = Path("cases/notebooks/hostile.toml")
SWEPT = runs.CASE.replace("[3, 3]", '["k", 3]') + "\n[sweep]\nk = [3, 4]\n"


def ran(text=runs.CASE):
    """A run of the case as `text` has it, on two frameworks."""
    CASE.write_text(text)
    contents = {v.id: VariantReference(v).content for v in load(CASE, Path("cases")).variants}
    return a_run(
        [
            cell("notebooks/hostile", variant, framework, Verdict.AGREE, 0.1, content=content)
            for variant, content in contents.items()
            for framework in ("jax", "torch")
        ]
    )


def case_of(run, **more):
    (case,) = report(run, **more).cases
    return case


HOSTILE_FILES = {
    "nested": "x = " + "[" * 100_000,
    "a key of many parts": "a" + ".a" * 490_000 + " = 1",
    "backslashes and quotes": '\\"' * 200_000,
    "large": "# " + "x" * 3_000_000,
    "not text": "\0\ud800",
}


@pytest.mark.parametrize("text", HOSTILE_FILES.values(), ids=HOSTILE_FILES)
def test_a_case_is_read_for_a_report_within_the_limits_of_every_reader(here, text):
    """Also one that was never judged, of which no digest says whether it is still the same."""
    run = a_run([cell("notebooks/hostile", "", "torch", Verdict.ABSENT, message="no interpreter")])
    CASE.write_bytes(text.encode(errors="surrogatepass"))
    start = time.process_time()
    case = case_of(run)
    assert time.process_time() - start < 5
    assert case.program == ""
    assert case.problem.startswith("cases/notebooks/hostile.toml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("y = A @ x", "y = A @ (2 * x)"),
        ("uniform = [-1, 1]", "uniform = [-1, 2]"),
        ('gradients = ["A"]', 'gradients = ["A", "x"]'),
    ],
)
def test_another_program_than_was_run_is_not_shown_and_is_told_of(here, old, new):
    run = ran()
    CASE.write_text(runs.CASE.replace(old, new, 1))
    case = case_of(run)
    assert (case.changed, case.program, case.title, case.source) == (True, "", "", "")
    assert case.problem == (
        "cases/notebooks/hostile.toml has changed since the run, so its text isn't that of these results: "
        "of 1 variants 1 with another program or other inputs"
    )
    told = "Changed since the run, and so not shown: 1 of 1 cases: notebooks/hostile."
    facts = report(run)
    assert facts.notices == [told]
    assert f'<p class="problem">{told}</p>' in dict(html.render(facts, pairwise(run, here)))["index.html"]
    assert f"\n> {told}\n" in markdown.render(facts)
    assert f'name="notice" value="{told}"' in junit.render(facts)


@pytest.mark.parametrize(
    ("old", "new"),
    [("title", "# a comment\ntitle"), ("y = A @ x", "\ny = A @ x"), ("hostile source", "mild one")],
)
def test_a_case_that_computes_the_same_as_was_run_is_shown(here, old, new):
    run = ran()
    CASE.write_text(runs.CASE.replace(old, new, 1))
    assert case_of(run).program.startswith("y = A @ x")
    assert report(run).notices == []


def test_of_several_variants_it_is_told_how_many_are_gone_or_others(here):
    run = ran(SWEPT)
    CASE.write_text(SWEPT.replace("[3, 4]", "[3, 5]").replace("uniform = [-1, 1]", "uniform = [-1, 2]", 1))
    assert case_of(run).problem.endswith("of 2 variants 1 gone and 1 with another program or other inputs")


def test_a_case_that_is_a_mistake_by_now_is_told_with_the_mistake(here):
    run = ran()
    CASE.write_text(runs.CASE.replace("y = A @ x", "y = A @ nothing"))
    assert (
        'of these results: cases/notebooks/hostile.toml:6:9: unknown name "nothing"' in case_of(run).problem
    )


def test_a_case_of_which_nothing_was_judged_is_shown_as_it_is(here):
    CASE.write_text(runs.CASE.replace("y = A @ x", "y = A @ (2 * x)"))
    assert "(2 * x)" in case_of(a_run([cell("notebooks/hostile", "", "torch", Verdict.CRASHED)])).program


def test_the_cases_as_they_were_can_be_named(here):
    run = ran()
    shutil.copytree("cases", "then")
    CASE.write_text(runs.CASE.replace("y = A @ x", "y = A @ (2 * x)"))
    assert case_of(run, roots=[Path("then")]).program.startswith("y = A @ x\n")


def test_a_run_of_another_commit_than_the_harness_here_is_told_of(here):
    then = header().commit
    assert report(a_run(), commit=then).notices == []
    assert report(a_run(), commit=f"{then}+dirty").notices == []
    (told,) = report(a_run(), commit="9999").notices
    assert told == f"This run is of commit {then[:12]}; the harness here is of commit 9999."
    assert report(a_run(head=msgspec.structs.replace(header(), commit=None)), commit="9999").notices == []


def test_parts_that_were_run_at_different_commits_are_told_of(here):
    head = msgspec.structs.replace(header(), commit="1111 + 2222")
    (told,) = report(a_run(head=head), commit="1111").notices
    assert told == "The parts of this run were made at different commits: 1111 + 2222."


def test_a_run_compared_with_itself_is_refused_by_name(here, capsys):
    with pytest.raises(SameRun):
        diff(a_run(), a_run())
    run, copy = write(Path("run.jsonl"), a_run()), Path("copy.jsonl")
    shutil.copy(run, copy)
    for command in (
        ["diff", str(copy), str(run)],
        ["report", str(run), "--since", str(copy), "--html", "page"],
    ):
        assert main(command) == 2
        assert "both runs are one and the same, of 2026-01-02T03:04:05+00:00" in capsys.readouterr().err
    assert not Path("page").exists()


def test_a_run_compared_with_a_later_one_is_told_of(here, capsys):
    later = replace(a_run(), header=msgspec.structs.replace(header(), started="2026-03-01T00:00:00+00:00"))
    told = "The run compared with was made after this one"
    assert told in report(a_run(), since=diff(later, a_run())).notices[0]
    assert report(a_run(), since=diff(a_run(), later)).notices == []
    old, new = write(Path("old.jsonl"), later), write(Path("new.jsonl"), a_run())
    assert main(["diff", str(old), str(new)]) == 0
    assert told in capsys.readouterr().out
    assert main(["diff", str(new), str(old)]) == 0
    assert told not in capsys.readouterr().out


def kept(*numbers, step=None):
    """A run of one cell that tells its second element, and whose arrays are kept."""
    array = np.array(numbers, dtype="float32")
    file, content = keep(Path("arrays"), "a", {("gradient", "A", step): array})
    own = tensor("A", 0.1, where=[1], got=str(array[1]), step=step)
    return a_run([cell("a", "", "torch", Verdict.AGREE, 0.1, tensors=[own], arrays=str(file), kept=content)])


def unnamed(run):
    """The run as format 2 has it: its arrays aren't named by their content."""
    return replace(run, cells=tuple(msgspec.structs.replace(cell, kept=None) for cell in run.cells))


def others(run, numbers, step=None):
    """Other arrays in the place of those of the run."""
    file, _ = keep(Path("arrays"), "a", {("gradient", "A", step): np.array(numbers, dtype="float32")})
    file.replace(run.cells[0].arrays)


@pytest.mark.parametrize("numbers", [(0.1, 0.3), (0.1,), (), (0.1, np.nan)])
def test_arrays_of_another_run_are_refused_by_name_and_nothing_is_written(here, capsys, numbers):
    found = unnamed(kept(0.1, 0.2))
    run = write(Path("run.jsonl"), found)
    others(found, numbers)
    assert main(["report", str(run), "--html", "page"]) == 2
    told = capsys.readouterr().err
    assert "these arrays aren't those of a::float32-torch-eager in this run: gradient of A[1] is " in told
    assert ", and 0.2 in the run file; run again with --keep-arrays=DIR" in told
    assert not Path("page").exists()
    shutil.rmtree("arrays")
    assert main(["report", str(run), "--html", "page"]) == 0


def test_arrays_that_lack_what_was_judged_are_those_of_another_run(here):
    run = unnamed(kept(0.1, 0.2, step=3))
    others(run, [0.1, 0.2], 2)
    with pytest.raises(StaleArrays, match=r"gradient of A in step 3\[1\] is not there"):
        pairwise(run, here)


@pytest.mark.parametrize("numbers", [(0.7, 0.2), (0.1, 0.2, 0.3)])
def test_arrays_that_the_run_does_not_name_by_their_content_are_not_shown(here, numbers):
    """Also where what the run file tells of them is the same."""
    run = kept(0.1, 0.2)
    others(run, numbers)
    found = pairwise(run, here)
    assert found.with_arrays == 0
    assert "they are not those that the run file tells of by their content" in found.problem


@pytest.mark.parametrize("number", [0.2, np.nan, np.inf, -0.0])
def test_arrays_of_this_run_are_taken_whatever_they_hold(here, number):
    assert pairwise(kept(0.1, number), here).with_arrays == 1
