"""TOML, held to bounded time and stack: a stranger's file may be as odd as it likes.

tomli is the parser that tomllib is a copy of, with the same messages, compiled.
"""

import re
from typing import Any

import tomli

MAX_KEY_PARTS = 100
"""tomli takes time that grows with the square of the parts of a dotted key."""

_DOT = r"[ \t]*+\.[ \t]*+"
_PART = r"""(?:[A-Za-z0-9_-]++|"(?!"")(?:[^"\\\n]++|\\[^\n])*+"|'(?!'')[^'\n]*+')"""
_LONG_KEY = re.compile(rf"{_PART}(?:{_DOT}{_PART}){{{MAX_KEY_PARTS}}}")
_BEFORE = re.compile(
    rf"""(?:
      {_PART}(?:{_DOT}{_PART}){{0,{MAX_KEY_PARTS - 1}}}+(?!{_DOT}{_PART})
    | "{{3}}(?:[^"\\]++|\\.|"(?!""))*+"{{3,5}}+
    | '{{3}}(?:[^']++|'(?!''))*+'{{3,5}}+
    | \#[^\n]*+
    | [^"'\#A-Za-z0-9_-]++
    )*+""",
    re.DOTALL | re.VERBOSE,
)
"""All that stands before the first long key, or before a string without an end: tomli reads no further either.

Nothing is looked at twice, so that the search takes time that grows with the text, whatever stands in it.
"""


def loads(text: str) -> dict[str, Any]:
    """The document. Raises ValueError, in tomli's form of words, for everything that is no document."""
    before = _BEFORE.match(text)
    if before and (long := _LONG_KEY.match(text, before.end())):
        line, column = text.count("\n", 0, long.start()) + 1, long.start() - text.rfind("\n", 0, long.start())
        message = f"A dotted key may have at most {MAX_KEY_PARTS} parts"
        raise ValueError(f"{message} (at line {line}, column {column})")
    try:
        return tomli.loads(text)
    except RecursionError:
        raise ValueError("The file is nested too deeply (at end of document)") from None
