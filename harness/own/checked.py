"""What became of a check, as text, as HTML in a notebook, and as the case that frameworks can stand beside."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment

from ...reference.program import lines_of
from ..case.document import Document
from ..case.writing import write
from ..reading.replacing import check_ours, replace
from ..report.failure import lines
from ..roles import in_words
from ..run.lines import CellLine, Compared, number
from ..verdict import Verdict
from .writing import MARK

MOST_DIGITS = 16
COLOURS = {"green": "#15803d", "yellow": "#a16207", "dim": "#6b7280", "bold red": "#b91c1c"}
PAGE = """<div><b style="color: {{ colour }}">{{ sign }} {{ verdict }}</b> {{ headline }}
<table><thead><tr><th></th><th>tensor</th><th>digits</th><th>error / tolerance</th><th>found</th><th>should be</th></tr></thead>
<tbody>{% for t in rows %}<tr><td style="color: {{ t.colour }}">{{ t.sign }}</td><td>{{ t.name }}</td><td>{{ t.digits }}</td>\
<td>{{ t.used }}</td><td>{{ t.got }}</td><td>{{ t.want }}</td></tr>{% endfor %}</tbody></table>
{% if message %}<pre>{{ message }}</pre>{% endif %}</div>"""


@dataclass(frozen=True, repr=False)
class Checked:
    """The verdict on somebody's gradients. It is true where they are right, so that it can be asserted."""

    line: CellLine
    document: Document
    not_shown: tuple[str, ...] = ()
    """Inputs whose gradient did not come back: they aren't judged."""
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return self.line.verdict

    @property
    def agrees(self) -> bool:
        return self.verdict is Verdict.AGREE

    @property
    def tensors(self) -> list[Compared]:
        """Each value and gradient by its worst element: error, tolerance, used = error / tolerance."""
        return self.line.tensors

    @property
    def place(self) -> str | None:
        """The first line of the program that is wrong by itself; None where nothing is."""
        return self.line.first_difference

    @cached_property
    def digits(self) -> int:
        """To how many decimal digits all of it agrees with the reference."""
        return min(digits_of(t) for t in self.tensors)

    @property
    def message(self) -> str:
        """What is wrong, and where, as the matrix tells it; empty where nothing is."""
        return "\n".join(lines(self.line))

    @property
    def program(self) -> str:
        """What was judged, in the notation of cases."""
        return self.document.program

    def case(self) -> str:
        """The text of the case, so that frameworks can stand beside it."""
        return write(self.document)

    def write(self, path: str | Path) -> Path:
        """Write the case to a file, for `pytest FILE`. Raises OSError, also where another kind of file is there."""
        target = Path(path)
        check_ours(target, MARK)
        replace(target, self.case())
        return target

    def __bool__(self) -> bool:
        return self.agrees

    def __str__(self) -> str:
        parts = [f"{self.verdict}  {self._headline}", *(f"  {text}" for text in self._told())]
        return "\n".join(parts)

    __repr__ = __str__

    @property
    def _headline(self) -> str:
        gradients = sum(t.role == "gradient" for t in self.tensors)
        values = len(self.tensors) - gradients
        of = [f"{values} value{'s' * (values != 1)}"] * bool(values) + [
            f"{gradients} gradient{'s' * (gradients != 1)}"
        ]
        to = f", to {self.digits} digits" if self.agrees else ""
        used = (
            "by a convention"
            if self.agrees and self.line.conventions
            else f"{number(self.line.used)} × tolerance"
        )
        return f"{' and '.join(of)} in {self.line.dtype}{to} ({used})"

    def _told(self) -> Iterator[str]:
        yield from lines(self.line)
        for number_of in sorted(set(map(int, re.findall(r"\bline (\d+)(?!\d|: )", self.message)))):
            yield f"line {number_of}: {lines_of(self.program)[number_of - 1]}"
        if not self.agrees:
            right = [in_words((t.role, t.name)) for t in self.tensors if t.verdict is Verdict.AGREE]
            if right:
                yield f"right: {', '.join(right)}"
        if self.not_shown:
            yield f"not shown, so not judged: gradient of {', '.join(self.not_shown)}"
        yield from self.notes
        if self.agrees:
            yield from (f"by a convention: {chosen}" for chosen in self.line.conventions)
            yield from (
                f"{t.unjudged} element{'s' * (t.unjudged > 1)} of {in_words((t.role, t.name))} can't be judged:"
                " what rounding may do there is too much to say anything"
                for t in self.tensors
                if t.unjudged
            )
            yield from self.line.notes

    def _repr_html_(self) -> str:
        face = self.verdict.face
        rows = [
            {
                "sign": t.verdict.face.sign,
                "colour": COLOURS[t.verdict.face.style],
                "name": in_words((t.role, t.name), t.where),
                "digits": digits_of(t),
                "used": number(t.used),
                "got": t.got or t.problem,
                "want": t.want,
            }
            for t in self.tensors
        ]
        page = Environment(autoescape=True).from_string(PAGE)
        facts: dict[str, Any] = {"sign": face.sign, "colour": COLOURS[face.style], "verdict": self.verdict}
        return page.render(**facts, headline=self._headline, rows=rows, message="\n".join(self._told()))


def digits_of(t: Compared) -> int:
    """To how many decimal digits a tensor agrees, by its largest error and its scale; 0 where it does to none."""
    if not t.relative:
        return MOST_DIGITS
    return max(0, min(MOST_DIGITS, math.floor(-math.log10(t.relative))))
