"""The report for a CI step summary or a comment on a pull request: GitHub's Markdown, of a size that it takes.

Whatever comes from a case or a worker stands in a code span or block, or is escaped: it can't become markup.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

from ..reading.text import count_of, shortened, visible
from ..run import diff_causes
from ..run.diff import BAD, Difference, listing, side
from ..verdict import Verdict
from .failure import text
from .model import Box, CellFacts, Report

MARK = re.compile(rb"\A## \d+ of \d+ cells agree")
"""How a file of ours begins: another is not replaced."""

LIMIT = 60_000
"""GitHub takes 65,536 characters in a comment; a step summary may be larger."""

CUT = 500
"""Characters that are kept for saying what doesn't fit."""

MATRIX = "Largest error / tolerance of the cells that agree; what doesn't agree is counted by its name."

CAUSES = 40
"""Causes that the table has at most."""

CAUSE_HEAD = (
    "framework", "cause", "wrong", "dtype", "cells with the op", "calls", "relative error", "minimal case",
)  # fmt: skip

ORIGIN = 2_000
"""Characters of what is said of the machine and the versions."""

ADDRESS = "/:?#&=%@+.~-"
"""Characters of an address that stay as they are, beside letters, digits and _."""

CHANGES = 10
"""Cells that each list of what changed names: the failures after it have the room."""


def render(report: Report) -> str:
    """Result, causes, frameworks, matrix by folder, then every failure with the line that repeats it, while there is room.

    The result is there whatever else isn't: what doesn't fit is left out whole, and told.
    """
    result = f"## {report.headline}\n\n{_plain(report.sentence)}.\n"
    sections = [
        *((f"> {_plain(notice)}", "a notice") for notice in report.notices),
        (_causes(report), "the root causes"),
        (_frameworks(report), "the frameworks"),
        (f"{MATRIX}\n\n{_matrix(report)}", "the matrix"),
        (_since(report), "what changed"),
        (_reasons("Unsupported", report.cells, Verdict.UNSUPPORTED), "why ops are unsupported"),
        (_reasons("Absent", report.cells, Verdict.ABSENT), "why frameworks are absent"),
    ]
    origin = f"\n{_origin(report)}\n"
    text = result + _fitting(sections, LIMIT - len(result) - len(origin) - CUT)
    return text + _within(list(_failures(report.cells)), LIMIT - len(text) - len(origin) - CUT) + origin


def _since(report: Report) -> str:
    return difference(report.since).rstrip("\n") if isinstance(report.since, Difference) else ""


def _fitting(sections: Iterable[tuple[str, str]], room: int) -> str:
    """The sections that fit, and the names of those that don't."""
    shown, left = "", list[str]()
    for section, name in sections:
        if len(shown) + len(section) + 2 > room:
            left.append(name)
        elif section:
            shown += f"\n{section}\n"
    counts = Counter(left)
    told = ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in counts.items())
    return shown + f"\n**Left out, since it doesn't fit here: {told}**; the other reports have all.\n" * bool(
        left
    )


def _within(entries: Sequence[str], room: int) -> str:
    """As many entries as fit, and how many didn't: a cut is never silent."""
    shown = ""
    for count, entry in enumerate(entries):
        if len(shown) + len(entry) > room:
            left = len(entries) - count
            return f"{shown}\n**{left} more of {len(entries)} failures don't fit here**; the other reports have all.\n"
        shown += entry
    return shown


def _causes(report: Report) -> str:
    """How many cells of each framework by how many causes, and a row a cause."""
    if not report.affected:
        return ""
    sentences = "\n".join(f"- {_plain(row.sentence)}" for row in report.affected)
    rows = [
        (
            c.framework, _linked(c.name, c.link), c.result, ", ".join(c.dtypes), c.share, str(c.calls), c.error,
            c.case,
        )
        for c in report.causes[:CAUSES]
    ]  # fmt: skip
    left = len(report.causes) - CAUSES
    more = f"\n\nand {left} more causes; the JSON report has all" * (left > 0)
    return f"### Root causes\n\n{sentences}\n\n{_table(CAUSE_HEAD, rows) if rows else ''}{more}".rstrip()


class _Markup(str):
    """Text that is Markdown already."""

    __slots__ = ()


def _linked(text: str, link: str) -> str:
    """The text, and an address if there is one: of that no character ends it or is markup."""
    address = quote(link, safe=ADDRESS, errors="replace")
    return _Markup(f"{_plain(text)} [link]({address})") if link else text


def _frameworks(report: Report) -> str:
    rows = ((f.name, f.version or "told no version", str(f.box.cells)) for f in report.frameworks)
    return _table(("framework", "version", "cells"), rows)


def _matrix(report: Report) -> str:
    names = [f.name for f in report.frameworks]
    rows = [
        (f"{folder.name}/ ({folder.cases})", *(_box(folder.frameworks.get(name)) for name in names))
        for folder in report.folders
    ]
    return _table(("folder (cases)", *names), rows)


def _box(box: Box | None) -> str:
    if box is None:
        return ""
    agree = box.totals[Verdict.AGREE]
    used = "" if box.used is None else f"{box.used:.2f} "
    told = str(box.apart)
    parts = [f"{used}({agree} agree{f', {told}' * bool(told)})"] if agree else []
    others = (v for v in Verdict if box.totals[v] and v is not Verdict.AGREE)
    return ", ".join([*parts, *(f"{box.totals[v]} {v.face.short}" for v in others)])


def _reasons(title: str, cells: Sequence[CellFacts], verdict: Verdict) -> str:
    """Cells of a verdict by what is said of them, folded away."""
    counts = Counter(_reason(cell) for cell in cells if cell.result.verdict is verdict)
    if not counts:
        return ""
    rows = ((framework, str(count), reason) for (framework, reason), count in counts.most_common())
    body = _table(("framework", "cells", "reason"), rows)
    return f"<details><summary>{title}: {count_of(counts.total(), 'cell')}</summary>\n\n{body}\n\n</details>"


def _reason(facts: CellFacts) -> tuple[str, str]:
    return facts.result.framework, " ".join(facts.result.message.split())


def _failures(cells: Sequence[CellFacts]) -> Iterator[str]:
    failed = [c for c in cells if c.result.verdict.outcome() == "failed"]
    for facts in sorted(failed, key=lambda c: -c.result.verdict.severity):
        yield f"\n{_failure(facts)}\n"


def _failure(facts: CellFacts) -> str:
    return _block(text(facts.result, facts.repeat))


def _block(text: str) -> str:
    """A code block whose fence is longer than any within, and whose lines end nowhere else."""
    text = "\n".join(map(visible, text.split("\n")))
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def difference(found: Difference) -> str:
    """What changed since an earlier run; the lists but the first are folded away."""
    head = [
        f"### {found.headline}",
        f"{_plain(found.sentence)}.",
        f"{_plain(found.causes.sentence)}.",
        f"Before: {_plain(side(found.before))}. Now: {_plain(side(found.now))}.",
    ]
    if found.versions:
        rows = ((v.of, v.what, v.before or "not told", v.now or "not told") for v in found.versions)
        head.append(_table(("of", "what", "before", "now"), rows))
    causes = (
        _changes(title, len(own), diff_causes.listing(own, CHANGES))
        for title, own in found.causes.sections().items()
        if own
    )
    cells = (
        _changes(title, len(own), listing(own, CHANGES)) for title, own in found.sections().items() if own
    )
    return "\n\n".join([*head, *causes, *cells]) + "\n"


def _changes(title: str, count: int, lines: Sequence[str]) -> str:
    opened = " open" if title in BAD else ""
    body = _block("\n".join(line.removeprefix("  ") for line in lines))
    return f"<details{opened}><summary>{title}: {count}</summary>\n\n{body}\n\n</details>"


def _origin(report: Report) -> str:
    machine = report.machine
    told = (
        f"{report.started}, {report.seconds:.0f} s on {machine.cpu} ({machine.cores} cores), {machine.os}, "
        f"Python {report.python}; harness {report.harness}, commit {report.commit or 'unknown'}, "
        f"rules {report.rules}, K = {report.K:g}"
    )
    return f"<sub>{_plain(shortened(told, ORIGIN))}</sub>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(w if w == "---" or isinstance(w, _Markup) else _plain(w) for w in line) + " |"
        for line in lines
    )


def _plain(text: str) -> str:
    """Text without meaning to Markdown or HTML, on one line."""
    escaped = re.sub(r"([\\`*_{}\[\]|~#$])", r"\\\1", visible(" ".join(text.split())))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
