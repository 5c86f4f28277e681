"""`harness report`: reads runs, writes reports. All reading and writing of files is here; renderers give text."""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import HarnessError
from ..reading.files import real
from ..reading.replacing import check_ours, replace
from ..reading.text import visible
from ..report import html, json, junit, markdown
from ..report.model import Report, report
from ..report.pairwise import pairwise
from ..run.diff import diff
from ..run.lines import Run
from ..run.merge import merge
from ..run.provenance import commit
from ..run.reading import read_run
from .common import case_root, given, path

TEXTS = {"markdown": markdown, "json": json, "junit": junit}
"""Renderers that give one text."""

HELPS = {
    "markdown": "for a CI step summary or a pull request's comment",
    "json": "all facts, by the schema that `harness schema report` prints",
    "junit": "JUnit XML, for CI viewers",
}


class ReportError(HarnessError):
    """A report that can't be made or written."""


def add(commands: Any) -> None:
    """Add the command to the others."""
    text = "make reports of a run: a page for people, Markdown, JSON, JUnit XML"
    command = commands.add_parser("report", help=text, description=f"{text[0].upper()}{text[1:]}. {_EXIT}")
    command.add_argument(
        "runs", nargs="+", type=path, metavar="RUN", help="such as reports/latest.jsonl; several are merged"
    )
    command.add_argument(
        "--html", type=path, metavar="DIR", help="a folder to open index.html in; NAME.html: all in one file"
    )
    for name, help in HELPS.items():
        command.add_argument(f"--{name}", type=given, metavar="FILE", help=f"{help}; - is standard output")
    command.add_argument(
        "--cases", action="append", type=case_root, default=[], metavar="DIR", help="a case root, where the run's own moved"
    )  # fmt: skip
    command.add_argument(
        "--since",
        type=path,
        metavar="OLD",
        help="an earlier run file: tell also what changed",
    )
    command.set_defaults(run=run)


_EXIT = "The exit code is 0 when the reports are written, whatever they tell."


def run(arguments: argparse.Namespace) -> int:
    """Write the reports that were asked for; without any, tell the result."""
    found = _read(arguments.runs)
    since = None if arguments.since is None else diff(read_run(arguments.since), found)
    facts = report(found, arguments.cases, since, commit(Path(__file__)))
    if arguments.html is not None:
        _write_page(facts, found, real(arguments.runs[0]).parent, arguments.html)
    texts = {name: getattr(arguments, name) for name in TEXTS if getattr(arguments, name) is not None}
    for name, target in texts.items():
        _write_text(TEXTS[name].render(facts), target, TEXTS[name].MARK)
    _tell(arguments.html, texts)
    if arguments.html is None and not texts:
        rows = [row.sentence for row in facts.affected]
        print("\n".join(map(visible, [facts.headline, facts.sentence, *rows, *facts.notices])))
    return 0


def _read(paths: Sequence[Path]) -> Run:
    """The run, or several as one, with its arrays named from the folder of the first."""
    if len(paths) == 1:
        return read_run(paths[0])
    return merge([(path, read_run(path)) for path in paths], paths[0])


def _tell(page: Path | None, texts: Mapping[str, str]) -> None:
    """Which files were written, and how the page is opened; on stderr where a report goes to standard output."""
    files = [target for target in texts.values() if target != "-"]
    told = [f"wrote {visible(file)}" for file in files]
    if page is not None:
        index = page if _is_file(page) else page / "index.html"
        told.insert(0, visible(f"wrote {index}; open it in a browser: {index.absolute().as_uri()}"))
    print(
        "".join(f"{line}\n" for line in told),
        end="",
        file=sys.stderr if "-" in texts.values() else sys.stdout,
    )


def _is_file(page: Path) -> bool:
    """Whether --html names one file for all of the page."""
    return page.suffix == ".html" and not page.is_dir()


def _write_page(facts: Report, run: Run, arrays: Path, page: Path) -> None:
    if _is_file(page):
        _write_text(html.one_file(facts), str(page), html.MARK)
    else:
        write_html(facts, run, arrays, page)


def write_html(facts: Report, run: Run, arrays: Path, folder: Path) -> None:
    """Write the page's folder; details of an earlier, larger run don't stay behind.

    Raises ReportError, and StaleArrays before anything is written.
    """
    pairs = pairwise(run, arrays)
    try:
        check_ours(folder / "index.html", html.MARK)
        for own, names in html.FOLDERS.items():
            (folder / own).mkdir(parents=True, exist_ok=True)
            for old in (folder / own).iterdir():
                if names.fullmatch(old.name):
                    old.unlink()
        for name, text in html.render(facts, pairs):
            replace(folder / name, text)
    except OSError as error:
        raise _unwritable(folder, error, "name another --html DIR") from error


def _write_text(text: str, target: str, mark: re.Pattern[bytes]) -> None:
    if target == "-":
        sys.stdout.write(text)
        return
    path = Path(target)
    try:
        check_ours(path, mark)
        replace(path, text)
    except OSError as error:
        raise _unwritable(path, error, "name another file") from error


def _unwritable(path: Path, error: OSError, remedy: str) -> ReportError:
    return ReportError(f"{error.filename or path}: can't write it: {error.strerror}; {remedy}")
