"""A run file tells a whole run, or is refused by name."""

import errno
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from gradient_conformance.harness import ROOT
from gradient_conformance.harness.run.lines import (
    LARGEST,
    AboutChanged,
    BusyRun,
    CellLine,
    DuplicateCell,
    EmptyRun,
    Header,
    InputsChanged,
    NotARun,
    NotFinite,
    NotOurs,
    RunError,
    TotalsDoNotAddUp,
    TruncatedRun,
    UnwritableRun,
)
from gradient_conformance.harness.run.provenance import commit, header
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.run.writing import RunWriter, encode
from gradient_conformance.harness.verdict import Verdict
from gradient_conformance.reference.rounding import RULES_VERSION, K
from runs import cell, tensor


def a_cell(number: int = 0, **changes: Any) -> CellLine:
    """One of many cells, which agrees, but for the changes."""
    agrees = cell("notebooks/two_branches", f"k:{number}", "torch", Verdict.AGREE, 0.1)
    return msgspec.structs.replace(agrees, **changes)


def a_header() -> Header:
    """A header of this machine."""
    return header(harness="0.1", roots=["cases"], command=["pytest", "cases"], frameworks=["torch", "jax"])


def a_run(path: Path, cells: int = 2) -> Path:
    """A complete run of so many cells."""
    with RunWriter(path, a_header()) as run:
        run.about("torch", {"version": "2.13.0"})
        for number in range(cells):
            run.cell(a_cell(number))
        run.footer(expected=cells)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where runs go, in a folder that isn't there yet."""
    return tmp_path / "reports" / "run.jsonl"


def test_a_run_reads_back_as_it_was_written(path: Path) -> None:
    """Header, abouts, cells in order, footer."""
    cells = [
        a_cell(0),
        a_cell(1, verdict=Verdict.ERRORED, used=None, relative=None, tensors=[], message="Traceback ..."),
        a_cell(2, verdict=Verdict.DISAGREE, first_difference="backward of w = C @ (u + v), line 12"),
    ]
    opening = a_header()
    with RunWriter(path, opening) as writer:
        writer.about("torch", {"version": "2.13.0", "threads": 1})
        for cell in cells:
            writer.cell(cell)
        footer = writer.footer(expected=3)
    run = read_run(path)
    assert run.header == opening
    assert run.abouts == {"torch": {"version": "2.13.0", "threads": 1}}
    assert list(run.cells) == cells
    assert run.footer == footer


def test_the_header_tells_what_the_numbers_depend_on() -> None:
    """Rules, K, machine, Python, commit, command."""
    opening = a_header()
    assert (opening.format, opening.rules, opening.K) == (3, RULES_VERSION, K)
    assert opening.started.endswith("+00:00")
    assert opening.machine.cpu
    assert opening.machine.cores == os.cpu_count()
    assert opening.python == ".".join(map(str, sys.version_info[:3]))
    assert (opening.roots, opening.command) == (["cases"], ["pytest", "cases"])


def test_lines_are_json_with_a_kind_and_the_promised_keys(path: Path) -> None:
    """Other tools read the file without us."""
    lines = [json.loads(line) for line in a_run(path, cells=1).read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["header", "about", "cell", "footer"]
    promised = "cell case variant dtype framework mode verdict used tensors seconds message first_difference"
    assert set(promised.split()) <= set(lines[2])
    assert {"error", "tolerance", "used", "ulp", "where"} <= set(lines[2]["tensors"][0])
    assert lines[3]["totals"] == {str(verdict): int(verdict is Verdict.AGREE) for verdict in Verdict}


SINCE_1 = ("calls", "conventions", "composed", "budget", "kept")
"""Fields of a cell that version 1 of the format doesn't have."""


def test_a_run_of_the_first_format_is_read_and_known_as_one(path: Path) -> None:
    """It says nothing of calls, which isn't that none is wrong."""
    a_run(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["format"] = 1
    del lines[0]["contents"]
    for line in lines[2:-1]:
        for field in SINCE_1:
            del line[field]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    old, new = read_run(path), read_run(a_run(path))
    assert old.cells == new.cells
    assert (old.header.format, old.tells_calls) == (1, False)
    assert (new.header.format, new.tells_calls) == (3, True)


def test_a_cell_is_in_the_file_at_once(path: Path) -> None:
    """Not when the file is closed."""
    with RunWriter(path, a_header()) as run:
        run.cell(a_cell())
        assert json.loads(path.read_text().splitlines()[-1])["cell"] == a_cell().cell


def test_a_new_run_replaces_the_old_one(path: Path) -> None:
    """No stale result stays beside fresh ones."""
    a_run(path, cells=5)
    assert len(read_run(a_run(path, cells=1)).cells) == 1


def test_until_there_is_a_result_an_earlier_run_is_as_it_was(path: Path) -> None:
    """A run that is interrupted before its first cell has cost nothing."""
    before = a_run(path).read_bytes()
    with RunWriter(path, a_header()) as run:
        run.about("torch", {"version": "2.13.0"})
        assert path.read_bytes() == before
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with RunWriter(path, a_header()) as run:
        run.cell(a_cell())
        assert len(path.read_text().splitlines()) == 2


def test_what_is_made_of_other_runs_takes_its_place_when_it_is_complete(path: Path) -> None:
    """`harness merge` and `harness rejudge` can do it again."""
    before = a_run(path).read_bytes()
    with RunWriter(path, a_header(), whole=True) as run:
        run.cell(a_cell(7))
        assert path.read_bytes() == before
    assert path.read_bytes() == before
    with RunWriter(path, a_header(), whole=True) as run:
        run.cell(a_cell(7))
        run.footer(expected=1)
    assert [cell.variant for cell in read_run(path).cells] == ["k:7"]


@pytest.mark.parametrize("earlier", [True, False])
def test_two_runs_of_one_file_are_never_written_at_once(path: Path, earlier: bool) -> None:
    """Whether there is an earlier one, and whether the first has a result by then, or not."""
    if earlier:
        a_run(path)
    with RunWriter(path, a_header()) as run:
        with pytest.raises(BusyRun):
            RunWriter(path, a_header())
        run.cell(a_cell())
        with pytest.raises(BusyRun):
            RunWriter(path, a_header())


@pytest.mark.parametrize("text", ["# README\n", "{}\n", '{"kind": "cell"}\n', " ", "\0"])
def test_a_file_that_is_no_run_is_not_replaced_by_one(path: Path, text: str) -> None:
    """Such as --record=README.md; an empty one, as `touch` leaves it, is nobody's."""
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(
        NotOurs, match="is no run file, and would be replaced by one; name another with --record FILE"
    ):
        RunWriter(path, a_header())
    assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    path.write_text("")
    a_run(path)


@pytest.mark.skipif(os.name == "nt", reason="makes a pipe")
def test_a_pipe_or_a_device_is_no_place_for_a_run(tmp_path: Path) -> None:
    """It would be replaced by a file."""
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(UnwritableRun, match="it is no regular file"):
            RunWriter(place, a_header())
    assert not Path(os.devnull).is_file()


def test_two_cells_of_a_variant_have_one_content(path: Path) -> None:
    """A case that is edited while processes collect it: neither written nor read."""
    one, other = (
        a_cell(content="aa"),
        a_cell(content="bb", dtype="float64", cell=a_cell().cell.replace("32", "64")),
    )
    told = "its program or inputs are bb, and aa in another cell of its variant"
    with RunWriter(path, a_header()) as run:
        run.cell(one)
        with pytest.raises(InputsChanged, match=told):
            run.cell(other)
        run.cell(msgspec.structs.replace(other, content="aa"))
        run.footer(expected=2)
    path.write_text(path.read_text().replace('"content":"aa"', '"content":"bb"', 1))
    with pytest.raises(InputsChanged, match="its program or inputs are aa, and bb in another cell"):
        read_run(path)


def test_what_answers_do_not_depend_on_is_noted_when_it_changes(path: Path) -> None:
    """A worker that dies and comes back has another pid, and another node in a cluster."""
    with RunWriter(path, a_header()) as run:
        for pid in (1, 2, 2):
            run.about("torch", {"version": "2.13.0", "pid": pid, "node": "a"})
        run.cell(a_cell())
        run.footer(expected=1)
    assert read_run(path).abouts == {"torch": {"version": "2.13.0", "pid": "1 + 2", "node": "a"}}


def test_a_restarted_worker_adds_no_second_about(path: Path) -> None:
    """The same versions told again are no news."""
    with RunWriter(path, a_header()) as run:
        run.about("torch", {"version": "2.13.0"})
        run.about("torch", {"version": "2.13.0"})
        run.about("jax", {"version": "0.10.2"})
        run.cell(a_cell())
        run.footer(expected=1)
    assert list(read_run(path).abouts) == ["torch", "jax"]


def test_a_framework_that_changes_under_way_is_refused(path: Path) -> None:
    """One run is of one version."""
    with RunWriter(path, a_header()) as run:
        run.about("torch", {"version": "2.13.0"})
        with pytest.raises(
            AboutChanged, match=r"torch told two different things .*: version 2\.13\.0 and 2\.14\.0; "
        ):
            run.about("torch", {"version": "2.14.0"})


def test_an_infinite_distance_is_the_largest_double(path: Path) -> None:
    """A NaN gradient is infinitely far off, and JSON has no infinity."""
    far = dict.fromkeys(("error", "used", "ratio", "ulp", "relative"), math.inf)
    cell = a_cell(used=math.inf, relative=math.inf, tensors=[tensor(**far, got="nan")])
    with RunWriter(path, a_header()) as run:
        run.cell(cell)
        run.footer(expected=1)
    assert '"used":1.7976931348623157e308' in path.read_text()
    (read,) = read_run(path).cells
    assert read.used == read.relative == LARGEST
    assert {getattr(read.tensors[0], name) for name in far} == {LARGEST}
    assert read.tensors[0].got == "nan"


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        (a_cell(used=math.nan), "used is nan"),
        (a_cell(used=-math.inf), "used is -inf"),
        (a_cell(seconds=math.inf), "seconds is inf"),
        (a_cell(tensors=[tensor(), tensor(tolerance=math.inf)]), r"tensors\[1\]\.tolerance is inf"),
        (a_cell(tensors=[tensor(error=math.nan)]), r"tensors\[0\]\.error is nan"),
    ],
)
def test_any_other_number_that_is_not_finite_is_refused(path: Path, cell: CellLine, place: str) -> None:
    """No number becomes null without a word, and nothing of such a line is written."""
    with RunWriter(path, a_header()) as run:
        with pytest.raises(NotFinite, match=rf"k:0-float32-torch-eager: {place}, which JSON can't hold"):
            run.cell(cell)
        assert not path.exists()
        run.cell(a_cell())
        assert len(path.read_text().splitlines()) == 2


def test_what_a_worker_tells_of_itself_is_finite_too(path: Path) -> None:
    """The place is named within the nested data."""
    with (
        RunWriter(path, a_header()) as run,
        pytest.raises(NotFinite, match=r"about: about\.eps\[0\] is nan"),
    ):
        run.about("torch", {"eps": [math.nan]})


@pytest.mark.parametrize("wrong", [{"verdict": "fine"}, {"used": "much"}, {"mode": None}])
def test_what_could_not_be_read_back_is_not_written(wrong: dict[str, Any]) -> None:
    """A wrong type is found where it arises."""
    with pytest.raises(msgspec.ValidationError):
        encode(a_cell(**wrong))


def test_numpy_numbers_are_no_numbers_of_the_run_file() -> None:
    """They are refused, not rounded."""
    with pytest.raises(TypeError, match=r"numpy\.float64"):
        encode(a_cell(used=np.float64(0.5)))


def test_writing_a_cell_twice_is_refused(path: Path) -> None:
    """By its id, whatever its result."""
    with RunWriter(path, a_header()) as run:
        run.cell(a_cell())
        with pytest.raises(DuplicateCell, match=r"two_branches::k:0-float32-torch-eager was given twice"):
            run.cell(a_cell(verdict=Verdict.DISAGREE))


@pytest.mark.parametrize("expected", [1, 3])
def test_a_footer_needs_the_planned_number_of_cells(path: Path, expected: int) -> None:
    """Neither fewer nor more; and what is left is an interrupted run."""
    with RunWriter(path, a_header()) as run:
        run.cell(a_cell(0))
        run.cell(a_cell(1))
        with pytest.raises(TotalsDoNotAddUp, match=rf"{expected} cells? planned and 2 written"):
            run.footer(expected=expected)
    with pytest.raises(TruncatedRun):
        read_run(path)


def test_a_run_of_nothing_gets_no_footer(path: Path) -> None:
    """An empty run is an error, never a result."""
    with (
        RunWriter(path, a_header()) as run,
        pytest.raises(EmptyRun, match="no cell was planned: an empty run is no result; select at least one"),
    ):
        run.footer(expected=0)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the option that gives another."""
    with pytest.raises(UnwritableRun, match=f"{os.strerror(errno.EISDIR)}; name another with --record FILE"):
        RunWriter(tmp_path, a_header())


@pytest.mark.skipif(os.name == "nt", reason="sends SIGKILL")
def test_a_killed_run_keeps_its_cells_and_is_called_truncated(path: Path) -> None:
    """With a real process, killed by itself in mid-run."""
    program = (
        "import os, sys, pathlib, msgspec\n"
        "from gradient_conformance.harness.run.lines import CellLine, Header\n"
        "from gradient_conformance.harness.run.writing import RunWriter\n"
        "header, cell = (msgspec.json.decode(a, type=t) for a, t in zip(sys.argv[2:], (Header, CellLine)))\n"
        "RunWriter(run := pathlib.Path(sys.argv[1]), header).cell(cell)\n"
        f"os.kill(os.getpid(), {signal.SIGKILL:d})\n"
    )
    lines = [encode(line).decode() for line in (a_header(), a_cell())]
    root = str(ROOT)
    command = [sys.executable, "-c", program, str(path), *lines]
    killed = subprocess.run(command, env={**os.environ, "PYTHONPATH": root}, check=False)
    assert killed.returncode == -signal.SIGKILL
    message = r"run\.jsonl: no footer after 1 cell: the run was interrupted and is no result; `pytest cases --record "
    with pytest.raises(TruncatedRun, match=message):
        read_run(path)


def test_every_proper_beginning_of_a_run_is_refused(path: Path) -> None:
    """Wherever a file breaks off, it is never read as complete."""
    content = a_run(path, cells=1).read_bytes()
    for length in range(len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises((TruncatedRun, EmptyRun, NotARun)):
            read_run(path)


def test_a_lost_line_end_loses_nothing(path: Path) -> None:
    """A footer that is whole ends a whole run."""
    content = a_run(path).read_bytes()
    path.write_bytes(content.rstrip(b"\n"))
    assert len(read_run(path).cells) == 2


Lines = list[str]
WRITES = "`pytest cases --record .*` writes"
FOOTER = '{"kind": "footer", "totals": {}, "cells": 0, "seconds": 0.1}\n'


def swap(old: str, new: str) -> Callable[[Lines], Lines]:
    return lambda lines: [line.replace(old, new) for line in lines]


DAMAGES: dict[str, tuple[Callable[[Lines], Lines], type[RunError], str]] = {
    "empty": (lambda lines: [], EmptyRun, f": the file is empty; {WRITES} it anew"),
    "no cells": (lambda lines: [lines[0], FOOTER], EmptyRun, ".* a run of no cells is no result"),
    "half a header": (lambda lines: [lines[0][:60]], TruncatedRun, ".* its header breaks off after 0 cells"),
    "half a footer": (
        lambda lines: [*lines[:4], lines[4].partition('"totals"')[0]],
        TruncatedRun,
        ".* line 5 breaks off after 2 cells: the run was interrupted",
    ),
    "a cell twice": (
        lambda lines: [*lines[:4], lines[2], lines[4]],
        DuplicateCell,
        ":5: notebooks/two_branches::k:0-float32-torch-eager is here a second time, first in line 3; ",
    ),
    "a cell lost": (
        lambda lines: [*lines[:3], lines[4]],
        TotalsDoNotAddUp,
        ".* the footer tells of 2 cells, counted 1; 2 agree, counted 1. `pytest cases",
    ),
    "another verdict": (
        swap('"verdict":"agree","used"', '"verdict":"crashed","used"'),
        TotalsDoNotAddUp,
        ".* tells of 2 agree, counted 0; 0 crashed, counted 2",
    ),
    "a diary": (
        lambda lines: ["a diary\n", *lines],
        NotARun,
        f":1: not the header of a run: .+; {WRITES} a run",
    ),
    "a list": (lambda lines: ["[1, 2]\n"], NotARun, f":1: not the header of a run: .+; {WRITES} a run"),
    "no header": (lambda lines: lines[1:], NotARun, f":1: not the header of a run: .+; {WRITES} a run"),
    "another format": (
        swap('"format":3', '"format":7'),
        NotARun,
        f":1: format 7, and this harness reads 1 and 2 and 3; {WRITES} it anew",
    ),
    "K as a text": (swap('"K":8.0', '"K":"8"'), NotARun, f":1: .+; {WRITES} it anew"),
    "the header of a diary": (
        lambda lines: [lines[0].replace("header", "diary")],
        NotARun,
        ":1: a run begins with its header, this with 'diary'",
    ),
    "no JSON": (
        lambda lines: [*lines[:2], "oops\n", *lines[2:]],
        NotARun,
        f":3: not JSON: .+; {WRITES} it anew",
    ),
    "no text": (swap("two_branches", "two\udcff_branches"), NotARun, f":3: not JSON: .+; {WRITES} it anew"),
    "another kind": (
        lambda lines: [*lines[:2], '{"kind": "note"}\n', *lines[2:]],
        NotARun,
        f":3: .+; {WRITES} it anew",
    ),
    "no number": (swap('"seconds":0.25', '"seconds":null'), NotARun, f":3: .+; {WRITES} it anew"),
    "an unknown field": (swap('"mode"', '"made"'), NotARun, f":3: .+; {WRITES} it anew"),
    "an unknown verdict": (swap('"agree","used"', '"fine","used"'), NotARun, f":3: .+; {WRITES} it anew"),
    "two headers": (lambda lines: [lines[0], *lines], NotARun, ":2: a second header; a file holds one run"),
    "an about twice": (
        lambda lines: [*lines[:2], lines[1].replace("2.13.0", "2.14.0"), *lines[2:]],
        NotARun,
        r":3: torch tells of itself a second time, and otherwise: version 2\.13\.0 and 2\.14\.0; ",
    ),
    "a line too many": (
        lambda lines: [*lines, lines[2]],
        NotARun,
        ":6: a line after the footer; a file holds one run",
    ),
}


@pytest.mark.parametrize(("edit", "error", "message"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_not_a_whole_run_is_refused_by_name(
    path: Path, edit: Callable[[Lines], Lines], error: type[RunError], message: str
) -> None:
    """With its line and what to do; what is wrong within a line is told in the words of the decoder."""
    lines = a_run(path).read_text().splitlines(keepends=True)
    path.write_text("".join(edit(lines)), errors="surrogateescape")
    with pytest.raises(error, match=rf"run\.jsonl{message}"):
        read_run(path)


def test_a_file_that_is_not_there_is_named_with_the_command_that_writes_it(path: Path) -> None:
    """An error of ours, with its remedy."""
    why = re.escape(os.strerror(errno.ENOENT))
    message = rf"run\.jsonl: can't read it: {why}; `pytest cases --record .*run\.jsonl` writes it"
    with pytest.raises(NotARun, match=message):
        read_run(path)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one committed file."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("no git here")
    (tmp_path / "known.py").touch()
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "known.py"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run([git, "-C", str(tmp_path), *words], check=True)
    return tmp_path


def test_the_commit_is_marked_where_files_differ_from_it(repository: Path) -> None:
    """Numbers from changed code aren't numbers of the commit."""
    clean = commit(repository / "known.py")
    assert clean is not None
    assert len(clean) == 40
    (repository / "known.py").write_text("changed = True\n")
    assert commit(repository / "known.py") == f"{clean}+dirty"


def test_a_file_outside_a_commit_has_none(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package installed below somebody else's repository isn't part of theirs."""
    (repository / "installed.py").touch()
    assert commit(repository / "installed.py") is None
    assert commit(tmp_path_factory.mktemp("nowhere") / "x.py") is None


def test_where_a_link_stands_the_file_that_it_leads_to_is_written(tmp_path: Path) -> None:
    """As if it were opened."""
    target, link = tmp_path / "far" / "run.jsonl", tmp_path / "latest.jsonl"
    a_run(target)
    link.symlink_to(target)
    a_run(link, cells=1)
    assert link.is_symlink()
    assert len(read_run(target).cells) == 1
