"""What JAX's compiling costs under other settings of XLA and of the allocator, and whether they leave its numbers alone.

    python -m benchmarks.studies.jax_compiling --rounds 2 'XLA_FLAGS=--xla_backend_optimization_level=0'

A setting is environment variables. One shard of the shipped cases runs cold, with each setting in turn and without any;
all arrays that were answered are compared bit by bit with those without. References are known beforehand, so the
seconds of the processor, of the host and its worker together, are JAX's but for about three.
"""

import argparse
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gradient_conformance.harness.run.arrays import load
from gradient_conformance.harness.run.reading import read_run

from .. import common

ROOT = Path(__file__).parents[2]
OWN = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


def seconds(setting: str, shard: str, folder: Path) -> float:
    """Seconds of the processor that a run took; it is in `folder` then, with its arrays."""
    given = dict(word.split("=", 1) for word in shlex.split(setting))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "cases", "--framework=jax"]
    files = [f"--record={folder / 'run.jsonl'}", f"--keep-arrays={folder / 'arrays'}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*command, f"--shard={shard}", *files],
        cwd=ROOT,
        env={**os.environ, **OWN, **given},
        stdout=subprocess.DEVNULL,
        check=False,  # numbers that are others may also be wrong
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def answers(folder: Path) -> dict[tuple[object, ...], bytes]:
    """Every array of a run, by cell, role, name and step."""
    return {
        (cell.cell, *key): array.tobytes()
        for cell in read_run(folder / "run.jsonl").cells
        if cell.arrays is not None
        for key, array in load(folder / cell.arrays, cell.kept).items()
    }


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("settings", nargs="*", help="variables of one setting: NAME=VALUE NAME=VALUE")
    parser.add_argument("--shard", help="of the matrix (default: 2/16, quick 2/256)")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    options.shard = options.shard or ("2/256" if options.quick else "2/16")
    kept = common.kept("jax_compiling", "benchmarks.studies.jax_compiling", options.write)
    with kept, tempfile.TemporaryDirectory() as made:
        measure(["", *options.settings], options, Path(made))


def measure(settings: Sequence[str], options: argparse.Namespace, folder: Path) -> None:
    seconds("", options.shard, folder / "references")
    taken: dict[str, list[float]] = {setting: [] for setting in settings}
    found: dict[str, dict[tuple[object, ...], bytes]] = {}
    for number in range(1 if options.quick else options.rounds):
        for place, setting in enumerate(settings):
            run = folder / f"{number}-{place}"
            taken[setting].append(seconds(setting, options.shard, run))
            found.setdefault(setting, answers(run))
    plain = found[""]
    print(f"{'setting':72} {'processor':>9} {'of plain':>8} {'other bits':>12}")
    for setting, times in taken.items():
        ratio = statistics.median(own / base for own, base in zip(times, taken[""], strict=True))
        other = sum(plain.get(key) != array for key, array in found[setting].items())
        print(
            f"{setting or 'none':72} {statistics.median(times):7.1f} s {ratio:8.2f} {other:5} of {len(plain)}"
        )


if __name__ == "__main__":
    main()
