"""Arrays in NumPy's own format, from a stranger: what the header claims is held to before anything is allocated."""

import ast
import io
import lzma
import math
import os
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

Array = np.ndarray[Any, Any]

MAX_HEADER = 10_000
"""Bytes of a header's text: NumPy's own limit, which it looks at only after it has read them."""
MAGIC = b"\x93NUMPY"
DTYPE = re.compile(r"[<>|=]?[?biufcO][0-9]{0,2}")
LENGTHS: dict[tuple[int, ...], struct.Struct] = {(1, 0): struct.Struct("<H"), (2, 0): struct.Struct("<I")}


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """Shape, order and dtype of the data that follow."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """How many bytes of data they need."""
        return math.prod(self.shape) * self.dtype.itemsize

    def array(self, data: bytes | bytearray) -> Array:
        """The array of so many bytes. Raises ValueError for a shape that NumPy has no array of."""
        flat = np.frombuffer(data, self.dtype, math.prod(self.shape))
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def read_header(stream: IO[bytes]) -> NpyHeader:
    """The header at the stream's place. Raises ValueError for anything but that of a plain array of numbers."""
    start = stream.read(len(MAGIC) + 2)
    length = LENGTHS.get(tuple(start[len(MAGIC) :]))
    if not start.startswith(MAGIC) or length is None:
        raise ValueError("it does not begin as a .npy file of version 1.0 or 2.0")
    try:
        (size,) = length.unpack(stream.read(length.size))
        text = stream.read(size).decode("latin-1") if size <= MAX_HEADER else ""
        return _header(ast.literal_eval(text.strip()))
    except (struct.error, SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ValueError("its header cannot be read") from None


def _header(found: Any) -> NpyHeader:
    match found:
        case {"descr": str(descr), "fortran_order": bool(fortran), "shape": tuple(shape), **rest} if not rest:
            if all(type(size) is int and size >= 0 for size in shape) and DTYPE.fullmatch(descr):
                return NpyHeader(shape, fortran, np.dtype(descr))
    raise ValueError("it describes no plain array")


def data_length(stream: IO[bytes]) -> int:
    """How many bytes follow the stream's place, where it stays."""
    place = stream.tell()
    length = stream.seek(0, os.SEEK_END) - place
    stream.seek(place)
    return length


def member(archive: IO[bytes], name: str, most: int) -> IO[bytes]:
    """The array `name` of an .npz file as a .npy file of its own, of at most so many bytes whatever the archive claims.

    Raises KeyError where it has none of the name, and ValueError where it can't be read.
    """
    try:
        with zipfile.ZipFile(archive) as files, files.open(f"{name}.npy") as stream:
            data = stream.read(most + 1)
    except KeyError:
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,
        OSError,
        EOFError,
    ):
        raise ValueError("it is no archive that can be read") from None
    if len(data) > most:
        raise ValueError(f"it holds more than {most} bytes")
    return io.BytesIO(data)
