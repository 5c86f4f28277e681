"""Is anything lost or doubled by a kill? Runs that are killed at random moments, and go on until they are complete.

    python -m benchmarks.studies.random_kills 40 --while=anything
    python -m benchmarks.studies.random_kills 40 --while=compiling --framework=jax
    python -m benchmarks.studies.random_kills 20 --while=keeping

Each is SIGKILL to pytest alone; what it started must end by itself. `compiling`: a framework in its compiled mode without a
cache, killed at a random moment of its run, which is mostly compiling; `keeping`: as soon as a file of arrays is half
written. After each kill the run file must be readable as far as it is, without a line twice; a run that is complete must
say what an undisturbed one says, cell by cell, and its folder of arrays must hold those of its cells and nothing else.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradient_conformance.harness import ROOT
from gradient_conformance.harness.run.arrays import OWNER, load
from gradient_conformance.harness.run.lines import EmptyRun, TruncatedRun
from gradient_conformance.harness.run.reading import read_run, read_unfinished

from .. import common

CASE = """
title = "Killed"
source = "A study of the harness"
program = '''
z = W @ x
a = sigmoid(z)
loss = sum(a * a)
'''
gradients = ["W", "x"]

[tensors]
W = {{ shape = [{rows}, "k"], uniform = [-1, 1] }}
x = {{ shape = ["k"], uniform = [-1, 1] }}

[sweep]
k = {sizes}
"""
LONG = 120.0
"""Seconds that a run may take: it takes a few."""
UNFINISHED = re.compile(r".*\.\d+")


@dataclass(frozen=True)
class Setting:
    """A folder with a case, and the command that runs it."""

    folder: Path
    words: list[str]

    def started(self, record: str) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-m",
            "pytest",
            *self.words,
            f"--resume={record}.jsonl",
            f"--keep-arrays={record}",
        ]
        environment = {**os.environ, "HARNESS_CACHE": "off", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [*command, "-q", "-p", "no:cacheprovider"], cwd=self.folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def whole(self, record: str) -> float:
        """Run to the end; the seconds that it took."""
        begun = time.monotonic()
        self.started(record).wait(LONG)
        return time.monotonic() - begun

    def lasting(self, record: str) -> list[str]:
        """A complete run's cells without what can't be the same twice."""
        alike: dict[str, Any] = {"seconds": 0, "compiling": 0, "arrays": None}
        read_run(self.folder / f"{record}.jsonl")
        lines = map(json.loads, (self.folder / f"{record}.jsonl").read_text().splitlines())
        return sorted(json.dumps({**line, **alike}) for line in lines if line["kind"] == "cell")


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=40, help="how many (default: 40)")
    parser.add_argument("--while", dest="moment", choices=MOMENTS, default="anything")
    parser.add_argument("--framework", default="faultless", help="a fake of the tests, or a framework")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    name = f"random_kills_{arguments.moment}"
    with (
        common.kept(name, "benchmarks.studies.random_kills", arguments.write),
        tempfile.TemporaryDirectory() as folder,
    ):
        print(common.machine())
        setting = _setting(Path(folder), arguments.framework, arguments.moment)
        seconds = setting.whole("undisturbed")
        kills = 2 if arguments.quick else arguments.kills
        _report(kills, *_kill(setting, kills, MOMENTS[arguments.moment], seconds))


def _setting(folder: Path, framework: str, moment: str) -> Setting:
    (folder / "cases").mkdir()
    rows, sizes = (50_000, [1, 2, 3, 4]) if moment == "keeping" else (3, [*range(1, 25)])
    (folder / "cases" / "killed.toml").write_text(CASE.format(rows=rows, sizes=sizes))
    (folder / "pytest.ini").write_text("[pytest]\nharness_cases = cases\n")
    words = ["cases", f"--framework={framework}"]
    if (ROOT / "tests" / "fakes" / "adapters" / framework).is_dir():
        words += [
            f"--adapters={ROOT / 'tests' / 'fakes' / 'adapters'}",
            f"--interpreter={framework}={sys.executable}",
        ]
    if moment == "compiling":
        words += ["--mode=jit"]
    return Setting(folder, words)


def _at_random(_setting: Setting, _record: str, process: "subprocess.Popen[bytes]", seconds: float) -> None:
    try:
        process.wait(random.uniform(0.1, 1) * seconds)  # noqa: S311
    except subprocess.TimeoutExpired:
        return


def _while_keeping(
    setting: Setting, record: str, process: "subprocess.Popen[bytes]", _seconds: float
) -> None:
    folder, skip = setting.folder / record, random.randrange(3)  # noqa: S311
    seen: set[str] = set()
    while process.poll() is None:
        seen |= _unfinished(folder)
        if len(seen) > skip:
            return


def _unfinished(folder: Path) -> set[str]:
    """The files of arrays that are half written."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names if UNFINISHED.fullmatch(name)}


Moment = Callable[[Setting, str, "subprocess.Popen[bytes]", float], None]
MOMENTS: dict[str, Moment] = {"anything": _at_random, "compiling": _at_random, "keeping": _while_keeping}


def _kill(setting: Setting, kills: int, moment: Moment, seconds: float) -> tuple[int, list[int], int]:
    """How many were killed, the cells that each had by then, and how many runs were completed."""
    wanted = setting.lasting("undisturbed")
    killed: list[int] = []
    half = runs = 0
    while len(killed) < kills:
        record = f"run{runs}"
        for _ in range(random.randrange(1, 5)):  # noqa: S311
            process = setting.started(record)
            moment(setting, record, process, seconds)
            if process.poll() is None and len(killed) < kills:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed.append(_standing(setting.folder / f"{record}.jsonl"))
                half += bool(_unfinished(setting.folder / record))
            else:
                process.wait(LONG)
        setting.whole(record)
        _check(setting, record, wanted)
        runs += 1
    return half, killed, runs


def _standing(file: Path) -> int:
    """The cells that a killed run has; what its reader refuses ends this study."""
    if not file.exists():
        return 0
    try:
        return len(read_unfinished(file).cells)
    except (EmptyRun, TruncatedRun):
        return 0


def _check(setting: Setting, record: str, wanted: list[str]) -> None:
    if (found := setting.lasting(record)) != wanted:
        raise SystemExit(
            f"{record}: {len(set(wanted) ^ set(found))} lines aren't those of an undisturbed run"
        )
    cells = read_run(setting.folder / f"{record}.jsonl").cells
    for cell in cells:
        if cell.arrays is not None:
            load(setting.folder / cell.arrays, cell.kept)
    kept = {cell.arrays.rpartition("/")[2] for cell in cells if cell.arrays is not None}
    there = {path.name for path in (setting.folder / record).iterdir()} - {OWNER}
    if kept != there:
        raise SystemExit(f"{record}: {len(kept ^ there)} files of arrays are missing or too many")


def _report(kills: int, half: int, killed: list[int], runs: int) -> None:
    print(f"{kills} kills, {runs} runs completed: nothing lost, nothing twice")
    print(f"cells done when killed: {min(killed)} to {max(killed)}, {len(set(killed))} different numbers")
    print(f"with a file of arrays half written: {half}")


if __name__ == "__main__":
    main()
