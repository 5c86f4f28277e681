"""Rewrites a requirements file so that pip takes the newest releases: pins go, but for lines marked `# held: why`.

    python .ci/unpin.py adapters/torch/requirements.txt

A marked line stays as it is, since no release that its pin rules out works. What pip then takes is the newest that
the others and this Python allow; the run file tells which versions it was.
"""

import sys
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

HELD = "# held:"


def unpinned(line: str) -> str:
    """The line without its versions; held lines, comments and options of pip stay."""
    if HELD in line:
        return line
    try:
        requirement = Requirement(line.partition(" #")[0].strip())
    except InvalidRequirement:
        return line
    requirement.specifier = type(requirement.specifier)()
    return str(requirement)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        file = Path(name)
        lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("".join(f"{unpinned(line)}\n" for line in lines), encoding="utf-8")
