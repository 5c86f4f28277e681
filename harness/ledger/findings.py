"""The ledgers as a page: what is wrong in released frameworks, a root cause each, and how to see it."""

from collections.abc import Iterable, Iterator

from .causes import Cause
from .deviation import Deviation
from .entries import Ledger

PAGE = """# Findings

What is wrong in released frameworks, a root cause an entry, written by `harness deviations` from the ledgers beside the adapters. Each was reduced to a call of one op and
settled by mpmath; runs tell it as a known deviation, and fail where it is anything else. The case shows it: `pytest cases -k CASE`, and `harness reproduce CELL` writes the
wrong call alone, as a script of that framework.
"""


def page(ledgers: Iterable[Ledger]) -> str:
    """The text in Markdown."""
    return "\n".join([PAGE, *(line for ledger in ledgers if ledger.entries for line in _section(ledger))])


def _section(ledger: Ledger) -> Iterator[str]:
    yield f"## {ledger.framework}\n"
    yield "| op | where | what | case |\n| --- | --- | --- | --- |"
    for entry in ledger.entries:
        yield f"| {_ops(entry)} | {_where(entry)} | {_cell(entry.reason)}{_link(entry)} | {_code(entry.case)} |"
    yield ""


def _ops(entry: Deviation) -> str:
    return ", ".join(map(_code, entry.ops)) if isinstance(entry, Cause) else "no op alone"


def _where(entry: Deviation) -> str:
    """The phases and what they are towards, the dtype, and the releases."""
    found = []
    if isinstance(entry, Cause):
        found.append("/".join(entry.phases) + f" towards {', '.join(entry.towards)}" * bool(entry.towards))
    found += [word for word in (entry.dtype, entry.mode) if word]
    return _cell("; ".join([*found, str(entry.version)]))


def _link(entry: Deviation) -> str:
    return f" ([more]({entry.link}))" if entry.link else ""


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    """Text in a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
