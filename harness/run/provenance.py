"""Where a run comes from: the machine, the versions, the commit."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ...reference.rounding import RULES_VERSION, K
from ..reading import sources
from .lines import FORMAT, Header, Machine


def header(
    *,
    harness: str,
    roots: Sequence[str],
    command: Sequence[str],
    carried: Sequence[str] = (),
    frameworks: Sequence[str],
    contents: Mapping[str, str] | None = None,
) -> Header:
    """A header of this moment, on this machine. `contents`: what verdicts stand on beside our own code."""
    return Header(
        format=FORMAT,
        harness=harness,
        rules=RULES_VERSION,
        K=K,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=Machine(cpu=_cpu(), cores=os.cpu_count() or 1, os=platform.platform()),
        python=platform.python_version(),
        commit=commit(Path(__file__)),
        roots=list(roots),
        command=list(command),
        carried=list(carried),
        frameworks=list(frameworks),
        contents={**own_contents(), **(contents or {})},
    )


def own_contents() -> dict[str, str]:
    """Our own code by its content, as it was loaded."""
    return {folder: sources.loaded(folder).hex()[:12] for folder in ("reference", "harness")}


def _cpu() -> str:
    """The processor's name; `platform` doesn't know it on Linux, so the kernel is asked first."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def commit(file: Path) -> str | None:
    """The commit that `file` is part of, `+dirty` if its repository has changes; None if it is part of none.

    A package that was installed below somebody else's repository isn't part of their commit, hence a file.
    """
    known = _git(file.parent, "rev-parse", "HEAD", f"HEAD:./{file.name}")
    if known is None:
        return None
    return known.split()[0] + ("+dirty" if _git(file.parent, "status", "--porcelain") else "")


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (git, with words of our own)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
