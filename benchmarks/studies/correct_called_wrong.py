"""How often is a correct framework called wrong? Random networks through the whole harness.

    python -m benchmarks.studies.correct_called_wrong 500 --framework=torch,tensorflow,mxnet
    python -m benchmarks.studies.correct_called_wrong 100 --framework=jax

Writes N random networks as case files, runs them under pytest like any others and prints, for each framework and
dtype, the verdicts, the largest `used` of the cells that agree, and every kind of disagreement with the op call at
which it begins. What of these is a framework's own (see its deviations.toml) has to be shown apart, with mpmath.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gradient_conformance.harness.power.networks import network
from gradient_conformance.harness.run.lines import CellLine, Run
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict

from .. import common

OPS = ("leaky_relu", "bce_with_logits", "bce", "cross_entropy", "softplus", "mse", "linear")


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("networks", type=int, nargs="?", default=100, help="how many (default: 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--framework", default="torch,tensorflow,jax,mxnet")
    parser.add_argument("--record", type=Path, default=Path("reports/correct_called_wrong.jsonl"))
    arguments = parser.parse_args()
    networks = 2 if arguments.quick else arguments.networks
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.first, arguments.first + networks):
            (Path(folder) / f"network_{seed:05}.toml").write_text(network(seed).text, encoding="utf-8")
        run_pytest(Path(folder), arguments.framework, arguments.record)
    with common.kept("correct_called_wrong", "benchmarks.studies.correct_called_wrong", arguments.write):
        print(report(read_run(arguments.record)))


def run_pytest(folder: Path, framework: str, record: Path) -> None:
    options = [f"--cases={folder}", f"--framework={framework}", f"--record={record.absolute()}"]
    quiet = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    subprocess.run([sys.executable, "-m", "pytest", *quiet, *options], stdout=subprocess.DEVNULL, check=False)


def report(run: Run) -> str:
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {common.machine()}"]
    lines += [f"{name} {about.get('version')}" for name, about in run.abouts.items()]
    for name in dict.fromkeys(cell.framework for cell in run.cells):
        for dtype in ("float32", "float64"):
            lines += column(name, dtype, [c for c in run.cells if (c.framework, c.dtype) == (name, dtype)])
    return "\n".join(lines)


def column(name: str, dtype: str, cells: Sequence[CellLine]) -> list[str]:
    """Verdicts of one framework and dtype, and its disagreements by the op call at which they begin."""
    counts = Counter(cell.verdict for cell in cells)
    agreeing = [cell.used for cell in cells if cell.verdict is Verdict.AGREE and cell.used is not None]
    told = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    lines = [f"{name} {dtype}: {told}; largest used of those that agree {max(agreeing, default=0):.2f}"]
    places = Counter(begins(cell) for cell in cells if cell.verdict is Verdict.DISAGREE)
    return lines + [f"    {n:4d} begin at {place}" for place, n in places.most_common()]


def begins(cell: CellLine) -> str:
    """The op at which a disagreement begins, with its direction, or the whole text where none is known."""
    text = cell.first_difference or cell.message.splitlines()[0]
    direction = "backward of " if text.startswith("backward") else ""
    return direction + next((op for op in OPS if f"{op}(" in text), text)


if __name__ == "__main__":
    main()
