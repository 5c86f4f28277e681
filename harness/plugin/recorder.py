"""Writes the run file of a pytest session and shows how far it is; under xdist in the controller alone."""

import json
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any

import msgspec
import pytest
from rich.console import Console

from ..errors import HarnessError
from ..reading.text import count_of, display
from ..report.summary import table
from ..run import arrays
from ..run.ids import framework_in
from ..run.lines import CellLine, Footer, RunError
from ..run.reading import Unfinished
from ..run.writing import RunWriter
from ..verdict import Verdict
from .files import arrays_folder, kept, record_path
from .progress import Bars, Lines, Shown
from .resume import check_selected
from .session import ABOUT, CELL, LEDGER, matrix_of
from .shards import part_of


def _progress(config: pytest.Config, ids: Sequence[str]) -> Shown | None:
    """Who shows how far the run is; None where `-q` or `-v` say that it isn't wanted, or already there, or nothing is shown.

    Bars share a terminal with nobody who writes dots, so they need a run of cases alone.
    """
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or config.option.verbose:
        return None
    totals = Counter(name for name in map(framework_in, ids) if name is not None)
    if reporter.isatty and all(".toml" in nodeid or LEDGER in nodeid for nodeid in ids):
        reporter.showfspath = reporter._show_progress_info = False  # noqa: SLF001  (there is no other switch)
        return Bars(Console(file=reporter._tw._file, force_terminal=True), totals)  # noqa: SLF001
    return Lines(reporter.write_line, totals)


def _told(done: Unfinished | None, planned: int) -> str:
    """How much of a run is there when it goes on."""
    if done is None:
        return "nothing of a run is there, so it begins"
    again = (
        f"; {done.dropped} are run again, since they were absent or crashed, or their case has changed"
        * bool(done.dropped)
    )
    return f"the run goes on with {len(done.cells)} of {count_of(planned, 'cell')} done{again}"


RERUN: Any = "rerun"
"""What pytest-rerunfailures makes of the outcome of a test that it runs once more: the last is the cell's."""


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
        self.lines: list[CellLine] = [] if done is None else list(done.cells)
        self.tally = matrix.cache.tally if matrix.cache else None
        self.footer: Footer | None = None
        self.begun, self.trouble, self.unlike, self.kept = False, "", "", ""
        self.verdicts: dict[str, Verdict] = {}
        header = matrix.header() if done is None else done.header
        self.writer = RunWriter(self.path, header, done)
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        if config.option.resume and reporter is not None:
            reporter.write_line(f"{display(self.path)}: {_told(done, self.planned)}")
        self.progress = _progress(config, ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.outcome != RERUN:
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
                self._take_cell(msgspec.json.decode(value, type=CellLine))
        except RunError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.INTERRUPTED)

    def _take_cell(self, line: CellLine) -> None:
        """A cell may come twice: xdist runs what a process that died was at once more, other plugins what failed."""
        first = self.verdicts.get(line.cell)
        if first is None:
            self.writer.cell(line)
            self.verdicts[line.cell] = line.verdict
            self.lines.append(line)
        elif first is not line.verdict:
            self.unlike = f"{line.cell} was run twice, {first} and then {line.verdict}: run it anew"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.progress:
            self.progress.close()
        self.trouble = self._finish()
        if self.footer is None and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED  # what isn't on disk isn't done

    def _finish(self) -> str:
        """Write the footer of a complete run and let go of an earlier one's arrays; in words why it isn't complete."""
        missing = self.planned - len(self.lines)
        try:
            if self.unlike or missing:
                goes_on = f"the same command with --resume={display(self.path)} goes on with it"
                return (
                    self.unlike or f"{missing} of {count_of(self.planned, 'cell')} have no result\n{goes_on}"
                )
            self.footer = self.writer.footer(self.planned, part=part_of(self.config))
            if folder := arrays_folder(self.config):
                arrays.tidy(folder, self.lines)
            self.kept = kept(self.config)
        except HarnessError as error:
            return str(error)
        except OSError as error:
            return f"{error.filename}: can't be written: {error.strerror}"
        finally:
            self.begun = self.writer.is_begun
            self.writer.close()
        return ""

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        terminalreporter.section("framework agreement")
        width = terminalreporter._tw.fullwidth if terminalreporter.isatty else None  # noqa: SLF001  (told nowhere else)
        terminalreporter.write(table(self.lines, width=width, colour=terminalreporter.hasmarkup))
        if self.footer is None and self.begun:
            told = f"the run is incomplete and has no footer: {self.trouble}"
            terminalreporter.write_line(f"{display(self.path)}: {told}")
        elif self.footer is None:
            left = "is left as it was" if self.path.exists() else "isn't written"
            terminalreporter.write_line(f"{display(self.path)} {left}: {self.trouble.splitlines()[0]}")
        else:
            terminalreporter.write_line(f"run file: {display(self.path)}{self.kept}")
            if self.trouble:
                terminalreporter.write_line(self.trouble)
        if self.tally is not None:
            terminalreporter.write_line(str(self.tally))
