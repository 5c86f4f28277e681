"""The frames that host and worker exchange: magic, two lengths, a JSON header, raw little-endian arrays.

The worker's half is in `adapters/worker.py`, which has to run where nothing of ours is installed.
"""

import json
import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
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

MAX_DIMENSIONS = 32
"""Of an array that comes back: NumPy 1.23 has no more."""

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
        try:
            specs = msgspec.convert(self.header.get("arrays", []), list[_Described])
        except msgspec.ValidationError as error:
            raise Nonsense(f"cannot read an array as it is described: {error}") from None
        found: dict[tuple[str, str, int | None], Array] = {}
        offset = 0
        for spec in specs:
            key, array = (spec.role, spec.name, spec.step), self._array(spec, offset)
            if key in found:
                raise Nonsense(f"the array {key} came twice")
            found[key], offset = array, offset + array.nbytes
        if offset != len(self.payload):
            raise Nonsense(f"the arrays need {offset} bytes, the message has {len(self.payload)}")
        return found

    def _array(self, spec: "_Described", offset: int) -> Array:
        count, (_, dtype) = math.prod(spec.shape), wire_format(spec.dtype)
        if count * dtype.itemsize > len(self.payload) - offset or len(spec.shape) > MAX_DIMENSIONS:
            raise Nonsense(
                f"cannot read an array described as {str(spec)[:200]}, {offset} bytes from the start"
            )
        return np.frombuffer(self.payload, dtype, count, offset).reshape(spec.shape)


class _Described(msgspec.Struct, frozen=True):
    """What a message's header says of one of its arrays."""

    role: str
    name: str
    step: int | None
    dtype: Literal[DTYPES]  # type: ignore[valid-type]
    shape: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]


@cache
def wire_format(dtype: Any) -> tuple[str, np.dtype[Any]]:
    """A dtype's name, and the dtype as its elements cross the pipe."""
    return np.dtype(dtype).name, np.dtype(dtype).newbyteorder("<")


def python_json(data: Any) -> msgspec.Raw:
    """JSON with the `Infinity` and `NaN` that Python reads, for a part of a header in which numbers may be such."""
    return msgspec.Raw(json.dumps(data).encode())


def frame(header: Mapping[str, Any], arrays: Iterable[Sent] = ()) -> list[bytes | memoryview]:
    """The pieces of one message, ready to be written one after the other without another copy."""
    pieces, specs = [], []
    for sent in arrays:
        dtype, wire = wire_format(sent.array.dtype)
        array: Any = np.asarray(sent.array, dtype=wire, order="C")
        specs.append(
            {"role": sent.role, "name": sent.name, "step": None, "each": sent.each}
            | {"dtype": dtype, "shape": array.shape}
        )
        pieces.append(memoryview(array.reshape(-1)).cast("B") if array.size else memoryview(b""))
    text = msgspec.json.encode({**header, "arrays": specs})
    return [PREFIX.pack(MAGIC, len(text), sum(map(len, pieces))) + text, *pieces]


def read_frame(read: Callable[[int], bytes | bytearray]) -> Frame:
    """The next message. `read(n)` gives exactly n bytes. Raises Nonsense where it is no frame."""
    magic, header_size, payload_size = PREFIX.unpack(bytes(read(PREFIX.size)))
    if magic != MAGIC:
        raise Nonsense(f"a message starts with {magic!r}, should be {MAGIC!r}")
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise Nonsense(f"a message claims {header_size} + {payload_size} bytes")
    try:
        header = msgspec.json.decode(read(header_size))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Nonsense(f"a message's header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise Nonsense(f"a message's header is {type(header).__name__}, should be an object")
    return Frame(header, memoryview(read(payload_size)))
