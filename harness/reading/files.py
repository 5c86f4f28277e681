"""Reading what a stranger's path leads to: a regular file of bounded size, and nothing that blocks or never ends."""

import errno
import os
import stat
from pathlib import Path
from typing import IO

SMALL = 1 << 16
"""Bytes that are read first: a buffer as large as what is allowed takes longer to make than most files to read."""


def open_regular(path: Path) -> IO[bytes]:
    """The file, open for reading. Raises OSError, also for what is no regular file: a pipe would block for ever."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "it has a null byte, as no path has", str(path))
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(
            number, os.strerror(number) if stat.S_ISDIR(mode) else "it is no regular file", str(path)
        )
    return os.fdopen(descriptor, "rb")


def real(path: Path) -> Path:
    """The path without links. Where they lead in a circle it stays one of them, and whoever opens it is told so."""
    return Path(os.path.realpath(path))  # `Path.resolve` raises RuntimeError there, before Python 3.13


def read_at_most(path: Path, limit: int) -> bytes:
    """The file's content. Raises OSError, also where it has more than `limit` bytes."""
    with open_regular(path) as stream:
        data = stream.read(min(limit + 1, SMALL))
        if len(data) == SMALL:
            data += stream.read(limit + 1 - SMALL)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"the file is larger than {limit} bytes", str(path))
    return data
