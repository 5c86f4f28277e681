"""The arrays that frameworks answered, kept beside a run file so that it can be judged again by other rules.

One .npz file a cell, written by the process that judged it: under another name first and then renamed, so that a
killed run leaves no half of one. Nothing in it is a pickle.
"""

import hashlib
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError
from harness.judge import Answered

LONGEST = 120
"""Characters of a cell's id in a file's name, where file systems allow 255."""


class ArraysUnreadable(HarnessError):
    """Kept arrays that are not there, or not as they were written."""


class ArraysUnwritable(HarnessError):
    """A folder in which arrays cannot be kept."""


def file_name(cell_id: str) -> str:
    """A file's name from a cell's id; the digest keeps apart ids that differ only in what a name can't hold."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", cell_id)[:LONGEST]
    return f"{safe}-{hashlib.sha256(cell_id.encode()).hexdigest()[:12]}.npz"


def keep(folder: Path, cell_id: str, arrays: Answered) -> Path:
    """Write a cell's arrays and return the file. Raises ArraysUnwritable."""
    path = folder / file_name(cell_id)
    unfinished = path.with_suffix(f".{os.getpid()}")
    named: dict[str, Any] = {_member(*key): array for key, array in arrays.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as stream:
            np.savez(stream, **named)
        unfinished.replace(path)
    except OSError as error:
        message = f"{path}: can't keep arrays: {error.strerror}; name another folder with --keep-arrays=DIR"
        raise ArraysUnwritable(message) from error
    return path


def load(path: Path) -> Answered:
    """Arrays as they were answered, by role, name and step. Raises ArraysUnreadable."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as members:
            return {_key(member): members[member] for member in members.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        message = f"{path}: can't read kept arrays: {error}; run the cell again with --keep-arrays=DIR"
        raise ArraysUnreadable(message) from error


def _member(role: str, name: str, step: int | None) -> str:
    return f"{'' if step is None else step}/{role}/{name}"


def _key(member: str) -> tuple[str, str, int | None]:
    step, role, name = member.split("/", 2)
    return role, name, int(step) if step else None


def relative(path: Path, record: Path) -> str:
    """How the run file `record` names a file of arrays: from its own folder, so that both can move together."""
    return Path(os.path.relpath(path, record.parent)).as_posix()
