"""Writing a file where one may be already: what isn't ours stays, and nothing is left half written."""

import errno
import os
import re
import stat
from pathlib import Path

from .files import open_regular, real

BEGINNING = 4_096
"""Bytes at the beginning of a file that tell whose it is."""


def check_ours(path: Path, mark: re.Pattern[bytes]) -> None:
    """Raises FileExistsError where a file is there, isn't empty, and has no `mark` near its beginning.

    What is no regular file, such as a pipe, holds nothing that could be lost; a folder is for whoever writes to refuse.
    """
    if not path.is_file():
        return
    with open_regular(path) as stream:
        beginning = stream.read(BEGINNING)
    if beginning and not mark.search(beginning):
        told = "a file of another kind is there, and would be lost"
        raise FileExistsError(errno.EEXIST, told, str(path))


def create(path: Path, text: str) -> None:
    """Write a file that isn't there yet, whole or not at all. Raises FileExistsError where anything is, and OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        stream = path.open("x", encoding="utf-8", newline="\n")
    except FileExistsError:
        told = "is there already, and is left as it is; name another file"
        raise FileExistsError(errno.EEXIST, told, str(path)) from None
    try:
        with stream:
            stream.write(text)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def replace(path: Path, text: str) -> None:
    """Write the text whole or not at all: beside the file, then moved to its place. Raises OSError.

    Its folder is made where it isn't there. A pipe or a device is written to as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        path.write_bytes(data)
        return
    path = real(path)  # where a link stands, the file that it leads to is meant
    beside = path.with_name(f".{os.getpid()}.unfinished")
    try:
        beside.write_bytes(data)
        if os.path.lexists(path):  # links in a circle raise here
            beside.chmod(stat.S_IMODE(path.stat().st_mode))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
