"""What every entry of a ledger says, whether it speaks of cells or of the calls of an op."""

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from ..errors import HarnessError
from ..reading.text import visible

MAX_VERSION = 200
"""Characters of a version that are looked at."""


class LedgerError(HarnessError):
    """A ledger that isn't as it must be; the text names file, line and entry."""

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


@dataclass(frozen=True)
class Block:
    """An entry as it stands in its file: first and last line, text, and the values that may have to be corrected."""

    first: int
    last: int
    text: str
    spans: Mapping[str, tuple[int, int]]

    @property
    def lines(self) -> str:
        """`lines 3-9`"""
        return f"line {self.first}" if self.first == self.last else f"lines {self.first}-{self.last}"

    def corrected(self, values: Mapping[str, str]) -> str:
        """The text with other values, and everything else as it was written."""
        text = self.text
        for key in sorted(values, key=lambda key: self.spans[key], reverse=True):
            start, end = self.spans[key]
            text = text[:start] + values[key] + text[end:]
        return text


@dataclass(frozen=True)
class Deviation:
    """One known disagreement, and where it is written down ("adapters/mxnet/deviations.toml:3")."""

    framework: str
    dtype: str | None
    mode: str | None
    version: SpecifierSet
    reason: str
    evidence: str
    link: str
    case: str
    since: str
    place: str
    block: Block

    def holds_for(self, version: str) -> bool:
        """Whether the version is one of its own; what isn't a PEP 440 version never is."""
        try:
            return self.version.contains(Version(version[:MAX_VERSION]), prereleases=True)
        except InvalidVersion:
            return False

    def concerns(self, cell_id: str, dtype: str) -> bool:
        """Whether it may speak of this cell, whatever the framework's version: here, of its dtype and mode."""
        *_, mode = fields(cell_id)
        return self._runs_as(dtype, mode)

    def may_concern(self, case: str) -> bool:
        """Whether it may speak of the case, none of whose cells is known."""
        return self.case.startswith(case)

    def shown_by(self, cell_id: str) -> bool:
        """Whether the cell is one that its minimal case has, which is a case or the beginning of a cell's id."""
        dtype, _, mode = fields(cell_id)
        return (
            bool(self.case)
            and cell_id.startswith((f"{self.case}::", f"{self.case}-"))
            and self._runs_as(dtype, mode)
        )

    def _runs_as(self, dtype: str, mode: str) -> bool:
        return self.dtype in (None, dtype) and self.mode in (None, mode)

    def not_this(self, version: str) -> str:
        """An entry for other versions excuses nothing; whoever reads the disagreement wants to know of it."""
        return f"{self.place}: known for {self.framework} {self.version}, this is {version}"


def fields(cell_id: str) -> list[str]:
    """Dtype, framework and mode: the last three fields of an id, whether or not its case has variants."""
    return cell_id.rpartition("::")[2].rsplit("-", 3)[-3:]
