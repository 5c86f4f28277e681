"""`harness rejudge`: a run file judged again."""

import argparse
import math
from pathlib import Path
from typing import Any

from ..errors import HarnessError
from ..frameworks.found import frameworks, shipped_adapters
from ..judging import rejudge
from ..ledger.reading import load_given
from ..reading.files import real
from ..run.reading import read_run
from .common import case_root, command, path, written


def add(commands: Any) -> None:
    text = "judge a run file again, with another K or by the rules of now, without running a framework"
    made = command(commands, "rejudge", run, text)
    made.add_argument("run_file", type=path, metavar="RUN", help="a run file, such as reports/latest.jsonl")
    made.add_argument("--K", type=float, metavar="K", help="tolerance = K sigma (default: the run's own K)")
    text = "judge from the arrays kept there (default: only other rules need any)"
    made.add_argument("--arrays", type=path, metavar="DIR", help=text)
    made.add_argument("--record", type=path, metavar="FILE", help="the new run file (default: RUN-rejudged)")
    made.add_argument("--cases", action="append", type=case_root, default=[], metavar="DIR", help="case root")
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    text = "known deviations of your own"
    made.add_argument("--deviations", action="append", type=path, default=[], metavar="FILE", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Write the run with its new verdicts and tell what changed."""
    file, old = arguments.run_file, read_run(arguments.run_file)
    new_k = old.header.K if arguments.K is None else arguments.K
    if not 0 < new_k < math.inf:
        raise HarnessError(f"--K {new_k}: must be a positive number")
    target = arguments.record or file.with_name(f"{file.stem}-rejudged{file.suffix}")
    if real(target) == real(file):
        raise HarnessError(f"--record {target}: that is the run itself; name another file")
    columns = {f.name: f for f in frameworks([shipped_adapters(), *arguments.adapters])}
    sources = rejudge.Sources(
        old,
        file,
        roots=[*arguments.cases, *map(Path, old.header.roots)],
        frameworks=columns,
        arrays=arguments.arrays,
        deviations=load_given(arguments.deviations, {*columns, *old.header.frameworks}),  # subjects too
    )
    cells = rejudge.rejudge(old, sources, new_k)
    header = rejudge.header(old, sources, new_k, ["harness", "rejudge", str(file), "--K", f"{new_k:g}"])
    rejudge.write(old, file, cells, target, header)
    print(rejudge.summary(old, header, rejudge.changes(old.cells, cells), cells))
    print(written(target, cells))
    return int(any(cell.verdict.outcome() == "failed" for cell in cells))
