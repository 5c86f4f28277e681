"""How often is a correct framework called wrong? Random programs through the engine, as a whole and call by call.

    python -m benchmarks.studies.correct_called_wrong 500 --framework=torch,tensorflow,mxnet
    python -m benchmarks.studies.correct_called_wrong 60 --judge=calls --kinds=network,dag,sums --framework=jax --mode=all

N programs of each kind: `network` as `harness power` draws them, the kinds of `harness.power.programs`, and those of all
rows that take part in networks (`harness.power.architectures`). For each
framework, mode and dtype: the verdicts, the largest `used` of the cells that agree, and what is wrong in the others. A
cell may agree by its calls alone: each is right at its own numbers, a branch or a choice at a kink moved the whole.

With `--judge=calls` also how many results were judged by themselves, and every call that is wrong in some cell, with
the ledger's entry that knows it. What no entry knows has to be shown apart, with mpmath, to be the framework's.
`--keep DIR` leaves the case files there, for `harness explain`. Interrupted, it reports of the cells that it has.
"""

import contextlib
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gradient_conformance.harness import ROOT
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.engine import Engine
from gradient_conformance.harness.frameworks.found import DEVIATIONS
from gradient_conformance.harness.ledger.reading import load as load_ledger
from gradient_conformance.harness.plan import Cell, Selection, cells
from gradient_conformance.harness.power.architectures import ARCHITECTURES
from gradient_conformance.harness.power.networks import network
from gradient_conformance.harness.power.programs import PROGRAMS
from gradient_conformance.harness.run.lines import CallLine, CellLine
from gradient_conformance.harness.run.provenance import header
from gradient_conformance.harness.run.writing import RunWriter
from gradient_conformance.harness.verdict import Verdict

from .. import common
from ..figures.measuring import interpreter_of, known_frameworks

KINDS = {"network": lambda seed: network(seed).text, **PROGRAMS, **ARCHITECTURES}


@dataclass(frozen=True)
class Told:
    """A cell's line, and how many of its results were judged by themselves."""

    line: CellLine
    judged: int

    @property
    def kind(self) -> str:
        return self.line.case.rpartition("_")[0]


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument(
        "programs", type=int, nargs="?", default=100, help="how many of a kind (default: 100)"
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--kinds", default="network", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--framework", default="torch,tensorflow,jax,mxnet")
    parser.add_argument(
        "--mode", default="", help="modes of the frameworks, or all (default: the first of each)"
    )
    parser.add_argument("--judge", choices=("whole", "calls"), default="whole")
    parser.add_argument("--record", type=Path, default=Path("reports/correct_called_wrong.jsonl"))
    parser.add_argument("--keep", type=Path, help="leave the case files here")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + (2 if arguments.quick else arguments.programs))
    wanted = Selection(_words(arguments.framework), modes=_words(arguments.mode))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.keep or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        paths = [_written(root, kind, seed) for seed in seeds for kind in _words(arguments.kinds)]
        variants = [variant for path in paths for variant in load(path, root).variants]
        chosen = list(cells(variants, list(known_frameworks().values()), wanted))
        found = list[Told]()
        with contextlib.suppress(KeyboardInterrupt):
            for told in _run(chosen, arguments.record, every_call=arguments.judge == "calls"):
                found.append(told)
    with common.kept("correct_called_wrong", "benchmarks.studies.correct_called_wrong", arguments.write):
        print("\n".join(report(found)))
        if len(found) < len(chosen):
            print(f"interrupted: {len(chosen) - len(found)} of {len(chosen)} cells were not run")


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)


def _written(root: Path, kind: str, seed: int) -> Path:
    path = root / f"{kind}_{seed:05}.toml"
    path.write_text(KINDS[kind](seed), encoding="utf-8")
    return path


def _run(chosen: Sequence[Cell], record: Path, *, every_call: bool) -> Iterator[Told]:
    """Every cell in turn, recorded as it is judged: `harness report` shows the run."""
    known = known_frameworks().values()
    ledgers = {f.name: load_ledger(f.folder / DEVIATIONS, f.name) for f in known}
    names = sorted({cell.framework.name for cell in chosen})
    record.parent.mkdir(parents=True, exist_ok=True)
    start = header(harness="", roots=[], command=[], frameworks=names)
    engine = Engine(interpreter_of, ledgers, every_call=every_call)
    with contextlib.closing(engine), RunWriter(record, start) as writer:
        engine.submit(chosen)
        for cell in chosen:
            line, examination = engine.looked_into(cell)
            writer.cell(line)
            yield Told(line, sum(len(step.judged.used) for step in examination.steps))
        writer.footer(len(chosen))


def report(found: Sequence[Told]) -> Iterator[str]:
    yield f"{datetime.now(UTC):%Y-%m-%d}, {common.machine()}"
    columns = defaultdict(list)
    for told in found:
        columns[told.line.framework, told.line.mode, told.line.dtype].append(told)
    for name, here in sorted(columns.items()):
        yield from _column(" ".join(name), here)


def _column(name: str, here: Sequence[Told]) -> Iterator[str]:
    """Verdicts of one framework, mode and dtype, kind by kind, and what is wrong in it."""
    yield name
    for kind in dict.fromkeys(told.kind for told in here):
        some = [told for told in here if told.kind == kind]
        counts = Counter(told.line.verdict for told in some)
        agreeing = [t.line.used or 0.0 for t in some if t.line.verdict is Verdict.AGREE]
        whole = [used for used in agreeing if used <= 1]
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
        judged, calls = sum(t.judged for t in some), [call for t in some for call in t.line.calls]
        by_calls = f"; {judged} results judged, {len(calls)} wrong" if judged else ""
        kinks = f" ({len(agreeing) - len(whole)} of them by their calls alone)" if whole != agreeing else ""
        largest = max(whole, default=0)
        yield f"  {kind}: {verdicts}{kinks}; largest used of those that agree as a whole {largest:.2f}{by_calls}"
    causes = Counter(_cause(call) for told in here for call in told.line.calls)
    yield from (f"    {n:4d} × {cause}" for cause, n in causes.most_common())
    for told in here:
        if told.line.verdict is Verdict.DISAGREE or any(not call.entry for call in told.line.calls):
            yield f"    {told.line.verdict}  {told.line.cell}  {_unknown(told.line)}"


def _cause(call: CallLine) -> str:
    """What is wrong, by op and phase, with the entry that knows it."""
    what = " ".join(word for word in (call.op, call.phase) if word) or call.place
    known = f"known, {call.entry.removeprefix(f'{ROOT}/')}" if call.entry else "not known"
    return f"{what}: {known}"


def _unknown(line: CellLine) -> str:
    """The first call that no entry knows, or the first line of what is said of the cell."""
    unknown = next((call for call in line.calls if not call.entry), None)
    if unknown is None:
        return line.message.splitlines()[0] if line.message else ""
    return f"{unknown.place}; {unknown.name} = {unknown.got}, should be {unknown.want}, {unknown.used:.3g} × tolerance"


if __name__ == "__main__":
    main()
