"""Shards: whatever is selected, each cell is in exactly one, and together they are the run that was not sharded."""

import errno
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.run import shard
from gradient_conformance.harness.run.reading import read_run
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
FAKES = ROOT / "tests" / "fakes"
CASE = """
title = "A tiny layer"
source = "A test of the harness"
program = '''
z = W @ x
loss = sum(z * z)
'''
gradients = ["W", "x"]

[tensors]
W = { shape = [2, "k"], linspace = [0, 1] }
x = { shape = ["k"], full = 1 }

[sweep]
k = [1, 3, 4]

[[expect]]
value = "loss"
is = "1"
variant = "k:1"

[[expect]]
value = "loss"
is = "6.12"
variant = "k:3"
"""
UNITS = st.sets(st.text(min_size=1, max_size=20).map("case::{}".format), max_size=60)
COUNTS = st.integers(1, 20)
SECONDS = st.dictionaries(st.integers(0, 99).map("case::k:{}".format), st.integers(0, 10**9), max_size=60)


def parts(units, count, moved=()):
    return [
        {u for u in units if shard.Shard(index, count, dict(moved)).of(u) == index}
        for index in range(1, count + 1)
    ]


@given(units=UNITS, count=COUNTS, seconds=SECONDS)
def test_every_unit_is_in_exactly_one_shard(units, count, seconds):
    units |= set(seconds)
    for moved in ({}, shard.balanced(seconds, count)):
        dealt = Counter(u for part in parts(units, count, moved) for u in part)
        assert dealt == dict.fromkeys(units, 1)


@given(seconds=SECONDS, count=COUNTS, data=st.data())
def test_the_order_of_the_lines_and_the_machine_do_not_matter(seconds, count, data):
    shuffled = dict(data.draw(st.permutations(list(seconds.items()))))
    assert shard.balanced(shuffled, count) == shard.balanced(seconds, count)


def test_a_shard_stays_what_it_is_from_one_version_to_the_next():
    """Kept caches and earlier runs rely on it."""
    found = [shard.Shard(1, 8).of(f"notebooks/two_branches::k:{k}") for k in (3, 16, 64)]
    assert found == [5, 1, 2]


@given(seconds=SECONDS, count=COUNTS)
def test_balancing_never_makes_the_largest_shard_larger(seconds, count):
    def largest(moved):
        return max(sum(seconds[u] for u in part) for part in parts(seconds, count, moved))

    assert largest(shard.balanced(seconds, count)) <= largest({})


@pytest.mark.parametrize("count", [2, 4, 8])
def test_shards_are_balanced_within_a_twentieth_and_few_units_move(count):
    """Seconds as they are: most cells take a hundredth of what the slowest take."""
    draw = random.Random(1)
    seconds = {f"case::k:{k}": round(1e5 * draw.lognormvariate(0, 1)) for k in range(400)}
    moved = shard.balanced(seconds, count)
    loads = [sum(seconds[u] for u in part) for part in parts(seconds, count, moved)]
    assert max(loads) <= 1.05 * statistics.mean(loads)
    assert len(moved) <= len(seconds) / 10


def test_one_unit_that_outweighs_all_others_stands_alone_and_ends_the_balancing():
    seconds = {"huge::": 10**9} | {f"case::k:{k}": 10**6 for k in range(40)}
    dealt = parts(seconds, 4, shard.balanced(seconds, 4))
    assert {"huge::"} in dealt


def test_what_an_earlier_run_does_not_know_stays_where_its_digest_puts_it():
    seconds = {f"case::k:{k}": 10**k for k in range(9)}
    balanced = shard.Shard(1, 4, shard.balanced(seconds, 4))
    assert all(balanced.of(f"new::{k}") == shard.Shard(1, 4).of(f"new::{k}") for k in range(50))


@pytest.mark.parametrize(
    "text", ["0/8", "9/8", "a/b", "1/0", "3", "3/8/1", "-1/8", "1/10000", "", "³/8", "1/8\n"]
)
def test_a_shard_that_there_is_none_of_is_one_message(text):
    with pytest.raises(shard.ShardError, match=r"a shard is given as INDEX/COUNT.* such as 3/8"):
        shard.parse(text)


HEADER = '{"kind":"header","format":1}\n'
CELL = '{"kind":"cell","cell":"c::k:1-float32-torch-eager","case":"c","variant":"k:1","seconds":0.5}\n'


@pytest.mark.parametrize("end", ["", CELL[:40], '{"kind":"footer"}\n'])
def test_seconds_of_an_interrupted_run_are_as_good_and_those_of_a_variant_are_added_up(tmp_path, end):
    file = tmp_path / "run.jsonl"
    file.write_text(HEADER + CELL + CELL.replace("torch", "jax") + end)
    assert shard.read_seconds(file) == {"c::k:1": 1_000_000}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, f"can't read it: {os.strerror(errno.ENOENT)}"),
        ("", "no cell is in it"),
        (HEADER, "no cell is in it"),
        (CELL, "a run begins with its header"),
        ("half", ":1: not a line of a run"),
        (HEADER + "not JSON\n" + CELL, ":2: not a line of a run"),
        (HEADER + CELL.replace("0.5", "-1"), ":2: not a line of a run"),
        (HEADER + CELL.replace("0.5", '"x"'), ":2: not a line of a run"),
    ],
)
def test_a_file_that_has_no_seconds_is_one_message(tmp_path, text, words):
    file = tmp_path / "run.jsonl"
    if text is not None:
        file.write_text(text)
    with pytest.raises(shard.ShardError, match=words):
        shard.read_seconds(file)


@pytest.fixture
def matrix(pytester, tmp_path_factory, monkeypatch):
    """Runs pytest on a case of three variants with fakes; gives the outcome."""
    pytester.makeini("[pytest]")
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(FAKES, elsewhere / "fakes")
    case = elsewhere / "my_cases" / "tiny" / "layer.toml"
    case.parent.mkdir(parents=True)
    case.write_text(CASE)

    def run(*options, frameworks=("faultless", "negates"), record="whole.jsonl"):
        runner = pytester.runpytest_subprocess if "-n2" in options else pytester.runpytest_inprocess
        return runner(
            f"--cases={elsewhere / 'my_cases'}",
            f"--adapters={elsewhere / 'fakes' / 'adapters'}",
            *(f"--framework={name}" for name in frameworks),
            *(f"--interpreter={name}={sys.executable}" for name in frameworks),
            *([f"--record={record}"] if record else []),
            *options,
        )

    run.path, run.adapters = pytester.path, elsewhere / "fakes" / "adapters"
    return run


def shards(matrix, count, *options):
    """Every shard's outcome and the run files that were written."""
    outcomes = [matrix(f"--shard={i}/{count}", *options, record=f"{i}.jsonl") for i in range(1, count + 1)]
    files = [matrix.path / f"{i}.jsonl" for i in range(1, count + 1)]
    return outcomes, [str(file) for file in files if file.exists()]


def facts(file):
    """A run's cells and totals, sorted, without times."""
    run = read_run(Path(file))
    cells = sorted(json.dumps({**json.loads(line), "seconds": 0}) for line in Path(file).read_text().splitlines() if '"kind":"cell"' in line)  # fmt: skip
    return cells, run.abouts, run.footer.totals, run.header.frameworks


@pytest.mark.parametrize("options", [[], ["-n2"], ["--shard-seconds=whole.jsonl"]])
def test_merged_shards_are_the_whole_run_and_empty_ones_are_no_error(matrix, options, capsys):
    """Three variants in five shards."""
    matrix()
    outcomes, files = shards(matrix, 5, *options)
    assert 2 <= len(files) <= 3
    for index, outcome in enumerate(outcomes, 1):
        if str(matrix.path / f"{index}.jsonl") not in files:
            assert outcome.ret == pytest.ExitCode.OK
            outcome.stdout.fnmatch_lines(
                [f"shard {index}/5 has none of the 12 cells: there is no run file of it"]
            )
    assert main(["merge", *files, f"--record={matrix.path / 'merged.jsonl'}"]) == 0
    assert facts(matrix.path / "merged.jsonl") == facts(matrix.path / "whole.jsonl")
    assert "--shard=" in " ".join(read_run(matrix.path / "merged.jsonl").header.command)
    assert main(["merge", *files[1:], f"--record={matrix.path / 'less.jsonl'}"]) == 2
    first = read_run(Path(files[0])).footer.part.index
    assert f"whose shards {first}/5 are not among the runs" in capsys.readouterr().err


def test_an_interrupted_shard_goes_on_and_is_merged_as_if_nothing_had_happened(matrix):
    matrix()
    _, files = shards(matrix, 2)
    lines = Path(files[0]).read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"kind":"header"' in line]
    kept += [line for line in lines if '"kind":"cell"' in line][:1]
    Path(files[0]).write_text("".join(kept))
    matrix("--shard=1/2", f"--resume={files[0]}", record=None)
    assert Path(files[0]).read_text().startswith("".join(kept))
    assert main(["merge", *files, f"--record={matrix.path / 'merged.jsonl'}"]) == 0
    assert facts(matrix.path / "merged.jsonl") == facts(matrix.path / "whole.jsonl")


def test_another_shard_cannot_go_on_with_a_run_of_this_one(matrix):
    _, files = shards(matrix, 2)
    before = Path(files[0]).read_text()
    Path(files[0]).write_text("".join(before.splitlines(keepends=True)[:-1]))
    outcome = matrix("--shard=2/2", f"--resume={files[0]}", record=None)
    assert outcome.ret != pytest.ExitCode.OK
    outcome.stderr.fnmatch_lines(["*has cells that are not selected now*"])


def test_checks_of_the_reference_and_stale_entries_are_in_one_shard_each(matrix):
    """A ledger entry is held against the cells of all shards, and what matches none fails once."""
    entry = '[[deviation]]\ncell = "{}"\nversion = ">=1"\nused = [1, 1e300]\nreason = "r"\nevidence = "e"\n'
    ledger = entry.format("tiny/layer::k:3-*") + entry.format("tiny/gone::*")
    (matrix.adapters / "negates" / "deviations.toml").write_text(ledger)
    outcomes, _ = shards(matrix, 2)
    totals = Counter()
    for outcome in outcomes:
        totals.update(outcome.parseoutcomes())
    assert (totals["passed"], totals["xfailed"], totals["failed"]) == (6 + 2, 2, 4 + 1)
    told = [line for o in outcomes for line in o.outlines if "matches no cell of negates" in line]
    assert len(told) == 1
    assert "tiny/gone" in told[0]


def test_k_selects_and_lf_repeats_within_a_shard(matrix):
    """What -k and --lf leave out moves nothing to another shard."""
    every, narrow = (
        {(i, n) for i, o in enumerate(shards(matrix, 3, "--collect-only", "-q", *more)[0]) for n in o.outlines if "layer.toml::" in n}
        for more in ([], ["-k", "float32"])
    )  # fmt: skip
    assert narrow == {(i, n) for i, n in every if "float32" in n}
    outcome = matrix("--shard=1/3")
    failed = outcome.parseoutcomes()["failed"]
    again = matrix("--shard=1/3", "--lf")
    assert again.parseoutcomes()["failed"] == failed
    assert "passed" not in again.parseoutcomes()


def test_a_selection_of_nothing_stays_an_error_in_every_shard(matrix):
    outcomes, files = shards(matrix, 2, "-k", "nothing_of_this_name")
    assert [o.ret for o in outcomes] == [pytest.ExitCode.NO_TESTS_COLLECTED] * 2
    assert not files


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--shard=9/8"], "a shard is given as INDEX/COUNT"),
        (["--shard-seconds=run.jsonl"], "say which to run, such as --shard=3/8"),
        (["--shard=1/2", "--shard-seconds=gone.jsonl"], "gone.jsonl: can't read it"),
    ],
)
def test_a_wrong_option_is_one_message_before_anything_runs(matrix, options, words):
    outcome = matrix(*options)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines([f"*{words}*"])
    assert "Traceback" not in outcome.stderr.str() + outcome.stdout.str()


def test_tests_that_are_no_cells_are_in_every_shard(matrix):
    (matrix.path / "test_own.py").write_text("def test_own(): pass\n")
    outcomes, _ = shards(matrix, 2, "--collect-only", "-q", "test_own.py")
    assert all("test_own.py::test_own" in o.outlines for o in outcomes)


def test_the_hash_of_python_has_no_part_in_it():
    code = "from gradient_conformance.harness.run import shard; print([shard.Shard(1, 8).of(f'case::{k}') for k in range(99)])"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, cwd=ROOT
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1
