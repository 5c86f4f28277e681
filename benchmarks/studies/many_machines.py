"""What a run costs on many machines, from the seconds of one that was made.

    python -m benchmarks.studies.many_machines reports/run.jsonl

Seconds are the workers' own. An even share is 1.00; no shard is smaller than the slowest variant, which stays whole.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.run.shard import Shard, balanced, read_seconds

from .. import common


def seconds_of_frameworks(file: Path) -> None:
    found: dict[str, list[float]] = defaultdict(list)
    for cell in read_run(file).cells:
        found[cell.framework].append(cell.seconds)
    print(f"{'framework':12} {'cells':>6} {'mean':>9} {'median':>9} {'99 %':>9} {'most':>9}")
    for framework, seconds in sorted(found.items()):
        figures = (statistics.mean(seconds), statistics.median(seconds), sorted(seconds)[len(seconds) * 99 // 100], max(seconds))  # fmt: skip
        print(f"{framework:12} {len(seconds):6}" + "".join(f"{1e3 * s:6.1f} ms" for s in figures))
    cells = sum(map(len, found.values()))
    print(f"{file.stat().st_size / cells:.0f} bytes of the run file a cell")


def shares(file: Path, counts: Sequence[int]) -> None:
    seconds = read_seconds(file)
    whole = sum(seconds.values())
    print(
        f"{len(seconds)} variants, {whole / 1e6:.0f} s; the slowest is {max(seconds.values()) / whole:.3f} of it"
    )
    print(f"{'largest shard / mean':24} {'by digest':>10} {'balanced':>10} {'moved':>8}")
    for count in counts:
        moved = balanced(seconds, count)
        plain, even = (largest(seconds, Shard(1, count, m)) * count / whole for m in ({}, moved))
        print(f"{count:7} shards {plain:20.2f} {even:10.2f} {len(moved):8}")


def largest(seconds: dict[str, int], shard: Shard) -> int:
    loads: dict[int, int] = defaultdict(int)
    for unit, took in seconds.items():
        loads[shard.of(unit)] += took
    return max(loads.values())


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("run", type=Path, help="a run file")
    options = parser.parse_args()
    with common.kept("many_machines", "benchmarks.studies.many_machines", options.write):
        seconds_of_frameworks(options.run)
        shares(options.run, (2, 4) if options.quick else (2, 4, 8, 16))


if __name__ == "__main__":
    main()
