"""The matrix as pytest items: ids, -k, --lf, -x, -n and --junitxml work as people know them.

Case files below a case root are collected; no other TOML file is touched. Each item is one cell; it waits for its
own result, while the engine runs the selected cells of all frameworks side by side.
"""

import gc
import json
import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from harness import arrays, cache, record, shard
from harness.case import Case
from harness.errors import HarnessError
from harness.expect import check_variant
from harness.matrix import (
    ABOUT,
    CELL,
    DEFAULT_RECORD,
    LEDGER,
    MATRIX,
    RECORDER,
    Matrix,
    arrays_folder,
    case_roots,
    is_xdist_worker,
    matrix_of,
    record_path,
)
from harness.plan import Cell, framework_in
from harness.verdict import Verdict

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


def root_of(path: Path, roots: Sequence[Path]) -> Path | None:
    """The case root that a file lies in; the innermost where roots are nested."""
    inside = [root for root in roots if path.is_relative_to(root)]
    return max(inside, key=lambda root: len(root.parts), default=None)


def pytest_configure(config: pytest.Config) -> None:
    if config.option.cases and config.args_source is not config.ArgsSource.ARGS:
        config.args[:] = [str(config.invocation_params.dir / path) for path in config.option.cases]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Wrong options are found before anything is collected."""
    _check_options(session)
    if not case_roots(session.config):
        return (yield)
    with _unwatched():
        return (yield)


def _check_options(session: pytest.Session) -> None:
    if case_roots(session.config):
        matrix_of(session.config)
    elif session.config.inipath is None and (option := _separate_path(session.config.invocation_params.args)):
        message = f"no ini file with harness_cases was found; write {option}=PATH with an equals sign"
        raise pytest.UsageError(f"{message}: pytest looks for its ini file near paths that stand alone")


@contextmanager
def _unwatched() -> Iterator[None]:
    """What comes to be here stays: Python's search for garbage would go through all of it again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


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
        case = matrix.load(self.path, self.root)
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
        engine = matrix.engine_for(self.cell, self.selected)
        line = engine.result(self.cell)
        self.user_properties.append((CELL, record.encode(line).decode()))
        if about := engine.about(self.cell.framework.name):
            self.user_properties.append((ABOUT, json.dumps([self.cell.framework.name, about])))
        return line

    def selected(self) -> Iterator[Cell]:
        """Every selected cell of the session."""
        return (item.cell for item in self.session.items if isinstance(item, CellItem))

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
    from harness.recorder import Recorder  # noqa: PLC0415  (its tables and bars are long to load)

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
