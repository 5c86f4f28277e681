"""The matrix as pytest items: ids, -k, --lf, -x, -n and --junitxml work as people know them.

Case files below a case root are collected; no other TOML file is touched. Each item is one cell; it waits for its
own result, while the engine runs the selected cells of all frameworks side by side.
"""

import gc
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest

from ..case.library import SHIPPED, root_of
from ..errors import HarnessError
from ..frameworks.bound import fits_none
from ..frameworks.found import Framework
from ..plan import Cell
from ..reading.text import display
from ..references import cache
from ..run import arrays
from ..run.ids import framework_in
from ..workers.process import require_posix
from . import options
from .files import INPUT, arrays_folder, is_kept, latest_path, record_path
from .items import QUICK, CaseFile, CellItem, LedgerItem, Refused
from .session import LEDGER, MATRIX, OPTIONS, RECORDER, case_roots, given_roots, is_xdist_worker, matrix_of

TALLY = "gradient_conformance_references"


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser, OPTIONS)
    parser.addini("harness_cases", "case roots, relative to this file", type="paths", default=[])
    parser.addini("harness_adapters", "further folders of adapters", type="paths", default=[])
    parser.addini("harness_interpreters", "lines NAME = COMMAND: a framework's interpreter", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{QUICK}: cells of few variants that call every op of their case file"
    )
    if case_roots(config):
        _check_alone(config)
    if config.option.cases and config.args_source is not config.ArgsSource.ARGS:
        config.args[:] = map(str, given_roots(config))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Wrong options are found before anything is collected."""
    _check_options(session)
    if not case_roots(session.config):
        return (yield)
    with _unwatched():
        return (yield)


def _check_options(session: pytest.Session) -> None:
    """Raises UsageError for options that are wrong, or that speak of cases where there are none."""
    config = session.config
    if case_roots(config):
        matrix_of(config)
        return
    if config.inipath is None and (option := _separate_path(config.invocation_params.args)):
        message = f"no ini file with harness_cases was found; write {option}=PATH with an equals sign"
        raise pytest.UsageError(f"{message}: pytest looks for its ini file near paths that stand alone")
    if given := [
        option.name for option in OPTIONS if option.selects and getattr(config.option, option.field)
    ]:
        ini = config.inipath or "a pytest.ini, which begins with [pytest]"
        raise pytest.UsageError(
            f"{given[0]}: there are no cases to run; name a folder of yours with --cases=DIR, the {SHIPPED} ones with "
            f"--cases={SHIPPED}, or always: the line harness_cases = DIR in {ini}"
        )


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
        (arg for arg in args if arg in {option.name for option in OPTIONS if option.path}),
        None,
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "CaseFile | None":
    if file_path.suffix != ".toml":
        return None
    root = root_of(file_path, case_roots(parent.config))
    return None if root is None else CaseFile.from_parent(parent, path=file_path, root=root)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    try:
        _arrange(session, items)
    except HarnessError as error:
        if not is_xdist_worker(session.config):
            items.clear()  # pytest goes on to the end of collection, where a run would begin
            raise pytest.UsageError(str(error)) from None
        items[:] = [Refused.from_parent(session, name="refused", message=str(error))]


def _arrange(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Cells in the order in which they run, and beside them what ledgers are held to. Raises HarnessError."""
    found = [item for item in items if isinstance(item, CellItem)]
    cells_found = [item.cell for item in found]
    files: dict[str, list[Path]] = {}
    for item in found:
        own = files.setdefault(item.cell.id, [])
        if not own or own[-1] is not item.path:
            own.append(item.path)
    for name, own in files.items():
        if len(own) > 1:
            raise HarnessError(_twice(name, *sorted(own, key=lambda path: len(path.parts))[:2]))
    if cells_found:
        matrix = matrix_of(session.config)
        _check_subjects(cells_found)
        _bring_together(items)
        for framework in matrix.selection.of(matrix.frameworks):
            messages, unasked = matrix.unmatched(framework)
            if messages or unasked:
                name = f"{LEDGER}{framework.name}"
                items.append(LedgerItem.from_parent(session, name=name, messages=messages, unasked=unasked))


def _twice(name: str, first: Path, second: Path) -> str:
    files = f"{display(first)} and {display(second)}"
    if first == second:
        return f"{name}: {display(first)} is collected twice; name it once"
    if os.path.realpath(first) == os.path.realpath(second):
        return f"{name}: {files} are one file, to which a link leads; leave the link out"
    return f"{name}: two case roots have a case of this name, {files}; rename one"


def _check_subjects(cells_found: Sequence[Cell]) -> None:
    """Raises HarnessError for a subject that answers none of its cases: it would be unsupported in all, and fail in none."""
    cases: dict[Framework, list[str]] = {}
    for cell in cells_found:
        if cell.framework.subject is not None:
            cases.setdefault(cell.framework, []).append(cell.case)
    for subject, named in cases.items():
        if problem := fits_none(subject, named):
            raise HarnessError(problem)


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
    from .recorder import Recorder  # noqa: PLC0415  (its tables and bars are long to load)

    folder, file = arrays_folder(config), record_path(config)
    try:
        require_posix()
        if folder is not None:
            arrays.check_owner(folder, file, one_of_many=is_kept(config))
        matrix = matrix_of(config)
        matrix.engine = matrix.cluster()
        config.pluginmanager.register(Recorder(config, ids), RECORDER)
        if folder is not None:
            arrays.claim(folder, file, one_of_many=is_kept(config))
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def _check_alone(config: pytest.Config) -> None:
    """Raises UsageError where an option of another's names the run file: reports and logs are opened at once."""
    records = {os.path.realpath(path) for path in (record_path(config), latest_path(config))}
    ours = {option.field for option in OPTIONS}
    given = {name: text for name, text in vars(config.option).items() if isinstance(text, str) and text}
    for name in given.keys() - ours:
        if os.path.realpath(config.invocation_params.dir / given[name]) in records:
            raise pytest.UsageError(f"{name} = {given[name]}: that is a run file; name another")


def pytest_sessionfinish(session: pytest.Session) -> None:
    matrix = session.config.stash.get(MATRIX, None)
    if matrix is not None and matrix.engine is not None:
        matrix.engine.close()
        if matrix.cache is not None and hasattr(session.config, "workeroutput"):
            session.config.workeroutput[TALLY] = astuple(matrix.cache.tally)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A process of xdist is told which run file is written: arrays are named from there."""
    node.workerinput[INPUT] = str(record_path(node.config))


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
    from .scheduling import FrameworkScheduling  # noqa: PLC0415 (xdist may not be installed)

    return FrameworkScheduling(config, log)
