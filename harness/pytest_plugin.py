"""The matrix as pytest items: ids, -k, --lf, -x, -n and --junitxml work as people know them.

Case files below a case root are collected; no other TOML file is touched. Each item is one cell; it waits for its
own result, while the engine runs the selected cells of all frameworks side by side.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import astuple
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from harness import __version__, arrays, cache, interpreters, record, shard
from harness.case import Case, load
from harness.deviations import Ledger, load_given
from harness.deviations import load as load_ledger
from harness.engine import Engine
from harness.errors import HarnessError
from harness.expect import check_variant
from harness.judge import Answered
from harness.plan import (
    DEVIATIONS,
    DTYPES,
    REQUIREMENTS,
    Cell,
    Framework,
    Selection,
    cells,
    frameworks,
    shipped_adapters,
    subject,
)
from harness.progress import Bars, Lines, Shown
from harness.resume import check_selected, resumed
from harness.sharding import SHARDING, Sharding, part_of
from harness.summary import table
from harness.verdict import Verdict

MATRIX = pytest.StashKey["Matrix"]()
RECORDER = "gradient_conformance_recorder"
DEFAULT_RECORD = "reports/run.jsonl"
PATHS = (
    "--subject",
    "--cases",
    "--adapters",
    "--deviations",
    "--record",
    "--resume",
    "--keep-arrays",
    "--shard-seconds",
)
"""Options of ours that take a path."""

LEDGER = "ledger-"
CELL, ABOUT = "gradient_conformance_cell", "gradient_conformance_about"
TALLY = "gradient_conformance_references"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gradient conformance")
    lists: dict[str, Any] = {"action": "append", "default": [], "metavar": "NAME"}
    group.addoption("--framework", help="only these frameworks (repeat, or separate by commas)", **lists)
    group.addoption("--dtype", help="only these dtypes", **lists)
    group.addoption(
        "--mode", help="these modes instead of each framework's default; all: every mode", **lists
    )
    group.addoption("--require", help="frameworks that must not be absent; all: every one", **lists)
    group.addoption(
        "--subject", action="append", default=[], metavar="FILE.py", help="your own code as a column"
    )
    group.addoption(
        "--shard", metavar="3/8", help="only this part of the matrix; `harness merge` joins the parts"
    )
    group.addoption(
        "--shard-seconds",
        metavar="RUN.jsonl",
        help="balance the shards by the seconds of this earlier run (the same file for every shard)",
    )
    group.addoption("--record", metavar="FILE", help=f"where the run file goes (default: {DEFAULT_RECORD})")
    group.addoption("--resume", metavar="RUN", help="go on with an interrupted run: its run file")
    group.addoption(
        "--keep-arrays",
        metavar="DIR",
        help="keep what frameworks answer, for `harness rejudge` by other rules",
    )
    group.addoption(
        "--deviations",
        action="append",
        default=[],
        metavar="FILE",
        help="known deviations of your own, for any framework",
    )
    group.addoption("--cases", action="append", default=[], metavar="DIR", help="one more case root")
    group.addoption(
        "--adapters", action="append", default=[], metavar="DIR", help="one more folder of adapters"
    )
    group.addoption(
        "--interpreter", action="append", default=[], metavar="NAME=COMMAND", help="a framework's interpreter"
    )
    group.addoption(
        "--cell-timeout", type=float, default=120.0, metavar="SECONDS", help="most a cell may take"
    )
    group.addoption(
        "--no-cache",
        action="store_true",
        help="compute every reference anew, and keep none (see `harness cache`)",
    )
    parser.addini("harness_cases", "case roots, relative to this file", type="paths", default=[])
    parser.addini("harness_adapters", "further folders of adapters", type="paths", default=[])
    parser.addini("harness_interpreters", "lines NAME = COMMAND: a framework's interpreter", type="linelist")


def split(values: Sequence[str]) -> tuple[str, ...]:
    """`--framework torch,jax --framework mxnet`: both ways to give several."""
    return tuple(word for value in values for word in value.split(",") if word)


class Matrix:
    """What one pytest session runs: frameworks, interpreters, ledgers, the engine and the run file."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        option = config.option
        self.roots = case_roots(config)
        folders = [shipped_adapters(), *config.getini("harness_adapters"), *map(Path, option.adapters)]
        self.frameworks = frameworks(folders)
        for path in option.subject:
            self.frameworks.append(subject(config.invocation_params.dir / path, self.frameworks))
        self.selection = Selection(split(option.framework), split(option.dtype), split(option.mode))
        self.selection.check(self.frameworks)
        if option.resume and option.record:
            raise HarnessError("--resume goes on with its own run file: leave --record out")
        if mine := given_shard(config):
            config.pluginmanager.register(Sharding(mine), SHARDING)
        self.required = split([*option.require, os.environ.get("HARNESS_REQUIRE", "")])
        paths = [config.invocation_params.dir / path for path in option.deviations]
        self.deviations = load_given(paths, [f.name for f in self.frameworks])
        self.ledgers = {f.name: self._ledger(f).joined(self.deviations) for f in self.frameworks}
        self.named_interpreters = dict(
            interpreters.assignment(line) for line in config.getini("harness_interpreters")
        )
        self.given_interpreters = dict(interpreters.assignment(text) for text in option.interpreter)
        self.cache = None if option.no_cache else cache.given()
        self.engine: Engine | None = None
        self.sent: set[str] = set()

    def header(self) -> record.Header:
        """The header of this session's run."""
        return record.header(
            harness=__version__,
            roots=[str(root) for root in self.roots],
            command=["pytest", *self.config.invocation_params.args],
            frameworks=[f.name for f in self.selection.of(self.frameworks)],
        )

    @cached_property
    def done(self) -> record.Unfinished | None:
        """What stands of the run that is resumed; None where none is."""
        if self.config.option.resume is None:
            return None
        return resumed(record_path(self.config), self.header(), self.roots)

    @cached_property
    def recorded(self) -> dict[str, record.Cell]:
        """The cells that the resumed run has, by id."""
        return {} if self.done is None else {cell.cell: cell for cell in self.done.cells}

    def cells(self, case: Case) -> Iterator[Cell]:
        return cells(case.variants, self.frameworks, self.selection)

    def engine_for(self, item: "CellItem") -> Engine:
        """The engine, with the item's cell on its way.

        The first item sends every selected cell. Under xdist the selection is spread over processes by framework,
        so the first item of a framework sends that framework's cells.
        """
        if self.engine is None:
            self.engine = Engine(
                self._interpreter,
                self.ledgers,
                self.config.option.cell_timeout,
                self._keep_arrays(),
                self.cache,
            )
        name = item.cell.framework.name
        if name not in self.sent:
            items = (i.cell for i in item.session.items if isinstance(i, CellItem))
            selected = [cell for cell in items if cell.id not in self.recorded]
            if is_xdist_worker(self.config):
                selected = [cell for cell in selected if cell.framework.name == name]
            self.sent.update(cell.framework.name for cell in selected)
            self.engine.submit(selected)
        return self.engine

    def requires(self, framework: str) -> bool:
        return "all" in self.required or framework in self.required

    def unmatched(self, framework: Framework) -> list[str]:
        """Messages of ledger entries that match no cell of any case, selected or not.

        The ledgers shipped here speak of the cases shipped here: without those they are not asked. Those that the
        user gives always are.
        """
        ledger, shipped = self.ledgers[framework.name], shipped_adapters()
        if framework.folder.parent == shipped and shipped.with_name("cases") not in self.roots:
            ledger = Ledger(framework.name).joined(self.deviations)
        if not ledger.entries:
            return []
        every = Selection(modes=("all",))
        found = (load(path, root) for root in self.roots for path in sorted(root.rglob("*.toml")))
        return ledger.unmatched(c.id for case in found for c in cells(case.variants, [framework], every))

    def _keep_arrays(self) -> Callable[[str, Answered], str] | None:
        """Writes a cell's arrays and gives their file as the run file names it; None where none are kept."""
        folder = arrays_folder(self.config)
        if folder is None:
            return None
        file = record_path(self.config)
        return lambda cell_id, found: arrays.relative(arrays.keep(folder, cell_id, found), file)

    def _ledger(self, framework: Framework) -> Ledger:
        return load_ledger(framework.folder / DEVIATIONS, framework.name)

    def _interpreter(self, framework: Framework) -> interpreters.Interpreter | interpreters.Absent:
        if framework.subject is not None and framework.name not in self.given_interpreters:
            return interpreters.Interpreter((sys.executable,), "the running interpreter")
        return interpreters.find(
            framework.name,
            option=self.given_interpreters.get(framework.name),
            ini=self.named_interpreters,
            requirements=framework.folder / REQUIREMENTS,
            environ=os.environ,
            toxworkdir=Path(os.environ.get("TOX_WORK_DIR", self.config.rootpath / ".tox")),
        )


def given_shard(config: pytest.Config) -> shard.Shard | None:
    """The shard that was asked for. Raises HarnessError for one that there is none of."""
    text, seconds = config.option.shard, config.option.shard_seconds
    if text is None and seconds is not None:
        raise HarnessError("--shard-seconds: balances shards; say which to run, such as --shard=3/8")
    if text is None:
        return None
    return shard.parse(text, seconds and config.invocation_params.dir / seconds)


def matrix_of(config: pytest.Config) -> Matrix:
    """The session's matrix, made when the first case file is met. Raises UsageError for wrong options."""
    if MATRIX not in config.stash:
        try:
            config.stash[MATRIX] = Matrix(config)
        except HarnessError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[MATRIX]


def case_roots(config: pytest.Config) -> list[Path]:
    """Where case files are looked for: the ini file's folders and those given by `--cases`."""
    given = [config.invocation_params.dir / path for path in config.option.cases]
    return [Path(path).resolve() for path in (*config.getini("harness_cases"), *given)]


def record_path(config: pytest.Config) -> Path:
    """Where the run file goes; the same in every process of xdist."""
    given = config.option.resume or config.option.record
    return config.invocation_params.dir / given if given else config.rootpath / DEFAULT_RECORD


def arrays_folder(config: pytest.Config) -> Path | None:
    """Where arrays are kept; None where none are."""
    given = config.option.keep_arrays
    return None if given is None else config.invocation_params.dir / given


def root_of(path: Path, roots: Sequence[Path]) -> Path | None:
    """The case root that a file lies in; the innermost where roots are nested."""
    inside = [root for root in roots if path.is_relative_to(root)]
    return max(inside, key=lambda root: len(root.parts), default=None)


def is_xdist_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.cases and config.args_source is not config.ArgsSource.ARGS:
        config.args[:] = [str(config.invocation_params.dir / path) for path in config.option.cases]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Wrong options are found before anything is collected."""
    if case_roots(session.config):
        matrix_of(session.config)
    elif session.config.inipath is None and (option := _separate_path(session.config.invocation_params.args)):
        message = f"no ini file with harness_cases was found; write {option}=PATH with an equals sign"
        raise pytest.UsageError(f"{message}: pytest looks for its ini file near paths that stand alone")


def _separate_path(args: Sequence[str]) -> str | None:
    """An option of ours whose path is an argument of its own."""
    return next(
        (arg for arg in args if arg in PATHS),
        None,
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "CaseFile | None":
    if file_path.suffix != ".toml":
        return None
    root = root_of(file_path, case_roots(parent.config))
    return None if root is None else CaseFile.from_parent(parent, path=file_path, root=root)


class CaseFile(pytest.File):
    """A case file; a mistake in it is one message."""

    def __init__(self, *, root: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = root

    def collect(self) -> Iterator[pytest.Item]:
        matrix = matrix_of(self.config)
        case = load(self.path, self.root)
        for variant in case.variants:
            if any(expect.applies(variant) for expect in case.expects):
                name = f"{variant.id}-reference" if variant.id else "reference"
                yield ExpectItem.from_parent(self, name=name, case=case, variant=variant)
        for cell in matrix.cells(case):
            yield CellItem.from_parent(self, name=cell.name, cell=cell)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002
        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class Failed(Exception):
    """A cell that failed; its text is all there is to say."""


class _Item(pytest.Item):
    unit: str
    """What decides on the item's shard (harness/sharding.py)."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, Failed | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)


class ExpectItem(_Item):
    """The reference against numbers that are printed elsewhere."""

    def __init__(self, *, case: Case, variant: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case, self.variant = case, variant
        self.unit = shard.unit(case.name, variant.id)
        self.extra_keyword_matches.add(f"{case.name}::{self.name}")

    def runtest(self) -> None:
        if failures := check_variant(self.variant, self.case.expects):
            raise Failed("\n".join(failure.message for failure in failures))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.case.name}::{self.name}"


class CellItem(_Item):
    """One cell of the matrix."""

    def __init__(self, *, cell: Cell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.unit = shard.unit(cell.case, cell.variant.id)
        self.extra_keyword_matches.add(cell.id)

    def runtest(self) -> None:
        matrix = matrix_of(self.config)
        line = matrix.recorded.get(self.cell.id) or self.run(matrix)
        self.conclude(line, required=matrix.requires(self.cell.framework.name))

    def run(self, matrix: Matrix) -> record.Cell:
        """Run the cell; its line is handed to whoever writes the run file."""
        engine = matrix.engine_for(self)
        line = engine.result(self.cell)
        self.user_properties.append((CELL, record.encode(line).decode()))
        if about := engine.about(self.cell.framework.name):
            self.user_properties.append((ABOUT, json.dumps([self.cell.framework.name, about])))
        return line

    def conclude(self, line: record.Cell, *, required: bool) -> None:
        match line.verdict.outcome(required=required):
            case "skipped":
                pytest.skip(f"{line.verdict}: {line.message}")
            case "xfailed":
                pytest.xfail(line.message)
            case "failed":
                raise Failed(self.describe(line))

    def describe(self, line: record.Cell) -> str:
        """The verdict, what was found and allowed, where it begins, and the line that repeats it."""
        lines = [f"{line.verdict}  {line.cell}", *(f"  {text}" for text in line.message.splitlines())]
        if line.first_difference:
            lines.append(f"  first difference: {line.first_difference}")
        file = os.path.relpath(self.path, self.config.invocation_params.dir)
        option = self.config.option
        extra = "".join(f" --subject={path}" for path in option.subject)
        extra += "".join(f" --deviations={path}" for path in option.deviations)
        return "\n".join([*lines, f"  repeat: pytest '{file}::{self.name}'{extra}"])

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.cell.id


class LedgerItem(_Item):
    """Ledger entries that match nothing: they outlived their reason, or never had one."""

    def __init__(self, *, messages: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.messages = messages
        self.unit = self.name

    def runtest(self) -> None:
        raise Failed("\n".join(f"{Verdict.STALE}  {message}" for message in self.messages))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.config.rootpath, None, self.name


def _progress(config: pytest.Config, ids: Sequence[str]) -> Shown | None:
    """Who shows how far the run is; None where `-q` or `-v` say that it isn't wanted, or already there.

    Bars share a terminal with nobody who writes dots, so they need a run of cases alone.
    """
    if config.option.verbose:
        return None
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    totals = Counter(name for name in map(framework_in, ids) if name is not None)
    if reporter.isatty and all(".toml" in nodeid or LEDGER in nodeid for nodeid in ids):
        reporter.showfspath = reporter._show_progress_info = False  # noqa: SLF001  (there is no other switch)
        return Bars(Console(file=reporter._tw._file, force_terminal=True), totals)  # noqa: SLF001
    return Lines(reporter.write_line, totals)


def _told(done: record.Unfinished | None, planned: int) -> str:
    """How much of a run is there when it goes on."""
    if done is None:
        return "nothing of a run is there, so it begins"
    again = f"; {done.dropped} are run again, since they were absent or their case has changed" * bool(
        done.dropped
    )
    return f"the run goes on with {len(done.cells)} of {planned} cells done{again}"


class Recorder:
    """Writes the run file from test reports, so that it is written in one place with or without xdist."""

    def __init__(self, config: pytest.Config, ids: Sequence[str]) -> None:
        """`ids` are those of all selected items, some of which are cells."""
        nodes = [nodeid for nodeid in ids if framework_in(nodeid) is not None]
        self.config, self.path, self.planned = config, record_path(config), len(nodes)
        matrix = matrix_of(config)
        done = matrix.done
        if done is not None:
            check_selected(self.path, done, nodes)
        self.lines: list[record.Cell] = [] if done is None else list(done.cells)
        self.tally = matrix.cache.tally if matrix.cache else None
        self.footer: record.Footer | None = None
        header = matrix.header() if done is None else done.header
        self.writer = record.RunWriter(self.path, header, done)
        if config.option.resume:
            reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
            reporter.write_line(f"{self.path}: {_told(done, self.planned)}")
        self.progress = _progress(config, ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, value in report.user_properties:
                self.take(name, str(value))
            if self.progress and (framework := framework_in(report.nodeid)):
                self.progress.advance(framework)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, tuple[str, str, Any], tuple[str, str, Any]]:
        """Bars take the place of pytest's dots: an item without letter and word is counted and not shown."""
        status = yield
        return (status[0], "", "") if isinstance(self.progress, Bars) else status

    def take(self, name: str, value: str) -> None:
        """A property of a report: a cell's line, or what its framework tells of itself."""
        try:
            if name == ABOUT:
                self.writer.about(*json.loads(value))
            elif name == CELL:
                line = msgspec.json.decode(value, type=record.Cell)
                self.writer.cell(line)
                self.lines.append(line)
        except record.RunError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERRUPTED)

    def pytest_sessionfinish(self) -> None:
        if self.progress:
            self.progress.close()
        with suppress(record.UnwritableRun):  # the summary tells of a run without its footer
            if len(self.lines) == self.planned:
                self.footer = self.writer.footer(self.planned, part=part_of(self.config))
        self.writer.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("framework agreement")
        width = terminalreporter._tw.fullwidth  # noqa: SLF001  (pytest tells it nowhere else)
        terminalreporter.write(table(self.lines, width=width, colour=terminalreporter.hasmarkup))
        if self.footer is None:
            missing = f"{self.planned - len(self.lines)} of {self.planned} cells have no result"
            terminalreporter.write_line(f"{self.path}: the run is incomplete and has no footer: {missing}")
            terminalreporter.write_line(f"the same command with --resume={self.path} goes on with it")
        else:
            terminalreporter.write_line(f"run file: {self.path}")
        if self.tally is not None:
            terminalreporter.write_line(str(self.tally))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    cells_found = [item.cell for item in items if isinstance(item, CellItem)]
    for name, count in Counter(cell.id for cell in cells_found).items():
        if count > 1:
            raise pytest.UsageError(f"{name}: two case roots have a case of this name; rename one")
    if cells_found:
        _bring_together(items)
        matrix = matrix_of(session.config)
        for framework in matrix.selection.of(matrix.frameworks):
            if messages := matrix.unmatched(framework):
                item = LedgerItem.from_parent(session, name=f"{LEDGER}{framework.name}", messages=messages)
                items.append(item)


def _bring_together(items: list[pytest.Item]) -> None:
    """Cells of one family follow each other, where the first of them stood, so that what is compiled serves them all."""
    places: dict[object, int] = {}
    places_of = {
        id(item): places.setdefault(item.cell.variant.family if isinstance(item, CellItem) else item, place)
        for place, item in enumerate(items)
    }
    items.sort(key=lambda item: places_of[id(item)])


def pytest_collection_finish(session: pytest.Session) -> None:
    ids = [item.nodeid for item in session.items]
    if (
        any(map(framework_in, ids))
        and not session.config.option.collectonly
        and not is_xdist_worker(session.config)
    ):
        _record(session.config, ids)


def _record(config: pytest.Config, ids: Sequence[str]) -> None:
    """Begin the run file; nothing is replaced, neither a run nor its arrays, where one of them is refused."""
    folder, file = arrays_folder(config), record_path(config)
    try:
        if folder is not None:
            arrays.check_owner(folder, file)
        config.pluginmanager.register(Recorder(config, ids), RECORDER)
        if folder is not None:
            arrays.claim(folder, file, anew=not config.option.resume)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_sessionfinish(session: pytest.Session) -> None:
    matrix = session.config.stash.get(MATRIX, None)
    if matrix is not None and matrix.engine is not None:
        matrix.engine.close()
        if matrix.cache is not None and hasattr(session.config, "workeroutput"):
            session.config.workeroutput[TALLY] = astuple(matrix.cache.tally)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """The controller collects nothing itself: it plans from what the first worker found."""
    if any(map(framework_in, ids)) and not node.config.pluginmanager.has_plugin(RECORDER):
        _record(node.config, ids)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process of xdist has ended: its references count among those of the run."""
    recorder = node.config.pluginmanager.get_plugin(RECORDER)
    told = getattr(node, "workeroutput", {}).get(TALLY)
    if recorder is not None and recorder.tally is not None and told is not None:
        recorder.tally.add(cache.Tally(*told))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Cells of one framework go to one xdist worker, so that each framework is loaded once."""
    if config.option.dist != "load":
        return None
    from harness.scheduling import FrameworkScheduling  # noqa: PLC0415 (xdist may not be installed)

    return FrameworkScheduling(config, log)


def framework_in(nodeid: str) -> str | None:
    """The framework of a cell's node id; None for any other test."""
    file, _, name = nodeid.partition("::")
    parts = name.rsplit("-", 3)
    is_cell = file.endswith(".toml") and len(parts) >= 3 and parts[-3] in DTYPES
    return parts[-2] if is_cell else None
