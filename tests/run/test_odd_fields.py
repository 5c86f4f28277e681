"""A run file in which any field is odd: refused by name, or read by every command, and never a traceback."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.run.lines import Share
from gradient_conformance.harness.run.merge import merge
from gradient_conformance.harness.run.reading import read_run, read_unfinished
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, call, cell, tensor, write

LONG = "x" * 100_000
ODD = [
    -1, 0, 10**30, -1.5, 1e308, "", LONG, "\0", "../" * 40 + "etc/passwd", "::", "a\nb\x1b[31m", "9" * 5_000,
    None, True, [], {}, [-100, 0], [0] * 65, [[]],
]  # fmt: skip

KNOWN = "adapters/mxnet/deviations.toml:2: twist turns the wrong way"


@pytest.fixture
def lines(here: Path) -> list[dict[str, Any]]:
    """A run with every field set, as its lines."""
    wrong = tensor("A", 3.0, step=1, width=0.001, unjudged=1, problem="a problem")
    known = call(entry="adapters/mxnet/deviations.toml:2", note=KNOWN, tolerance=0.5, step=1)
    own = [
        cell(
            "notebooks/hostile", "k:3", "torch", Verdict.DISAGREE, 3.0, tensors=[wrong], message="m", calls=[call(step=1)],
            conventions=["c"], composed=0.5, budget=[Share(share=0.5, place="p")], content="0123", arrays="arrays/x.npz", compiling=0.1,
            first_difference="f",
        ),
        cell("ops/twist", "", "mxnet", Verdict.KNOWN_DEVIATION, 3.0, tensors=[wrong], message=KNOWN, calls=[known]),
    ]  # fmt: skip
    return [json.loads(line) for line in write(here / "base.jsonl", a_run(own)).read_text().splitlines()]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every field of a line, those inside others too."""
    if path:
        yield path
    for key, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(inner, (*path, key))


def changed(line: dict[str, Any], path: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    """The line with an odd value; a cell's id follows what it is made of."""
    line = json.loads(json.dumps(line))
    at: Any = line
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = odd
    if line["kind"] == "cell" and path[0] in ("case", "variant", "dtype", "framework", "mode"):
        variant = f"{line['variant']}-" if line["variant"] else ""
        line["cell"] = f"{line['case']}::{variant}{line['dtype']}-{line['framework']}-{line['mode']}"
    return line


COMMANDS = (
    ["report", "odd.jsonl", "--html", "page", "--json", "r.json", "--markdown", "r.md", "--junit", "r.xml", "--since", "base.jsonl"],
    ["report", "odd.jsonl"],
    ["rejudge", "odd.jsonl", "--K", "6", "--record", "again.jsonl"],
    ["rejudge", "odd.jsonl", "--arrays", "arrays", "--record", "again.jsonl"],
    ["deviations", "--propose", "odd.jsonl"],
    ["diff", "odd.jsonl", "base.jsonl"],
    ["diff", "base.jsonl", "odd.jsonl", "--format", "json"],
    ["diff", "base.jsonl", "odd.jsonl", "--format", "markdown"],
)  # fmt: skip


@pytest.mark.parametrize("number", range(7))
def test_no_command_falls_over_an_odd_field(
    here: Path, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """Whatever a field says: commands end with a code of theirs, and what refuses the file names it.

    Each is reported in all formats; of the other commands three have it, in turn.
    """
    refused, (whole, *others) = 0, COMMANDS
    turn = itertools.cycle(others)
    for path in places(lines[number]):
        for odd in ODD:
            mutated = [*lines[:number], changed(lines[number], path, odd), *lines[number + 1 :]]
            file = here / "odd.jsonl"
            file.write_text("".join(json.dumps(line) + "\n" for line in mutated))
            try:
                run = read_run(file)
                read_unfinished(file)
            except HarnessError as error:
                refused += "odd.jsonl" in str(error)
                continue
            for command in (whole, *itertools.islice(turn, 3)):
                try:
                    code = main(command)
                except Exception as error:
                    raise AssertionError(f"{command} falls over {path} = {odd!r:.100}") from error
                assert code in (0, 1, 2)
                told = capsys.readouterr()
                assert len(told.err) < 300_000, (path, odd)
            merge([(file, run)], Path("merged.jsonl"))
    assert refused
