"""The nearest of some names: one that was meant, or none. A wrong guess costs more than none."""

import difflib
import itertools
import re
from collections.abc import Iterable

MAX_COMPARED = 60
MAX_CANDIDATES = 2_000
"""Characters of a name, and names, among which the nearest is looked for: that takes their product, and more."""
ALIKE = 5
"""Names that are looked at closely."""
BEGUN = 5
"""Characters of a name that may be the beginning of another."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`; did you mean "sigmoid"?`, or nothing where no allowed name is near."""
    near = (str(a) for a in itertools.islice(allowed, MAX_CANDIDATES))
    candidates = [a for a in near if len(a) <= MAX_COMPARED] if len(name) <= MAX_COMPARED else []
    written = {folded(a): a for a in reversed(candidates)}.get(folded(name))
    if written is None:
        alike = difflib.get_close_matches(name, candidates, n=ALIKE)
        near_by = (a for a in alike if is_misspelt(name, a))
        written = min(near_by, key=lambda a: (slips(name, a), sorted(name) != sorted(a)), default=None)
    return f'; did you mean "{written}"?' if written else ""


def folded(name: str) -> str:
    """The name as it is heard: neither capitals nor what joins words count."""
    return re.sub(r"[_\- ]", "", name).lower()


def is_misspelt(name: str, meant: str) -> bool:
    """Whether the name is another by a slip: the first letter and the digits are right, and few others are wrong.

    So `gelu` is no relu and `float16` no float64.
    """
    name, meant = name.lower(), meant.lower()
    numbers, others = (sorted(re.findall(r"\d", text)) for text in (name, meant))
    if name[:1] != meant[:1] or (numbers and others and numbers != others):
        return False
    begun = len(name) >= BEGUN and meant.startswith(name)
    return begun or slips(name, meant) <= 1 + (min(len(name), len(meant)) > 4)


def slips(a: str, b: str) -> int:
    """Letters that are wrong, missing, too many, or in the wrong order with the next (optimal string alignment)."""
    before, row = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)))
            if i > 1 < j and x == b[j - 2] and y == a[i - 2]:
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]
