"""Runs made apart become one that could have been made at once, or are refused by name."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.cli.common import written
from gradient_conformance.harness.run import arrays
from gradient_conformance.harness.run.lines import Machine
from gradient_conformance.harness.run.merge import (
    DifferentCases,
    DifferentRules,
    DifferentVersions,
    OverlappingRuns,
    merge,
)
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict
from runs import ABOUTS, a_run, cell, header, write


def part(framework, verdict=Verdict.AGREE, *, about=None, head=None, **more):
    """The run of one framework's job: two variants of a case."""
    more = {"content": "aaaa", **more}
    cells = [cell("ops/a", f"k:{k}", framework, verdict, 0.5, **more) for k in (3, 16)]
    run = a_run(cells, msgspec.structs.replace(header(), frameworks=[framework], **(head or {})))
    return replace(run, abouts={framework: about or ABOUTS[framework]})


def merged(*runs):
    named = [(Path(f"job{i}/run.jsonl"), run) for i, run in enumerate(runs)]
    return merge(named, Path("merged.jsonl"))


def test_cells_abouts_and_totals_of_all_are_in_the_one():
    """And frameworks stand side by side."""
    run = merged(part("torch"), part("jax", Verdict.DISAGREE))
    assert [(c.variant, c.framework) for c in run.cells] == [
        ("k:3", "torch"), ("k:3", "jax"), ("k:16", "torch"), ("k:16", "jax"),
    ]  # fmt: skip
    assert run.abouts == {name: ABOUTS[name] for name in ("torch", "jax")}
    assert (run.footer.cells, run.footer.seconds) == (4, 7.0)
    assert {v: n for v, n in run.footer.totals.items() if n} == {Verdict.AGREE: 2, Verdict.DISAGREE: 2}
    assert len(run.footer.totals) == len(Verdict)


def test_the_header_tells_of_all_runs():
    here = {"started": "2026-01-03T00:00:00+00:00", "roots": ["cases"]}
    other = {
        "started": "2026-01-01T00:00:00+00:00",
        "roots": ["cases", "more"],
        "machine": Machine(cpu="Another", cores=4, os="Linux"),
        "python": "3.12.0",
        "commit": None,
        "command": ["pytest", "more", "--subject=mine.py"],
    }
    head = merged(part("torch", head=here), part("jax", head=other)).header
    assert head.started == "2026-01-01T00:00:00+00:00"
    assert head.roots == ["cases", "more"]
    assert head.frameworks == ["torch", "jax"]
    assert head.machine == Machine(
        cpu="A <processor> & more, 2 cores + Another, 4 cores", cores=6, os="Linux"
    )
    assert head.python == "3.11.0 + 3.12.0"
    assert head.commit == f"{header().commit} + unknown"
    assert head.command == ["pytest", "cases", "+", "pytest", "more", "--subject=mine.py"]


def test_what_is_alike_in_all_runs_is_told_once():
    one, both = part("torch").header, merged(part("torch"), part("jax")).header
    assert msgspec.structs.replace(both, frameworks=one.frameworks) == one


def test_a_cell_in_two_runs_is_refused():
    with pytest.raises(
        OverlappingRuns, match=r"ops/a::k:3-float32-torch-eager in job0/run.jsonl and in job2/run.jsonl"
    ):
        merged(part("torch"), part("jax"), part("torch"))


def test_another_content_of_the_same_variant_is_refused():
    """And of another variant is not."""
    with pytest.raises(
        DifferentCases, match=r"ops/a::k:3 in job0/run.jsonl and in job1/run.jsonl, ops/a::k:16 in"
    ):
        merged(part("torch"), part("jax", content="bbbb"))
    other = cell("ops/a", "k:64", "jax", Verdict.AGREE, 0.5, content="bbbb")
    assert len(merged(part("torch"), a_run([other])).cells) == 3


def test_cells_that_were_never_judged_have_no_content_that_could_differ():
    assert len(merged(part("jax", Verdict.ABSENT, content=None), part("torch")).cells) == 4
    with pytest.raises(DifferentCases):  # also behind a run without any
        merged(part("mxnet", Verdict.ABSENT, content=None), part("torch"), part("jax", content="b"))


@pytest.mark.parametrize(("what", "value"), [("format", 1), ("harness", "9"), ("rules", "9"), ("K", 6.0)])
def test_runs_judged_differently_are_refused(what, value):
    with pytest.raises(DifferentRules, match=rf"{what} .* in job0/run.jsonl, {value} in job1/run.jsonl"):
        merged(part("torch"), part("jax", head={what: value}))


def test_runs_that_stand_on_other_ledgers_or_sources_are_refused_by_name():
    """What one run stands on and the other does not know, as another framework's adapter, is no difference."""

    def head(**own):
        return {"contents": {"reference": "aaaa", **own}}

    told = "ledger torch 1111 in job0/run.jsonl, 2222 in job1/run.jsonl; a run anew makes them the same"
    with pytest.raises(DifferentRules, match=told):
        merged(
            part("torch", head=head(**{"ledger torch": "1111"})),
            part("jax", head=head(**{"ledger torch": "2222"})),
        )
    found = merged(
        part("torch", head=head(**{"ledger torch": "1111"})), part("jax", head=head(**{"ledger jax": "2222"}))
    )
    assert found.header.contents == {"reference": "aaaa", "ledger torch": "1111", "ledger jax": "2222"}


def test_two_versions_of_a_framework_are_refused_and_one_told_twice_is_not():
    again = {"torch": {"framework": "torch", "version": "2.14.0", "threads": 1}}
    with pytest.raises(
        DifferentVersions, match=r"torch told version 2\.13\.0 and 2\.14\.0, in job0/run.jsonl and in job1"
    ):
        merged(part("torch"), part("torch", about=again["torch"], dtype="float64"))
    assert len(merged(part("torch"), part("torch", dtype="float64")).cells) == 4


def jobs(folder):
    """The files of two jobs, each with arrays kept in its own folder."""
    files = []
    for name, number in (("torch", 1.0), ("jax", 3.0)):
        path, kept = arrays.keep(
            folder / name / "arrays", name, {("value", "loss", None): np.full(1, number, np.float32)}
        )
        run = part(name, arrays=f"arrays/{path.name}", kept=kept, tensors=[])
        files.append(str(write(folder / name / "run.jsonl", run)))
    return files


def test_the_command_writes_a_run_that_reads_back_with_its_arrays_found(tmp_path, capsys):
    target = tmp_path / "all" / "run.jsonl"
    assert main(["merge", *jobs(tmp_path), "--record", str(target)]) == 0
    assert (
        capsys.readouterr().out
        == f"2 runs, 4 cells of torch, jax\n{written(target, read_run(target).cells)}\n"
    )
    run = read_run(target)
    assert (len(run.cells), run.footer.seconds) == (4, pytest.approx(sum(read_run(tmp_path / n / "run.jsonl").footer.seconds for n in ("torch", "jax"))))  # fmt: skip
    found = {c.arrays: c.kept for c in run.cells if c.arrays}
    assert {name.rpartition("/")[0] for name in found} == {"../torch/arrays", "../jax/arrays"}
    for name, content in found.items():
        assert arrays.load(target.parent / name, content)


def test_a_refusal_writes_nothing(tmp_path, capsys):
    one, _ = jobs(tmp_path)
    assert main(["merge", one, one, "--record", str(tmp_path / "all.jsonl")]) == 2
    assert "a merged run holds each cell once" in capsys.readouterr().err
    assert not (tmp_path / "all.jsonl").exists()


def test_a_run_is_never_overwritten_by_the_merged_one(tmp_path, capsys):
    files = jobs(tmp_path)
    assert main(["merge", *files, "--record", files[0]]) == 2
    assert "that is one of the runs" in capsys.readouterr().err
    assert len(read_run(Path(files[0])).cells) == 2


def test_a_damaged_run_is_refused_by_name(tmp_path, capsys):
    one, two = jobs(tmp_path)
    Path(two).write_text("".join(Path(two).read_text().splitlines(keepends=True)[:-1]))
    assert main(["merge", one, two, "--record", str(tmp_path / "all.jsonl")]) == 2
    assert f"{two}: " in capsys.readouterr().err


def test_required_frameworks_that_ran_are_nothing_to_tell(tmp_path, capsys):
    target = tmp_path / "all.jsonl"
    assert main(["merge", *jobs(tmp_path), "--record", str(target), "--require=torch,jax"]) == 0
    assert capsys.readouterr().err == ""


def test_a_required_framework_without_a_run_is_named_and_the_others_are_merged(tmp_path, capsys):
    target = tmp_path / "all.jsonl"
    assert main(["merge", *jobs(tmp_path), "--record", str(target), "--require=all"]) == 1
    assert capsys.readouterr().err == (
        "mxnet: missing: no run has a cell that mxnet ran\n"
        "tensorflow: missing: no run has a cell that tensorflow ran\n"
    )
    assert {cell.framework for cell in read_run(target).cells} == {"torch", "jax"}


def test_a_required_framework_that_was_absent_did_not_run(tmp_path, capsys):
    write(tmp_path / "absent.jsonl", part("mxnet", Verdict.ABSENT))
    files = [*jobs(tmp_path), str(tmp_path / "absent.jsonl")]
    assert main(["merge", *files, "--record", str(tmp_path / "all.jsonl"), "--require=mxnet"]) == 1
    assert capsys.readouterr().err == "mxnet: missing: no run has a cell that mxnet ran\n"


def test_with_required_frameworks_a_damaged_run_is_told_and_the_others_are_merged(tmp_path, capsys):
    one, two = jobs(tmp_path)
    Path(two).write_text("".join(Path(two).read_text().splitlines(keepends=True)[:-1]))
    files = [one, two, str(tmp_path / "nowhere.jsonl")]
    assert main(["merge", *files, "--record", str(tmp_path / "all.jsonl"), "--require=torch,jax"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in told] == [two, str(tmp_path / "nowhere.jsonl"), "jax"]
    assert {cell.framework for cell in read_run(tmp_path / "all.jsonl").cells} == {"torch"}


def test_damaged_runs_alone_make_no_run(tmp_path, capsys):
    target = tmp_path / "all.jsonl"
    assert main(["merge", str(tmp_path / "nowhere.jsonl"), "--record", str(target), "--require=all"]) == 2
    assert capsys.readouterr().err.endswith("no run is left to be merged\n")
    assert not target.exists()


def test_a_report_of_several_runs_is_that_of_the_merged_one(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = jobs(tmp_path)
    assert main(["report", *files]) == 0
    assert capsys.readouterr().out.startswith("4 of 4 cells agree; none failed\n")
    assert main(["report", *files, "--html", "page"]) == 0  # the pairwise page loads the arrays
    page = (tmp_path / "page" / "pairwise.html").read_text()
    assert "0.67" in page  # |1 - 3| / 3
    assert "cells have their arrays" not in page
    assert main(["report", files[0], files[0]]) == 2


def test_options_that_a_cell_needs_are_carried_once_from_the_merged_runs(tmp_path, capsys):
    runs = (part(n, Verdict.DISAGREE, head={"carried": ["--cases=mine"]}) for n in ("torch", "jax"))
    files = [str(write(tmp_path / f"{i}.jsonl", run)) for i, run in enumerate(runs)]
    assert main(["report", *files, "--markdown", "-"]) == 0
    assert "-torch-eager' --cases=mine\n" in capsys.readouterr().out
