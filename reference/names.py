"""The nearest of some names."""

import difflib
import itertools
from collections.abc import Iterable

MAX_COMPARED = 60
MAX_CANDIDATES = 2_000
"""Characters of a name, and names, among which the nearest is looked for: that takes their product, and more."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`; did you mean "sigmoid"?`, or nothing where no allowed name is near."""
    near = (str(a) for a in itertools.islice(allowed, MAX_CANDIDATES))
    candidates = [a for a in near if len(a) <= MAX_COMPARED] if len(name) <= MAX_COMPARED else []
    close = difflib.get_close_matches(name, candidates, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
