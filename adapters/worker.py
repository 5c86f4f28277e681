"""The loop that every adapter shares: read a request, walk its program natively, answer with arrays.

It runs in the framework's own interpreter, read from the pipe, so nothing of ours is installed there:

- only the standard library and NumPy (1.23 or 2.x), Python 3.10 or later;
- the protocol owns a private copy of fd 1; whatever a framework prints goes to the log (fd 2);
- an op that the adapter lacks, an exception, an array changed in place: an answer, not the worker's end;
- it ends with its host, however that ends and whatever the worker is at;
- it is never told an expected value.
"""

import contextlib
import faulthandler
import functools
import gc
import json
import linecache
import os
import platform
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from worker_interface import Incomplete, Unsupported, asks, attributes, blank, check, checked_about, join
from worker_steps import optimizer
from worker_wire import (
    PROTOCOL,
    REMEMBERED,
    Place,
    ProtocolError,
    Reply,
    aligned,
    places,
    read_frame,
    write_frame,
)

GRACE = 2.0
"""Seconds that a worker has to end by itself after its host is gone."""

LISTED = 20
"""Names that the case does not have, of which so many are told."""

BUFFER = 65536
"""Bytes of a pipe that one system call reads or writes: a small cell's message is one."""

COMPILED: Path | None = None
"""A folder in which an adapter may let its framework keep what it compiles, from one run to the next."""

CONTENT = ""
"""Digest of the adapter and of these modules: what is compiled for a request depends on them too."""

Arrays = dict[str, Any]
Round = tuple[int | None, Arrays, Arrays]
Received = list[tuple[Place, np.ndarray]]


class Refused(Exception):
    """Something that cannot be loaded, or an answer that cannot be read: the message is all there is to say."""


class Family:
    """What cells have in common that one compiled function can serve: mode, dtype, program, shapes, what is asked.

    Each is made once, from the shared line of its requests, and kept: so it is its own key.
    """

    def __init__(self, adapter: ModuleType, mode: str, line: bytes) -> None:
        self.line, shared = line, json.loads(line)
        self.training = shared["training"]
        self.values, self.gradients = shared["values"], shared["gradients"]
        self.parameters: list[str] = self.training["parameters"] if self.training else []
        self.state: dict[str, str] = self.training.get("state", {}) if self.training else {}
        self.probes = {name: (shape, shared["dtype"]) for name, shape in shared["probes"].items()}
        self.places = places(shared["arrays"])
        self.size = aligned(self.places[-1].stop) if self.places else 0
        if mode not in adapter.MODES:
            raise ValueError(f"mode {mode!r}: the adapter has {', '.join(adapter.MODES)}")
        self.task = {
            "mode": mode,
            "outputs": tuple(shared["outputs"]),
            "wanted_values": tuple(self.values),
            "wrt": tuple(dict.fromkeys([*self.gradients, *self.parameters])),  # no name twice
            "probes": frozenset(self.probes),
            "optimizer": self.training["optimizer"] if self.training else None,
            "clip": self.training.get("clip", {}) if self.training else {},
            "calls": [
                Call(self.typed(adapter, node, shared), adapter.OPS, shared["dtype"])
                for node in shared["program"]
            ],
        }

    def typed(self, adapter: ModuleType, node: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
        """The call; its numbers are tensors of the cell's dtype where no tensor beside them has it: where(keep, 0, 1)."""
        others = {place.name for place in self.places if np.dtype(place.dtype).kind != "f"}
        if any(isinstance(arg, str) and arg not in others for arg in node["args"]):
            return node
        numbers = [arg if isinstance(arg, str) else np.asarray(arg, shared["dtype"]) for arg in node["args"]]
        return {**node, "args": [arg if isinstance(arg, str) else adapter.to_native(arg) for arg in numbers]}


@dataclass(frozen=True)
class Task:
    """What an adapter is asked. Two tasks are equal if one compiled function can serve both."""

    family: Family
    case: str = field(compare=False)
    bindings: dict[str, int] = field(compare=False)
    cotangents: Arrays = field(compare=False)
    mode: str = field(compare=False)
    outputs: tuple[str, ...] = field(compare=False)
    wanted_values: tuple[str, ...] = field(compare=False)
    wrt: tuple[str, ...] = field(compare=False)
    probes: frozenset[str] = field(compare=False)
    optimizer: dict[str, Any] | None = field(compare=False)
    clip: dict[str, float] = field(compare=False)
    calls: "list[Call]" = field(compare=False, repr=False)

    def walk(self, env: Arrays) -> Arrays:
        """Run the program; `env` holds the inputs, and each probe under the name of its node."""
        env = dict(env)
        for call in self.calls:
            try:
                result = call.native(*[env[a] if isinstance(a, str) else a for a in call.args])
            except Unsupported as error:
                error.op = error.op or call.op
                raise
            results = (result,) if call.single and not isinstance(result, (tuple, list)) else result
            for name, part in zip(call.outs, results, strict=True):
                env[name] = part + env[name] if name in self.probes else part
        return env


class Call:
    """One node of a program: the adapter's native call with the node's attributes, and its arguments' names."""

    def __init__(self, node: dict[str, Any], ops: dict[str, Callable[..., Any]], dtype: str) -> None:
        self.op, self.outs, self.args, self.kw = node["op"], node["out"], node["args"], node["kw"]
        function = ops.get(self.op, no_such_op)
        cell = {"dtype": dtype} if asks(function, "dtype") else {}
        self.native = functools.partial(function, **attributes(self.op, self.kw), **cell)
        self.single = len(self.outs) == 1


def no_such_op(*_: Any, **__: Any) -> Any:
    raise Unsupported("the adapter has no such op")


def unpack(family: Family, payload: bytes) -> tuple[Received, bytearray]:
    """The arrays, and the copy of the payload in which they lie."""
    if len(payload) != family.size:
        raise ProtocolError(f"the arrays need {family.size} bytes, the payload has {len(payload)}")
    memory = bytearray(payload)
    return [(place, place.of(memory)) for place in family.places], memory


Replied = tuple[dict[str, Any], Reply | None]


# One run


@functools.lru_cache(maxsize=REMEMBERED)
def family_of(adapter: ModuleType, mode: str, shared: bytes) -> Family:
    return Family(adapter, mode, shared)


def rounds(adapter: ModuleType, family: Family, received: Received) -> Iterator[Round]:
    """(step, native inputs, cotangents of outputs): one round without training, where step is None; a loss has no cotangent."""
    native, training = adapter.to_native, family.training
    fixed = {place[:2]: native(array) for place, array in received if not place.each}
    for name, (shape, dtype) in family.probes.items():
        fixed["input", name] = native(
            np.full(shape, -0.0, dtype)
        )  # the neutral element: 0.0 would turn -0.0 round
    for step in range(training["steps"]) if training else [None]:
        now = fixed | {place[:2]: native(array[step, ...]) for place, array in received if place.each}
        inputs, cotangents = (
            {name: array for (role, name), array in now.items() if role == of}
            for of in ("input", "cotangent")
        )
        yield step, inputs, cotangents


class Report:
    """What is answered, and what there is to say of it."""

    def __init__(self, adapter: ModuleType, family: Family) -> None:
        self.adapter, self.reply = adapter, Reply()
        calls = (out for call in family.task["calls"] for out in call.outs)
        self.known = {place.name for place in family.places} | set(calls)
        self.unknown: dict[tuple[str, str], None] = {}
        self.moved: set[str] = set()
        """Parameters that the subject moved itself: it may do so in place."""

    def add(self, role: str, step: int | None, names: list[str], found: Arrays) -> None:
        """What was asked and is there: a missing name is for the host to judge."""
        for name in names:
            if name in found:
                try:
                    array = self.adapter.to_numpy(found[name])
                except Refused as error:
                    raise Refused(f"{role} {name} {error}") from None
                self.reply.add(role, name, step, array)
        stray = (whole(str(name)) for name in found if name not in self.known)
        self.unknown.update(dict.fromkeys((role, name) for name in stray))


def run(adapter: ModuleType, request: dict[str, Any], family: Family, received: Received) -> Report:
    """Values and gradients; with training, at each step's own parameters, which then move and stay native.

    Where neither moved parameters nor the gradients that move them are there, or the state isn't, nothing behind it can
    be shown.
    """
    told, case, bindings = Report(adapter, family), request["case"], request["bindings"]
    parameters: Arrays = {}
    state: Arrays = {}
    move: Callable[[Arrays], Arrays] | None = None
    for step, inputs, cotangents in rounds(adapter, family, received):
        if step == 0:
            parameters = {name: inputs[name] for name in family.parameters}
        task = Task(family, case, bindings, cotangents, **family.task)
        values, gradients, *moved = adapter.differentiate(task, inputs | parameters | state)
        told.add("value", step, family.values, values)
        told.add("gradient", step, family.gradients, gradients)
        if family.training:
            if moved:
                told.moved.update(moved[0])
            elif all(name in gradients for name in parameters):
                move = move or optimizer(adapter, family.training, parameters)
                moved = [move({name: gradients[name] for name in parameters})]
            parameters = moved[0] if moved else {}
            told.add("parameter", step, family.parameters, parameters)
            state = handed_on(adapter, family, values)
            if len(state) < len(family.state) or not all(name in parameters for name in family.parameters):
                break
    return told


def handed_on(adapter: ModuleType, family: Family, values: Arrays) -> Arrays:
    """The state that the next step begins with, as numbers: no derivative leads back into the step before."""
    there = {name: values[out] for name, out in family.state.items() if out in values}
    return {name: adapter.to_native(adapter.to_numpy(a)) for name, a in there.items()}


def whole(text: str) -> str:
    """Text without half characters, as in names of files: JSON has no way to say these."""
    return text.encode(errors="backslashreplace").decode()


def answer(adapter: ModuleType, request: dict[str, Any], shared: bytes, payload: bytes) -> Replied:
    """The reply to one run request, whatever happens."""
    try:
        family = family_of(adapter, request["mode"], shared)
        received, memory = unpack(family, payload)
        adapter.begin()
        start, compiled = time.perf_counter(), adapter.compiling()
        told = run(adapter, request, family, received)
        spent = {"seconds": time.perf_counter() - start, "compiling": adapter.compiling() - compiled}
    except Unsupported as error:
        return {"type": "unsupported", "id": request["id"], "op": error.op, "reason": whole(str(error))}, None
    except Refused as error:
        return {"type": "raised", "id": request["id"], "error": whole(str(error))}, None
    except BaseException:  # noqa: BLE001 - whatever it is, also an exit or pytest.fail(): it is the answer
        return {"type": "raised", "id": request["id"], "error": whole(traceback.format_exc())}, None
    changed = []
    if memory != payload:
        now = (p.name for p in family.places if memory[p.start : p.stop] != payload[p.start : p.stop])
        changed = [name for name in now if name not in told.moved]
    unknown = list(told.unknown)[:LISTED]
    said = {name: found for name, found in (("changed", changed), ("unknown", unknown)) if found}
    return {"type": "done", "id": request["id"], **spent, **said}, told.reply


# Start and loop


def load_adapter(hello: dict[str, Any]) -> ModuleType:
    """Execute the adapter's source as module `adapter`, behind the modules that it imports; tracebacks know their lines."""
    global COMPILED, CONTENT  # noqa: PLW0603 - a worker has one adapter
    CONTENT = hello.get("content", "")
    if hello.get("compiled") and Path(hello["compiled"]).is_dir():  # it is not where the host's files are not
        COMPILED = Path(hello["compiled"])
    path = hello["path"]
    folders = Path(os.path.realpath(path)).parents[:2]  # adapters/torch would be found as torch
    sys.path[:] = [entry for entry in sys.path if Path(os.path.realpath(entry)) not in folders]
    for name, source in hello.get("modules", {}).items():
        execute(name, str(Path(path).with_name(f"{name}.py")), source)
    module = execute("adapter", path, hello["adapter"])
    for name, source in hello.get("families", {}).items():
        join(module, execute(name, str(Path(path).with_name(f"{name}.py")), source))
    check(module)
    module.setup(hello["threads"], hello["seed"])
    if hello.get("subject"):
        module.load(hello["subject"], hello.get("notebook"))
    return module


def execute(name: str, path: str, source: str) -> ModuleType:
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    sys.modules[name] = module = blank(path)
    exec(compile(source, path, "exec"), module.__dict__)  # noqa: S102 - our own, or the user's choice
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
        about = {**checked_about(adapter.about()), **versions}
    except Refused as error:
        return None, {"type": "failed", "error": whole(str(error)), "refused": True, **versions}
    except Incomplete as error:
        return None, {"type": "failed", "error": whole(str(error)), "incomplete": True, **versions}
    except BaseException:  # noqa: BLE001 - whatever it is, it is the answer
        return None, {"type": "failed", "error": whole(traceback.format_exc()), **versions}
    tables = {name: list(getattr(adapter, name.upper())) for name in ("ops", "formulas", "optimizers")}
    return adapter, {"type": "ready", "protocol": PROTOCOL, "about": about, "memory": memory(), **tables}


def memory() -> int:
    """Bytes that this process has in memory; the most that it ever had where the system tells no more."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
    return pages * resource.getpagesize()


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
    sink = os.fdopen(os.dup(1), "wb", BUFFER)
    os.dup2(2, 1)
    if sys.stdout is not None:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return sink


def private_source() -> BinaryIO:
    """Where requests come from: out of reach of input(), and of programs that are started and read their stdin.

    For use after hello: the host sends nothing more before it is answered, so no buffer holds any of it.
    """
    source = os.fdopen(os.dup(0), "rb", BUFFER)
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
    gc.collect()
    gc.freeze()  # a framework's modules stay: the collector need not look at them again after every few cells
    while (frame := read_frame(source)) and frame[0]["type"] != "stop":
        if frame[0]["type"] != "run":
            raise ProtocolError(f"a frame of type {frame[0]['type']!r}, should be run or stop")
        header, arrays = answer(adapter, *frame)
        if os.getpid() != process:
            os._exit(1)  # a process that an adapter forked and let return: the pipe is its parent's
        words = whole(str(adapter.printed()))
        write_frame(sink, {**header, **({"printed": words} if words else {})}, arrays)
    return 0


def main() -> None:
    faulthandler.enable()
    offer_to_the_oom_killer()
    watch_host()
    try:
        sys.exit(serve())
    except (BrokenPipeError, EOFError):
        os._exit(1)  # the host is gone: nobody is left to be told
