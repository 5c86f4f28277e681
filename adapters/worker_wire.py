"""The worker's half of the pipe: frames, and the arrays in them. It is the first that a worker is sent.

A frame is magic, length of the header, length of the payload, header, raw little-endian arrays in C order. The header
is two lines of JSON: what is of this message alone, and what messages of its family share (the arrays' names, dtypes
and shapes; in a request also the program and what is asked), so that it is read only once. Each array begins at a
multiple of 8 bytes.
"""

# ruff: noqa: E402

import sys

# Before any other import: a folder in the working directory that is called like a module must not shadow it.
sys.path[:] = [entry for entry in sys.path if entry not in ("", ".")]

if sys.byteorder != "little":
    sys.exit("a worker needs a little-endian machine: so are the arrays that it is sent")
if sys.version_info < (3, 10):  # noqa: UP036 - the interpreter is somebody else's
    sys.exit(f"{sys.executable} is Python {sys.version.split()[0]}; a worker needs 3.10 or later")

import functools
import json
import math
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

OLDEST_NUMPY = (1, 23)


def missing_numpy(found: str) -> str:
    needed = ".".join(map(str, OLDEST_NUMPY))
    command = f"{sys.executable} -m pip install 'numpy>={needed}'"
    return f"{sys.executable} has {found}; a worker needs NumPy {needed} or later: {command}"


try:
    import numpy as np
except ImportError as error:
    sys.exit(missing_numpy(f"no NumPy that can be imported ({error})"))
if tuple(map(int, np.__version__.split(".")[:2])) < OLDEST_NUMPY:
    sys.exit(missing_numpy(f"NumPy {np.__version__}"))

PROTOCOL = 3
PREFIX = struct.Struct("<4sIQ")
MAGIC = b"GCH1"
DTYPES = ("float16", "float32", "float64", "int32", "int64", "bool")
READ_JSON, WRITE_JSON = json.JSONDecoder().raw_decode, json.JSONEncoder().encode
"""What `json.loads` and `json.dumps` come to, without their detours: they are on every cell's way."""
NAMES = {np.dtype(name): name for name in DTYPES}
ALIGNMENT = 8
"""Every array begins at a multiple of so many bytes of a payload."""

REMEMBERED = 256
"""Shared lines whose meaning is kept."""

Frame = tuple[dict[str, Any], bytes, bytes]
Spec = tuple[str, str, int | None, str, tuple[int, ...]]
SPEC = ("role", "name", "step", "dtype", "shape")


class ProtocolError(Exception):
    """The host spoke nonsense, or another version."""


def read_exactly(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes from the pipe."""
    data = stream.read(size)
    if len(data) < size:
        raise EOFError(f"the pipe closed after {len(data)} of {size} bytes")
    return data


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame: its own line, the shared line unread, the payload. None at a clean end."""
    prefix = stream.read(PREFIX.size)
    if not prefix:
        return None
    if len(prefix) < PREFIX.size:
        raise EOFError(f"the pipe closed after {len(prefix)} of {PREFIX.size} bytes")
    magic, header, payload = PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise ProtocolError(f"a frame starts with {magic!r}, should be {MAGIC!r}")
    own, _, shared = read_exactly(stream, header).partition(b"\n")
    request, _ = READ_JSON(own.decode())
    return request, shared, read_exactly(stream, payload)


def write_frame(stream: BinaryIO, header: dict[str, Any], reply: "Reply | None" = None) -> None:
    shared, blobs = (described(tuple(reply.specs)), padded(reply.blobs)) if reply else (b"{}", [])
    text = b"%b\n%b" % (WRITE_JSON(header).encode(), shared)
    stream.writelines([PREFIX.pack(MAGIC, len(text), sum(map(len, blobs))), text, *blobs])
    stream.flush()


def padded(blobs: list[bytes]) -> list[bytes]:
    """Each followed by what makes it a multiple of ALIGNMENT long."""
    return [part for blob in blobs for part in (blob, bytes(-len(blob) % ALIGNMENT))]


@functools.lru_cache(maxsize=REMEMBERED)
def described(specs: tuple["Spec", ...]) -> bytes:
    """The shared line of an answer: cells of one family have the same."""
    return json.dumps({"arrays": [dict(zip(SPEC, spec, strict=True)) for spec in specs]}).encode()


class Place(NamedTuple):
    """One array of a request: `each` has a leading axis of steps, `start` to `stop` is where it lies in the payload."""

    role: str
    name: str
    each: bool
    dtype: np.dtype
    shape: tuple[int, ...]
    start: int
    stop: int

    def of(self, payload: bytearray) -> np.ndarray:
        """A view, which may be written to."""
        return np.ndarray(self.shape, self.dtype, payload, self.start)


def aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def places(specs: list[dict[str, Any]]) -> list[Place]:
    found, offset = [], 0
    for spec in specs:
        dtype, shape = np.dtype(spec["dtype"]), tuple(spec["shape"])
        stop = offset + math.prod(shape) * dtype.itemsize
        found.append(Place(spec["role"], spec["name"], spec["each"], dtype, shape, offset, stop))
        offset = aligned(stop)
    return found


@dataclass
class Reply:
    """Arrays on their way out. They become bytes at once: a later step may change the tensor in place."""

    specs: list[Spec] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)

    def add(self, role: str, name: str, step: int | None, array: np.ndarray) -> None:
        dtype = NAMES.get(array.dtype)
        if dtype is None:
            raise TypeError(f"{role} {name} has dtype {array.dtype}, should be one of {', '.join(DTYPES)}")
        self.specs.append((role, name, step, dtype, array.shape))
        self.blobs.append(array.tobytes())  # in C order
