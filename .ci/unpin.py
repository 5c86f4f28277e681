"""Rewrites requirement and lock files so that pip takes the newest releases: pins go, but for lines marked `# held: why`.

    python .ci/unpin.py                                   every one of this repository
    python .ci/unpin.py adapters/torch/*.txt              those of one framework

A marked line stays as it is, since no release that its pin rules out works. What pip then takes is the newest that
the others and this Python allow; the run file tells which versions it was. It needs the standard library alone: it is
run before anything is installed.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EVERY = ("adapters/*/requirements.txt", "adapters/*/lock.txt", ".ci/locks/*.txt")
HELD = "# held:"
PINNED = re.compile(
    r"""
    (?P<name> [A-Za-z0-9][\w.-]* (?:\[[^\]]*\])? )  \s*
    (?: [<>=!~][^;#]*? )?
    (?P<marker> \s*;\s*[^#]*? )?
    (?: \s+\#.* )?
    """,
    re.VERBOSE,
)
"""A requirement that PyPI answers: a name with extras, its versions, a marker, a comment. Options and links are none."""


def unpinned(line: str) -> str:
    """The line without its versions; held lines, comments and options of pip stay."""
    found = PINNED.fullmatch(line)
    if found is None or HELD in line:
        return line
    return (found["name"] + (found["marker"] or "")).rstrip()


if __name__ == "__main__":
    every = (file for pattern in EVERY for file in sorted(ROOT.glob(pattern)))
    for file in map(Path, sys.argv[1:]) if sys.argv[1:] else every:
        lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("".join(f"{unpinned(line)}\n" for line in lines), encoding="utf-8")
