"""The arrays that frameworks answered, kept beside a run file so that it can be judged again by other rules.

One .npz file a cell, written by the process that judged it: under another name first and then renamed, so that a
killed run leaves no half of one. Nothing in it is a pickle.
"""

import hashlib
import os
import re
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import HarnessError
from ..reading.elements import CARRIED, Array
from ..reading.files import open_regular, read_at_most, real
from ..reading.npy import read_header
from ..reading.replacing import replace
from ..roles import Answered
from .lines import CellLine, Kept
from .writing import is_busy

LONGEST = 120
"""Characters of a cell's id in a file's name, where file systems allow 255."""

PART = 2**20
"""Bytes of a file that are read at once."""

OWNER = "run.txt"
"""In a folder of arrays: the run file that names them, from there."""

MARK = "The run file whose kept arrays these are, for the gradient conformance harness."
LONGEST_OWNER = 10_000

KEPT = re.compile(r".*-[0-9a-f]{12}\.(npz|\d+)")
"""Names of files that `keep` writes, finished or not."""


class ArraysUnreadable(HarnessError):
    """Kept arrays that are not there, or not as they were written."""


class ArraysUnwritable(HarnessError):
    """A folder in which arrays cannot be kept."""


class ArraysOfAnotherRun(HarnessError):
    """A folder whose arrays another run file names: they would be replaced under it."""


def file_name(cell_id: str, content: str) -> str:
    """A file's name: readable, and another for another cell or other arrays, so that none replaces another's."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", cell_id)[:LONGEST]
    return f"{safe}-{hashlib.sha256(f'{cell_id} {content}'.encode()).hexdigest()[:12]}.npz"


def check_owner(folder: Path, record: Path, *, one_of_many: bool = False) -> None:
    """Raises ArraysOfAnotherRun where a folder has arrays of another run file, or nobody says of which.

    `one_of_many`: each run there has a file of its own, and takes the arrays over from one that has ended.
    """
    found = _owner(folder)
    if _kept(folder) and found != relative(record, folder / OWNER):
        whose = os.path.normpath(real(folder) / found) if found else f"a run that no {OWNER} names"
        if found and one_of_many and Path(whose).parent == real(record.parent) and not is_busy(Path(whose)):
            return
        told = f"{folder}: has arrays of {whose}, and {record} is to be written"
        raise ArraysOfAnotherRun(f"{told}; delete them or name another folder with --keep-arrays=DIR")


def _owner(folder: Path) -> str | None:
    """The run file that a folder's arrays are of; None where nothing says so. Raises ArraysOfAnotherRun."""
    owner = folder / OWNER
    if not owner.exists():
        return None
    try:
        lines = read_at_most(owner, LONGEST_OWNER).decode(errors="replace").splitlines()
    except OSError as error:
        raise _unwritable(owner, error) from error
    if lines[1:] == [MARK] or (
        len(lines) == 1 and lines[0].endswith(".jsonl")
    ):  # without the mark: before format 3
        return lines[0]
    told = f"{owner}: is none of ours, and would be replaced"
    raise ArraysOfAnotherRun(f"{told}; name another folder with --keep-arrays=DIR")


def claim(folder: Path, record: Path, *, one_of_many: bool = False) -> None:
    """Make a folder ready for the arrays of the run file `record`. Raises ArraysOfAnotherRun and ArraysUnwritable."""
    check_owner(folder, record, one_of_many=one_of_many)
    owner = folder / OWNER
    try:
        replace(owner, f"{relative(record, owner)}\n{MARK}\n")
    except OSError as error:
        raise _unwritable(folder, error) from error


def tidy(folder: Path, cells: Iterable[CellLine]) -> None:
    """Leave only the arrays of these cells, those of a complete run: an earlier one's were its own until now."""
    named = {Path(cell.arrays).name for cell in cells if cell.arrays is not None}
    try:
        for path in _kept(folder):
            if path.name not in named:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _kept(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if KEPT.fullmatch(path.name)] if folder.is_dir() else []


def keep(folder: Path, cell_id: str, arrays: Answered) -> tuple[Path, Kept]:
    """Write a cell's arrays and return the file and its content. Raises ArraysUnwritable."""
    unfinished = folder / f"{file_name(cell_id, '').removesuffix('.npz')}.{os.getpid()}"
    named: dict[str, Any] = {_member(*key): array for key, array in arrays.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w+b") as stream:
            np.savez(stream, **named)
            kept = _content(stream)
        path = folder / file_name(cell_id, kept.sha256)
        unfinished.replace(path)
    except OSError as error:
        raise _unwritable(unfinished, error) from error
    return path, kept


def _content(stream: IO[bytes]) -> Kept:
    """What the file holds; its place is the beginning then."""
    stream.seek(0)
    digest, size = hashlib.sha256(), 0
    while part := stream.read(PART):
        digest.update(part)
        size += len(part)
    stream.seek(0)
    return Kept(bytes=size, sha256=digest.hexdigest())


def _unwritable(path: Path, error: OSError) -> ArraysUnwritable:
    return ArraysUnwritable(
        f"{path}: can't keep arrays: {error.strerror}; name another folder with --keep-arrays=DIR"
    )


def load(path: Path, kept: Kept | None) -> Answered:
    """Arrays as they were answered, by role, name and step. Raises ArraysUnreadable, also where they are another's.

    `kept` is None in a run that didn't name them by content.
    """
    try:
        with open_regular(path) as stream:
            _check_content(stream, kept)
            with zipfile.ZipFile(stream) as members:
                return _arrays(members, os.fstat(stream.fileno()).st_size)
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, struct.error) as error:
        message = f"{path}: can't read kept arrays: {error}; run the cell again with --keep-arrays=DIR"
        raise ArraysUnreadable(message) from error


def _check_content(stream: IO[bytes], kept: Kept | None) -> None:
    """Raises ValueError for other arrays than were kept; what is of another size is not read."""
    if kept is not None and (os.fstat(stream.fileno()).st_size != kept.bytes or _content(stream) != kept):
        raise ValueError("they are not those that the run file tells of by their content")


def _member(role: str, name: str, step: int | None) -> str:
    return f"{'' if step is None else step}/{role}/{name}"


def _arrays(members: zipfile.ZipFile, length: int) -> Answered:
    """All of the members: `keep` compresses none, so that together they are no larger than their file."""
    found = members.infolist()
    names = {member.filename for member in found}
    if sum(member.file_size for member in found) > length or len(names) != len(found):
        raise ValueError("its members overlap, or are larger than the file")
    return dict(_array(members, member) for member in found)


def _array(members: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[tuple[str, str, int | None], Array]:
    """A member's key and array. Of what is compressed nobody knows the size before it is there."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{member.filename!r} is compressed")
    with members.open(member) as stream:
        header = read_header(stream)
        data = stream.read()
    if header.dtype.name not in CARRIED or header.nbytes != len(data):
        raise ValueError(f"{member.filename!r} isn't the array that its header tells of")
    return _key(member.filename.removesuffix(".npy")), header.array(data)


def _key(member: str) -> tuple[str, str, int | None]:
    step, role, name = member.split("/", 2)
    return role, name, int(step) if step else None


def relative(path: Path, record: Path) -> str:
    """How the run file `record` names a file of arrays: from its own folder, so that both can move together.

    Both without links: `..` leads out of the folder that a link stands for, and a folder is one by whatever name.
    """
    return Path(os.path.relpath(real(path), real(record).parent)).as_posix()


def place(record: Path, name: str) -> Path:
    """The file of arrays that `record` calls so."""
    return real(record).parent / name
