"""The loop that every adapter shares: read a request, walk its program natively, answer with arrays.

It runs in the framework's own interpreter, read from the pipe, so nothing of ours is installed there:

- only the standard library and NumPy (1.23 or 2.x), Python 3.10 or later;
- the protocol owns a private copy of fd 1; whatever a framework prints goes to the log (fd 2);
- an op that the adapter lacks, an exception, an array changed in place: an answer, not the worker's end;
- it ends with its host, however that ends and whatever the worker is at;
- it is never told an expected value.

Frame: magic, length of the header, length of the payload, JSON header, raw little-endian arrays in C order.
"""

# ruff: noqa: E402

import sys

# Before any other import: a folder in the working directory that is called like a module must not shadow it.
sys.path[:] = [entry for entry in sys.path if entry not in ("", ".")]

if sys.version_info < (3, 10):  # noqa: UP036 - the interpreter is somebody else's
    sys.exit(f"{sys.executable} is Python {sys.version.split()[0]}; a worker needs 3.10 or later")

import contextlib
import faulthandler
import json
import linecache
import math
import os
import platform
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

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

PROTOCOL = 1
PREFIX = struct.Struct("<4sIQ")
MAGIC = b"GCH1"
DTYPES = ("float16", "float32", "float64", "int32", "int64", "bool")
GRACE = 2.0
"""Seconds that a worker has to end by itself after its host is gone."""

Arrays = dict[str, Any]
Round = tuple[int | None, dict[tuple[str, str], Any]]
Replied = tuple[dict[str, Any], tuple[bytes, ...]]
Frame = tuple[dict[str, Any], bytearray]


class Unsupported(Exception):
    """The framework cannot say this: raised by an adapter with the reason; the worker adds the op."""

    op: str | None = None


class ProtocolError(Exception):
    """The host spoke nonsense, or another version."""


@dataclass(frozen=True)
class Task:
    """What an adapter is asked. Two tasks are equal if one compiled function can serve both."""

    key: "Family"
    case: str = field(compare=False)
    bindings: dict[str, int] = field(compare=False)
    mode: str = field(compare=False)
    output: str = field(compare=False)
    wanted_values: tuple[str, ...] = field(compare=False)
    wrt: tuple[str, ...] = field(compare=False)
    probes: dict[str, Any] = field(compare=False)
    cotangent: Any = field(compare=False)
    optimizer: dict[str, Any] | None = field(compare=False)
    nodes: list[dict[str, Any]] = field(compare=False, repr=False)
    ops: dict[str, Callable[..., Any]] = field(compare=False, repr=False)

    def walk(self, env: Arrays) -> Arrays:
        """Run the program; `env` holds the inputs, and each probe under the name of its node."""
        env = dict(env)
        for node in self.nodes:
            results = self.call(node, [env[a] if isinstance(a, str) else a for a in node["args"]])
            for name, result in zip(node["out"], results, strict=True):
                env[name] = result + env[name] if name in self.probes else result
        return env

    def call(self, node: dict[str, Any], args: list[Any]) -> Any:
        op = node["op"]
        try:
            result = self.ops.get(op, no_such_op)(*args, **attributes(op, node["kw"]))
        except Unsupported as error:
            error.op = error.op or op
            raise
        return (result,) if len(node["out"]) == 1 and not isinstance(result, (tuple, list)) else result


class Family:
    """What a compiled function depends on, as one text; it is made when first asked for, so eager modes never do."""

    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    @cached_property
    def text(self) -> str:
        return json.dumps(self.parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Family) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


def no_such_op(*_: Any, **__: Any) -> Any:
    raise Unsupported("the adapter has no such op")


def attributes(op: str, kw: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples, slices or ellipsis: an axis list becomes a tuple, an index a real index."""
    decode = basic_index if op == "index" else tuple
    return {name: decode(value) if isinstance(value, list) else value for name, value in kw.items()}


def basic_index(index: list[Any]) -> tuple[Any, ...]:
    return tuple(slice(*p) if isinstance(p, list) else Ellipsis if p == "..." else p for p in index)


# Frames


def read_exactly(stream: BinaryIO, size: int) -> bytearray:
    """`size` bytes from the pipe."""
    data, got = bytearray(size), 0
    while got < size:
        count = stream.readinto(memoryview(data)[got:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError(f"the pipe closed after {got} of {size} bytes")
        got += count
    return data


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame; None at a clean end."""
    first = stream.read(1)
    if not first:
        return None
    magic, header, payload = PREFIX.unpack(first + read_exactly(stream, PREFIX.size - 1))
    if magic != MAGIC:
        raise ProtocolError(f"a frame starts with {magic!r}, should be {MAGIC!r}")
    return json.loads(read_exactly(stream, header)), read_exactly(stream, payload)


def write_frame(stream: BinaryIO, header: dict[str, Any], blobs: tuple[bytes, ...] = ()) -> None:
    text = json.dumps(header).encode()
    stream.write(PREFIX.pack(MAGIC, len(text), sum(map(len, blobs))) + text)
    stream.writelines(blobs)
    stream.flush()


@dataclass
class Received:
    """One array of a request: `each` has a leading axis of steps, `place` is where it lies in the payload."""

    role: str
    name: str
    each: bool
    array: np.ndarray
    place: slice

    def differs(self, payload: bytes) -> bool:
        return wire_bytes(self.array) != payload[self.place]


@cache
def wire_format(dtype: Any) -> tuple[str, np.dtype]:
    """A dtype's name, and the dtype as its elements cross the pipe."""
    return np.dtype(dtype).name, np.dtype(dtype).newbyteorder("<")


def wire_bytes(array: np.ndarray) -> bytes:
    return np.asarray(array, wire_format(array.dtype)[1]).tobytes()  # tobytes is in C order


def unpack(header: dict[str, Any], payload: bytearray) -> list[Received]:
    arrays, offset = [], 0
    for spec in header["arrays"]:
        shape, (_, dtype) = spec["shape"], wire_format(spec["dtype"])
        wire = np.frombuffer(payload, dtype, math.prod(shape), offset).reshape(shape)
        array = wire.astype(spec["dtype"])  # aligned, and of the machine's byte order
        place = slice(offset, offset + wire.nbytes)
        arrays.append(Received(spec["role"], spec["name"], spec["each"], array, place))
        offset = place.stop
    if offset != len(payload):
        raise ProtocolError(f"the arrays need {offset} bytes, the payload has {len(payload)}")
    return arrays


@dataclass
class Reply:
    """Arrays on their way out. They become bytes at once: a later step may change the tensor in place."""

    specs: list[dict[str, Any]] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)

    def add(self, role: str, name: str, step: int | None, array: np.ndarray) -> None:
        dtype, _ = wire_format(array.dtype)
        if dtype not in DTYPES:
            raise TypeError(f"{role} {name} has dtype {dtype}, should be one of {', '.join(DTYPES)}")
        self.specs.append({"role": role, "name": name, "step": step, "dtype": dtype, "shape": array.shape})
        self.blobs.append(wire_bytes(array))


# One run


def make_task(adapter: ModuleType, request: dict[str, Any]) -> Task:
    training = request["training"] or {}
    if request["mode"] not in adapter.MODES:
        raise ValueError(f"mode {request['mode']!r}: the adapter has {', '.join(adapter.MODES)}")
    asked = dict.fromkeys([*request["gradients"], *training.get("parameters", ())])  # no name twice
    parts = [request[k] for k in ("program", "output", "values", "probes", "mode", "dtype")]
    return Task(
        key=Family(parts, list(asked), request["arrays"]),
        case=request["case"],
        bindings=request["bindings"],
        mode=request["mode"],
        output=request["output"],
        wanted_values=tuple(request["values"]),
        wrt=tuple(asked),
        probes=request["probes"],
        cotangent=None,
        optimizer=training.get("optimizer"),
        nodes=request["program"],
        ops=adapter.OPS,
    )


def rounds(adapter: ModuleType, request: dict[str, Any], arrays: list[Received]) -> Iterator[Round]:
    """(step, native arrays by role and name): one round without training, where step is None."""
    native, training = adapter.to_native, request["training"]
    fixed = {(a.role, a.name): native(a.array) for a in arrays if not a.each}
    for name, shape in request["probes"].items():
        fixed["input", name] = native(np.zeros(shape, request["dtype"]))
    for step in range(training["steps"]) if training else [None]:
        yield step, fixed | {(a.role, a.name): native(a.array[step, ...]) for a in arrays if a.each}


def run(adapter: ModuleType, request: dict[str, Any], arrays: list[Received]) -> Reply:
    """Values and gradients; with training, at each step's own parameters, which then move and stay native."""
    task, reply, training = make_task(adapter, request), Reply(), request["training"]
    parameters: Arrays = {}
    for step, given in rounds(adapter, request, arrays):
        inputs = {name: array for (role, name), array in given.items() if role == "input"}
        if step == 0:
            parameters = {name: inputs[name] for name in training["parameters"]}
            move = optimizer(adapter, training["optimizer"], parameters)
        now = replace(task, cotangent=given.get(("cotangent", task.output)))
        values, gradients, *moved = adapter.differentiate(now, inputs | parameters)
        report(reply, adapter, step, "value", request["values"], values)
        report(reply, adapter, step, "gradient", request["gradients"], gradients)
        if training:
            parameters = moved[0] if moved else move(needed(gradients, parameters))
            report(reply, adapter, step, "parameter", training["parameters"], parameters)
    return reply


def needed(gradients: Arrays, parameters: Arrays) -> Arrays:
    """The gradients which the optimizer's step needs: a subject may have left one out."""
    if missing := [name for name in parameters if name not in gradients]:
        raise KeyError(f"no gradient of {', '.join(missing)}: the optimizer's step needs it")
    return {name: gradients[name] for name in parameters}


def optimizer(adapter: ModuleType, spec: dict[str, Any], parameters: Arrays) -> Callable[[Arrays], Arrays]:
    [(name, options)] = spec.items()
    if name not in adapter.OPTIMIZERS:
        error = Unsupported("the adapter has no such optimizer")
        error.op = name
        raise error
    step: Callable[[Arrays], Arrays] = adapter.OPTIMIZERS[name](parameters, **options)
    return step


def report(reply: Reply, adapter: ModuleType, step: Any, role: str, names: list[str], found: Arrays) -> None:
    """What was asked and is there: a missing name is for the host to judge."""
    for name in names:
        if name in found:
            reply.add(role, name, step, adapter.to_numpy(found[name]))


def whole(text: str) -> str:
    """Text without half characters, as in names of files: JSON has no way to say these."""
    return text.encode(errors="backslashreplace").decode()


def answer(adapter: ModuleType, request: dict[str, Any], payload: bytearray) -> Replied:
    """The reply to one run request, whatever happens."""
    try:
        arrays = unpack(request, payload)
        start, compiled = time.perf_counter(), compiling(adapter)
        reply = run(adapter, request, arrays)
        spent = {"seconds": time.perf_counter() - start, "compiling": compiling(adapter) - compiled}
    except Unsupported as error:
        return {"type": "unsupported", "id": request["id"], "op": error.op, "reason": whole(str(error))}, ()
    except BaseException:  # noqa: BLE001 - whatever it is, also an exit or pytest.fail(): it is the answer
        return {"type": "raised", "id": request["id"], "error": whole(traceback.format_exc())}, ()
    if changed := [a.name for a in arrays if a.differs(payload)]:
        return {"type": "changed", "id": request["id"], "names": changed}, ()
    header = {"type": "done", "id": request["id"], **spent, "arrays": reply.specs}
    return header, tuple(reply.blobs)


def compiling(adapter: ModuleType) -> float:
    """Seconds that the framework has spent compiling so far, where its adapter counts them."""
    return float(adapter.compiling()) if hasattr(adapter, "compiling") else 0.0


# Start and loop


def load_adapter(hello: dict[str, Any]) -> ModuleType:
    """Execute the adapter's source as module `adapter`; its lines are known to tracebacks."""
    path, source = hello["path"], hello["adapter"]
    folders = Path(path).resolve().parents[:2]  # adapters/torch would be found as torch
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() not in folders]
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    module = ModuleType("adapter")
    module.__file__ = path
    sys.modules["adapter"] = module
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - our own, or the user's choice
    if hello.get("subject"):
        module.load(hello["subject"])
    module.setup(hello["threads"], hello["seed"])
    return module


def check_version(hello: dict[str, Any]) -> None:
    if hello.get("type") != "hello" or hello.get("protocol") != PROTOCOL:
        found = f"{hello.get('type')}, protocol {hello.get('protocol')}"
        raise ProtocolError(f"this worker speaks protocol {PROTOCOL} and waits for hello; it got {found}")


def greet(hello: dict[str, Any]) -> tuple[ModuleType | None, dict[str, Any]]:
    """The adapter and the answer to hello."""
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    try:
        check_version(hello)
        adapter = load_adapter(hello)
        about = {**adapter.about(), **versions}
    except BaseException:  # noqa: BLE001 - whatever it is, it is the answer
        return None, {"type": "failed", "error": whole(traceback.format_exc()), **versions}
    return adapter, {"type": "ready", "protocol": PROTOCOL, "about": about}


def watch_host() -> None:
    """Fork a process that kills this one, and whatever it started, when the host is gone and a grace has passed.

    The end of the pipe is all that a worker can learn of its host's death, here and at the far end of an ssh. An
    idle worker reads it and ends; one that is caught in native code never reads again, and if that code holds the
    GIL no thread of the worker runs either: so another process has to look. It waits for the pipe's end without
    reading from it, and costs no time while it waits.
    """
    worker = os.getpid()
    if os.fork():
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.close(1)  # the host sees by these that the worker is dead
        os.close(2)
        hangup = select.poll()
        hangup.register(0, 0)
        hangup.poll()
        time.sleep(GRACE)
        if os.getpgrp() == worker:  # the group cannot be another's while this process is in it
            os.killpg(worker, signal.SIGKILL)
        elif os.getppid() == worker:
            os.kill(worker, signal.SIGKILL)
    finally:
        os._exit(0)


def offer_to_the_oom_killer() -> None:
    """Where memory runs out, it should be the worker that dies, and not the host with everybody's results."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def private_sink() -> BinaryIO:
    """Where answers go: out of reach of print(), which goes to the log."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return sink


def private_source() -> BinaryIO:
    """Where requests come from: out of reach of input(), and of programs that are started and read their stdin.

    For use after hello: the host sends nothing more before it is answered, so no buffer holds any of it.
    """
    source = os.fdopen(os.dup(0), "rb")
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    return source


def serve() -> int:
    """Answer until stop or the end of the pipe; the exit code."""
    sink = private_sink()
    first = read_frame(sys.stdin.buffer)  # it may already hold bytes that the bootstrap's read brought along
    if first is None:
        return 0
    source, process = private_source(), os.getpid()
    adapter, header = greet(first[0])
    write_frame(sink, header)
    if adapter is None:
        return 1
    while (frame := read_frame(source)) and frame[0]["type"] != "stop":
        if frame[0]["type"] != "run":
            raise ProtocolError(f"a frame of type {frame[0]['type']!r}, should be run or stop")
        reply = answer(adapter, *frame)
        if os.getpid() != process:
            os._exit(1)  # a process that an adapter forked and let return: the pipe is its parent's
        write_frame(sink, *reply)
    return 0


def main() -> None:
    faulthandler.enable()
    offer_to_the_oom_killer()
    watch_host()
    try:
        sys.exit(serve())
    except (BrokenPipeError, EOFError):
        os._exit(1)  # the host is gone: nobody is left to be told
