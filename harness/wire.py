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

from harness.errors import shortened, shown

PROTOCOL = 1
MAGIC = b"GCH1"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER = 64 * 2**20
MAX_BRACKETS = 2_000_000
"""Lists and objects of a header, two an array: many more than so many take minutes to read."""
MAX_PAYLOAD = 8 * 2**30
MAX_TEXT = 100_000
"""Characters of a text in a header, such as a traceback: of a longer one begin and end are kept."""
MAX_NAME = 1_000
MAX_STEP = 2**31
MAX_DIMENSIONS = 64
MAX_ITEMS = 100_000
MAX_DEPTH = 8
"""Items of a header beside its arrays, and lists within lists: what is more is not of this protocol."""
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
        if count * dtype.itemsize > len(self.payload) - offset or not _is_name(spec.role + spec.name):
            raise Nonsense(f"cannot read an array described as {shown(spec)}, {offset} bytes from the start")
        return _reshaped(np.frombuffer(self.payload, dtype, count, offset), spec.shape)


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and text.isprintable()


def _reshaped(flat: Array, shape: tuple[int, ...]) -> Array:
    try:
        return flat.reshape(shape)
    except (ValueError, OverflowError):  # too many dimensions, or an empty array whose other sizes overflow
        raise Nonsense(f"there is no array of shape {shown(shape)}") from None


class _Described(msgspec.Struct, frozen=True):
    """What a message's header says of one of its arrays."""

    role: str
    name: str
    step: Annotated[int, msgspec.Meta(ge=0, lt=MAX_STEP)] | None
    dtype: Literal[DTYPES]  # type: ignore[valid-type]
    shape: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0)], ...], msgspec.Meta(max_length=MAX_DIMENSIONS)]


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


def read_frame(read: Callable[[int], bytes | bytearray | memoryview]) -> Frame:
    """The next message. `read(n)` gives exactly n bytes. Raises Nonsense where it is no frame."""
    magic, header_size, payload_size = PREFIX.unpack(bytes(read(PREFIX.size)))
    if magic != MAGIC:
        raise Nonsense(f"a message starts with {magic!r}, should be {MAGIC!r}")
    if header_size > MAX_HEADER or payload_size > MAX_PAYLOAD:
        raise Nonsense(f"a message claims {header_size} + {payload_size} bytes")
    try:
        header = _header(bytes(read(header_size)))
        return Frame(header, memoryview(read(payload_size)))
    except MemoryError:
        raise Nonsense(f"a message claims {header_size} + {payload_size} bytes: no room for them") from None


def _header(data: bytes) -> dict[str, Any]:
    if data.count(b"[") + data.count(b"{") > MAX_BRACKETS:
        raise Nonsense("a message's header has more in it than any answer")
    try:
        header = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Nonsense(f"a message's header is not JSON: {shortened(str(error), MAX_NAME)}") from None
    if not isinstance(header, dict):
        raise Nonsense(f"a message's header is {type(header).__name__}, should be an object")
    if not all(map(_is_name, header)):
        raise Nonsense("a message's header has keys that are no names")
    return {key: value if key == "arrays" else _bounded(value) for key, value in header.items()}


def _bounded(value: Any) -> Any:
    """The value, if it is of a size and depth that can be shown and recorded."""
    if isinstance(value, str):
        return shortened(value, MAX_TEXT)
    if not isinstance(value, list | dict):
        return value
    level, count = [value], 0
    for _ in range(MAX_DEPTH):
        count += sum(len(item) if isinstance(item, str) else 1 for item in level)
        if count > MAX_ITEMS:
            raise Nonsense("a message's header has more in it than any answer")
        inner = [item for item in level if isinstance(item, list | dict)]
        level = [child for item in inner for child in (_members(item) if isinstance(item, dict) else item)]
    if level:
        raise Nonsense("a message's header is nested too deeply")
    return value


def _members(table: dict[str, Any]) -> list[Any]:
    return [*table.keys(), *table.values()]
