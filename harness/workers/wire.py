"""The frames that host and worker exchange: magic, two lengths, a header, raw little-endian arrays.

A header is two lines of JSON. The first has what is of this message alone. The second has what messages of its family
share (the arrays' names, dtypes and shapes; in a request also the program and what is asked): who has read it once
knows it when it comes again. Every array begins at a multiple of 8 bytes.

The worker's half is in `adapters/worker_wire.py`, which has to run where nothing of ours is installed.
"""

import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np

from ..frameworks.found import SOURCES, worker_sources
from ..reading.elements import ALIGNMENT, CARRIED, Array, raw, wire_format
from ..reading.text import shortened, shown
from ..roles import Answered
from .asked import Asked

PROTOCOL = 3
MAGIC = b"GCH1"
PREFIX = struct.Struct("<4sIQ")
MAX_BRACKETS = 2_000_000
"""Lists and objects of a message's own line: many more than so many take minutes to read."""
MAX_EXTENT = 8 * 2**30
"""Bytes at which an array of a message may end, as its header has it."""
MAX_TEXT = 100_000
"""Characters of a text in a header, such as a traceback: of a longer one begin and end are kept."""
MAX_KNOWN = 65536
"""Bytes of a second line that is kept with what it says."""
MAX_NAME = 1_000
MAX_STEP = 2**31
MAX_DIMENSIONS, MAX_ELEMENTS = 64, 2**59
MAX_ITEMS = 100_000
MAX_DEPTH = 8
"""Items of a header beside its arrays, and lists within lists: what is more is not of this protocol."""

BOOTSTRAP = (
    "import sys, types;"
    "sys.path[:] = [p for p in sys.path if p];"
    "i = sys.stdin.buffer;"
    "m = {n: types.ModuleType(n) for n in " + repr(SOURCES) + "};"
    "sys.modules.update(m);"
    "[m[n].__dict__.update(__file__=n + '.py') or "
    "exec(compile(i.read(int(i.readline())), n + '.py', 'exec'), m[n].__dict__) for n in m];"
    "m['worker'].main()"
)
"""What an interpreter runs after `-c`: it reads the worker's modules from the pipe and hands over to main()."""


def sources() -> bytes:
    """The worker's modules as the bootstrap reads them: each behind a line with its length."""
    return b"".join(b"%d\n%b" % (len(text), text) for text in worker_sources())


class Nonsense(Exception):
    """The other side sent something that is no frame of this protocol."""


class Sent(NamedTuple):
    """An array on its way to a worker; `each` marks a leading axis of training steps."""

    role: str
    name: str
    array: Array
    each: bool = False


@dataclass(frozen=True)
class Frame:
    """A message: the first line of its header, the second one unread, and the raw arrays behind it."""

    header: dict[str, Any]
    shared: bytes
    payload: memoryview
    asked: Asked

    def arrays(self) -> Answered:
        """The arrays. Raises Nonsense where lengths, dtypes or names do not fit, or one was not asked for."""
        places = _described(self.shared)
        size = _aligned(places[-1].stop) if places else 0
        if size != len(self.payload):
            raise Nonsense(f"the arrays need {size} bytes, the message has {len(self.payload)}")
        if stray := self.asked.stray(place.key for place in places):
            raise Nonsense(stray)
        return {place.key: place.read(self.payload) for place in places}


class _Place(NamedTuple):
    """Where one array lies in a message's payload."""

    key: tuple[str, str, int | None]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int

    def read(self, payload: memoryview) -> Array:
        return np.ndarray(self.shape, self.dtype, payload, self.start)


def _places(shared: bytes) -> tuple[_Place, ...]:
    """Where the arrays of a message lie. Raises Nonsense where they can lie nowhere."""
    try:
        described = msgspec.json.decode(shared, type=_Shared).arrays
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        reason = shortened(str(error), MAX_NAME)
        raise Nonsense(f"cannot read an array as it is described: {reason}") from None
    found: dict[tuple[str, str, int | None], _Place] = {}
    start = 0
    for spec in described:
        key, dtype = (spec.role, spec.name, spec.step), wire_format(spec.dtype)[1]
        stop = start + math.prod(spec.shape) * dtype.itemsize
        if stop > MAX_EXTENT or not _is_name(spec.role + spec.name) or not _is_shape(spec.shape):
            raise Nonsense(f"cannot read an array described as {shown(spec)}, {start} bytes from the start")
        if key in found:
            raise Nonsense(f"the array {key} came twice")
        found[key] = _Place(key, dtype, spec.shape, start, stop)
        start = _aligned(stop)
    return tuple(found.values())


_places_known = lru_cache(maxsize=256)(_places)


def _described(shared: bytes) -> "tuple[_Place, ...]":
    """The same, kept for a line that is short enough."""
    return _places_known(shared) if len(shared) <= MAX_KNOWN else _places(shared)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT


def _is_shape(shape: tuple[int, ...]) -> bool:
    """Whether NumPy has such arrays: an empty one's other sizes must not overflow either."""
    return math.prod(size or 1 for size in shape) <= MAX_ELEMENTS


def _is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and text.isprintable()


class _Array(msgspec.Struct, frozen=True):
    """What a message's header says of one of its arrays."""

    role: str
    name: str
    step: Annotated[int, msgspec.Meta(ge=0, lt=MAX_STEP)] | None
    dtype: Literal[CARRIED]  # type: ignore[valid-type]
    shape: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0)], ...], msgspec.Meta(max_length=MAX_DIMENSIONS)]


class _Shared(msgspec.Struct, frozen=True):
    """The second line of a worker's header."""

    arrays: list[_Array] = []


def python_json(data: Any) -> msgspec.Raw:
    """JSON with the `Infinity` and `NaN` that Python reads, for a part of a header in which numbers may be such."""
    return msgspec.Raw(json.dumps(data).encode())


def shared_line(shared: Mapping[str, Any], arrays: Iterable[Sent]) -> bytes:
    """The second line of a header: what messages of a family share, their arrays as they are described."""
    specs = [
        {"role": sent.role, "name": sent.name, "step": None, "each": sent.each}
        | {"dtype": wire_format(sent.array.dtype)[0], "shape": sent.array.shape}
        for sent in arrays
    ]
    return msgspec.json.encode({**shared, "arrays": specs})


def frame(
    header: Mapping[str, Any], arrays: Sequence[Sent] = (), shared: bytes | None = None
) -> list[bytes | memoryview]:
    """The pieces of one message, ready to be written one after the other without another copy.

    `shared` is the second line of its header, with these arrays in it, where it is known already.
    """
    pieces = [piece for sent in arrays for piece in _padded(raw(sent.array)) if piece]
    text = b"%b\n%b" % (msgspec.json.encode(header), shared_line({}, arrays) if shared is None else shared)
    return [PREFIX.pack(MAGIC, len(text), sum(map(len, pieces))) + text, *pieces]


def _padded(data: memoryview) -> Iterator[bytes | memoryview]:
    """The data, and what makes their length a multiple of ALIGNMENT."""
    yield data
    yield bytes(-len(data) % ALIGNMENT)


def read_frame(read: Callable[[int], bytes | bytearray | memoryview], asked: Asked) -> Frame:
    """The answer to what was asked, or another message. `read(n)` gives exactly n bytes.

    Raises Nonsense where it is no frame, or larger than any answer: then its arrays are not read.
    """
    magic, header_size, size = PREFIX.unpack(bytes(read(PREFIX.size)))
    if magic != MAGIC:
        raise Nonsense(f"a message starts with {magic!r}, should be {MAGIC!r}")
    if header_size > asked.most_header:
        raise Nonsense(
            f"a message claims a header of {header_size} bytes; at most {asked.most_header} are read"
        )
    try:
        header, shared = _header(bytes(read(header_size)), asked)
        if size > asked.most:
            raise Nonsense(asked.too_heavy(_described(shared), size))
        return Frame(header, shared, memoryview(read(size)), asked)
    except MemoryError:
        raise Nonsense(f"a message claims {header_size} + {size} bytes: no room for them") from None


def _header(data: bytes, asked: Asked) -> tuple[dict[str, Any], bytes]:
    """The first line, read, and the second one, which describes no more arrays than could be asked for."""
    own, _, shared = data.partition(b"\n")
    for line, most in ((own, MAX_BRACKETS), (shared, 2 * asked.count + MAX_ITEMS)):
        if line.count(b"[") + line.count(b"{") > most:
            raise Nonsense("a message's header has more in it than any answer")
    try:
        header = msgspec.json.decode(own)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise Nonsense(f"a message's header is not JSON: {shortened(str(error), MAX_NAME)}") from None
    if not isinstance(header, dict):
        raise Nonsense(f"a message's header is {type(header).__name__}, should be an object")
    if not all(map(_is_name, header)):
        raise Nonsense("a message's header has keys that are no names")
    return {key: _bounded(value) for key, value in header.items()}, shared or b"{}"


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
