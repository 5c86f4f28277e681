"""Shards: whatever is selected, each cell is in exactly one, and together they are the run that was not sharded."""

import errno
import os
import random
import statistics
from collections import Counter
from pathlib import Path

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.run import shard
from gradient_conformance.harness.run.reading import read_run
from hypothesis import given
from hypothesis import strategies as st
from matrix import TINY, cut, lasting

ROOT = Path(__file__).parents[2]
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
    """Kept caches and earlier runs rely on it: no hash of Python's, which differs from process to process."""
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
def test_seconds_of_an_interrupted_run_are_as_good(tmp_path, end):
    """And those of a variant are added up."""
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
def here(matrix):
    """The tiny case with numbers that are printed somewhere."""
    text = TINY.replace(
        'W = { shape = [3, "k"], uniform = [-1, 1] }', 'W = { shape = [3, "k"], linspace = [0, 1] }'
    )
    text = text.replace("uniform = [-1, 1]", "full = 1")
    printed = '[[expect]]\nvalue = "loss"\nis = "{}"\nvariant = "k:{}"\n'
    matrix.case.write_text(text + printed.format("1.172", 1) + printed.format("1.573", 2))
    return matrix


def run(here, *options, record="whole.jsonl"):
    recorded = [f"--record={record}"] if record else []
    return here.run("faultless", "negates", more=[*recorded, *options])


def shards(here, count, *options):
    """Every shard's outcome and the run files that were written."""
    outcomes = [run(here, f"--shard={i}/{count}", *options, record=f"{i}.jsonl") for i in range(1, count + 1)]
    files = [here.path / f"{i}.jsonl" for i in range(1, count + 1)]
    return outcomes, [file for file in files if file.exists()]


def merged(here, files, to="merged.jsonl"):
    return main(["merge", *map(str, files), f"--record={here.path / to}"])


def facts(file):
    """A run's cells and totals, sorted, without times."""
    found = read_run(file)
    return lasting(file), found.abouts, found.footer.totals, found.header.frameworks


@pytest.mark.parametrize("options", [[], ["-n2"], ["--shard-seconds=whole.jsonl"]])
def test_merged_shards_are_the_whole_run_and_empty_ones_are_no_error(here, options, capsys):
    """Three variants in five shards."""
    run(here)
    outcomes, files = shards(here, 5, *options)
    assert 2 <= len(files) <= 3
    for index, outcome in enumerate(outcomes, 1):
        if here.path / f"{index}.jsonl" not in files:
            assert outcome.ret == pytest.ExitCode.OK
            outcome.stdout.fnmatch_lines(
                [f"shard {index}/5 has none of the 12 cells: there is no run file of it"]
            )
    assert merged(here, files) == 0
    assert facts(here.path / "merged.jsonl") == facts(here.path / "whole.jsonl")
    assert "--shard=" in " ".join(read_run(here.path / "merged.jsonl").header.command)
    assert merged(here, files[1:], to="less.jsonl") == 2
    first = read_run(files[0]).footer.part.index
    assert f"whose shards {first}/5 are not among the runs" in capsys.readouterr().err


def test_an_interrupted_shard_goes_on_and_is_merged_as_if_nothing_had_happened(here):
    """And another shard can't go on with it."""
    run(here)
    _, files = shards(here, 2)
    cut(files[0], 1)
    kept = files[0].read_text()
    other = run(here, "--shard=2/2", f"--resume={files[0]}", record=None)
    assert other.ret != pytest.ExitCode.OK
    other.stderr.fnmatch_lines(["*has cells that are not selected now*"])
    run(here, "--shard=1/2", f"--resume={files[0]}", record=None)
    assert files[0].read_text().startswith(kept)
    assert merged(here, files) == 0
    assert facts(here.path / "merged.jsonl") == facts(here.path / "whole.jsonl")


def test_checks_of_the_reference_and_stale_entries_are_in_one_shard_each(here):
    """A ledger entry is held against the cells of all shards, and what matches none fails once."""
    here.entries("negates", ("tiny/layer::k:2-*", 1e300), ("tiny/gone::*", 1e300))
    outcomes, _ = shards(here, 2)
    totals = Counter()
    for outcome in outcomes:
        totals.update(outcome.parseoutcomes())
    assert (totals["passed"], totals["xfailed"], totals["failed"]) == (6 + 2, 2, 4 + 1)
    told = [line for o in outcomes for line in o.outlines if "matches no cell of negates" in line]
    assert len(told) == 1
    assert "tiny/gone" in told[0]


def test_k_selects_and_lf_repeats_within_a_shard(here):
    """What -k and --lf leave out moves nothing to another shard."""
    every, narrow = (
        {
            (index, line)
            for index, outcome in enumerate(shards(here, 3, "--collect-only", "-q", *more)[0])
            for line in outcome.outlines
            if "layer.toml::" in line
        }
        for more in ([], ["-k", "float32"])
    )
    assert narrow == {(i, n) for i, n in every if "float32" in n}
    failed = run(here, "--shard=1/3").parseoutcomes()["failed"]
    again = run(here, "--shard=1/3", "--lf").parseoutcomes()
    assert again["failed"] == failed
    assert "passed" not in again


def test_a_selection_of_nothing_stays_an_error_in_every_shard(here):
    outcomes, files = shards(here, 2, "-k", "nothing_of_this_name")
    assert [o.ret for o in outcomes] == [pytest.ExitCode.NO_TESTS_COLLECTED] * 2
    assert not files


def test_tests_that_are_no_cells_are_in_every_shard(here):
    (here.path / "test_own.py").write_text("def test_own(): pass\n")
    outcomes, _ = shards(here, 2, "--collect-only", "-q", "test_own.py")
    assert all("test_own.py::test_own" in o.outlines for o in outcomes)


def test_seconds_are_read_from_a_regular_file_alone_and_never_fall_over(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text('{"kind":"header","x":' + "[" * 100_000)
    (tmp_path / "digits").write_text('{"kind":"header"}\n{"kind":"cell","seconds":1' + "0" * 5_000 + "}\n")
    (tmp_path / "nul").write_bytes(b'{"kind":"header"}\n\0\n')
    for name in ("pipe", "deep", "digits", "nul", ".", "a\0b", "x" * 300):
        with pytest.raises(shard.ShardError, match="--shard-seconds "):
            shard.read_seconds(tmp_path / name)
    with pytest.raises(shard.ShardError, match="no regular file"):
        shard.read_seconds(Path("/dev/zero"))
