"""The frames that host and worker exchange: magic, two lengths, a JSON header, raw little-endian arrays.

The worker's half is in `adapters/worker.py`, which has to run where nothing of ours is installed.
"""

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

PROTOCOL = 1
MAGIC = b"GCH1"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER = 256 * 2**20
MAX_PAYLOAD = 8 * 2**30
DTYPES = ("float32", "float64", "float16", "int32", "int64", "bool")
"""What may cross the pipe; whether it is the dtype that was asked for is for the judge."""

BOOTSTRAP = (
    "import sys, types;"
    "sys.path[:] = [p for p in sys.path if p];"
    "i = sys.stdin.buffer;"
    "source = i.read(int(i.readline()));"
    "m = sys.modules['worker'] = types.ModuleType('worker');"
    "m.__file__ = 'worker.py';"
    "exec(compile(source, 'worker.py', 'exec'), m.__dict__);"
    "m.main()"
)
"""What an interpreter runs after `-c`: it reads the worker's source from the pipe and hands over to its main()."""

Array = np.ndarray[Any, Any]


class Nonsense(Exception):
    """The other side sent something that is no frame of this protocol."""


@dataclass(frozen=True)
class Sent:
    """An array on its way to a worker; `each` marks a leading axis of training steps."""

    role: str
    name: str
    array: Array
    each: bool = False


@dataclass(frozen=True)
class Frame:
    """A message: its JSON header and the raw arrays behind it."""

    header: dict[str, Any]
    payload: memoryview

    def arrays(self) -> dict[tuple[str, str, int | None], Array]:
        """The arrays by role, name and step. Raises Nonsense where lengths, dtypes or names do not fit."""
        specs = self.header.get("arrays", [])
        if not isinstance(specs, list):
            raise Nonsense(f"the arrays are described by {type(specs).__name__}, should be a list")
        found: dict[tuple[str, str, int | None], Array] = {}
        offset = 0
        for spec in specs:
            key, array = self._array(spec, offset)
            if key in found:
                raise Nonsense(f"the array {key} came twice")
            found[key], offset = array, offset + array.nbytes
        if offset != len(self.payload):
            raise Nonsense(f"the arrays need {offset} bytes, the message has {len(self.payload)}")
        return found

    def _array(self, spec: Any, offset: int) -> tuple[tuple[str, str, int | None], Array]:
        match spec:
            case {
                "role": str(role),
                "name": str(name),
                "step": int() | None as step,
                "dtype": dtype,
                "shape": list(shape),
            }:
                if dtype in DTYPES and all(type(size) is int and size >= 0 for size in shape):
                    count = math.prod(shape)
                    kind = np.dtype(dtype).newbyteorder("<")
                    if count * kind.itemsize <= len(self.payload) - offset:
                        array = np.frombuffer(self.payload, kind, count, offset).reshape(shape)
                        return (role, name, step), array
        raise Nonsense(f"cannot read an array described as {str(spec)[:200]}, {offset} bytes from the start")


def frame(header: Mapping[str, Any], arrays: Iterable[Sent] = ()) -> list[bytes | memoryview]:
    """The pieces of one message, ready to be written one after the other without another copy."""
    pieces, specs = [], []
    for sent in arrays:
        array: Any = np.asarray(sent.array, dtype=sent.array.dtype.newbyteorder("<"), order="C")
        specs.append(
            {"role": sent.role, "name": sent.name, "step": None, "each": sent.each}
            | {"dtype": sent.array.dtype.name, "shape": list(array.shape)}
        )
        pieces.append(memoryview(array.reshape(-1)).cast("B") if array.size else memoryview(b""))
    text = json.dumps({**header, "arrays": specs}, allow_nan=True).encode()
    return [PREFIX.pack(MAGIC, len(text), sum(map(len, pieces))) + text, *pieces]


def read_frame(read: Callable[[int], bytes | bytearray]) -> Frame:
    """The next message. `read(n)` gives exactly n bytes. Raises Nonsense where it is no frame."""
    magic, header_size, payload_size = PREFIX.unpack(bytes(read(PREFIX.size)))
    if magic != MAGIC:
        raise Nonsense(f"a message starts with {magic!r}, should be {MAGIC!r}")
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise Nonsense(f"a message claims {header_size} + {payload_size} bytes")
    try:
        header = json.loads(bytes(read(header_size)))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise Nonsense(f"a message's header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise Nonsense(f"a message's header is {type(header).__name__}, should be an object")
    return Frame(header, memoryview(read(payload_size)))
