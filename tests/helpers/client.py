"""A small blocking host for tests: it starts one worker and speaks the frames.

The protocol is written a second time on purpose, from its description: a mistake in the worker's framing is
not repeated here.
"""

import ast
import json
import os
import re
import shlex
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.frameworks.found import SUBJECT_MODULES, families_beside
from gradient_conformance.harness.workers.wire import sources

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ROOT / "adapters"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
BOOTSTRAP = (
    "import sys, types\n"
    "for name in ('worker_wire', 'worker_interface', 'worker_steps', 'worker'):\n"
    "    source = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))\n"
    "    module = sys.modules[name] = types.ModuleType(name)\n"
    "    exec(compile(source, name + '.py', 'exec'), module.__dict__)\n"
    "module.main()\n"
)


class Client:
    """One worker. `ready` is its answer to hello, `mode` the first of its adapter's."""

    def __init__(
        self,
        argv: list[str],
        adapter: Path,
        *,
        subject: Path | None = None,
        notebook: dict[str, Any] | None = None,
        protocol: int = 3,
        **popen: Any,
    ) -> None:
        modes = re.search(r"^MODES = (.*)$", adapter.read_text(), re.MULTILINE)
        self.mode = ast.literal_eval(modes[1])[0] if modes else "eager"
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the worker lives
        self.process = subprocess.Popen(
            [*argv, "-c", BOOTSTRAP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, **THREADS},
            **popen,
        )
        self.stdin.write(sources())
        hello = {"type": "hello", "protocol": protocol, "threads": 1, "seed": 0}
        paths = {"path": str(adapter), "subject": subject and str(subject), "notebook": notebook}
        beside = (
            {name: (ROOT / file).read_text() for name, file in SUBJECT_MODULES.items()} if subject else {}
        )
        families = dict(families_beside(adapter))
        self.send({**hello, **paths, "modules": beside, "families": families, "adapter": adapter.read_text()})
        self.ready, _ = self.receive()

    @property
    def stdin(self) -> Any:
        return self.process.stdin

    def send(
        self, header: dict[str, Any], shared: dict[str, Any] | None = None, payload: bytes = b""
    ) -> None:
        text = b"\n".join(json.dumps(part).encode() for part in (header, shared or {"arrays": []}))
        self.stdin.write(struct.pack("<4sIQ", b"GCH1", len(text), len(payload)) + text + payload)
        self.stdin.flush()

    def receive(self) -> tuple[dict[str, Any], bytes]:
        prefix = self.process.stdout.read(16)  # type: ignore[union-attr]
        assert len(prefix) == 16, f"the worker is gone; its log:\n{self.logged()}"
        magic, header, payload = struct.unpack("<4sIQ", prefix)
        assert magic == b"GCH1", magic
        read = self.process.stdout.read  # type: ignore[union-attr]
        own, shared = map(json.loads, read(header).split(b"\n"))
        return {**own, **shared}, read(payload)

    def run(self, program: list[dict[str, Any]], inputs: dict[str, Any], **request: Any) -> dict[str, Any]:
        """The reply's header, with `arrays` by (role, name), or by (role, name, step) with training."""
        header, shared, payload = pack_request(program, inputs, {"mode": self.mode, **request})
        self.send(header, shared, payload)
        reply, blob = self.receive()
        assert reply.get("id") == header["id"]
        if reply["type"] == "done":
            reply["arrays"] = unpack(reply["arrays"], blob)
        return reply

    def logged(self) -> str:
        if not self.log.closed:
            self.log.seek(0)
            self.text = self.log.read().decode()
        return self.text

    def close(self, *, told: bool = False) -> int:
        """The exit code after the end of the pipe; a worker that is `told` has as long as it takes to end, and no mere grace."""
        if told:
            self.send({"type": "stop"})
            self.process.wait(timeout=60)
        self.stdin.close()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()  # type: ignore[union-attr]
        self.logged()
        self.log.close()
        return code


def node(out: str, op: str, *args: Any, **kw: Any) -> dict[str, Any]:
    """A program's node: `node("y", "matmul", "A", "x")`; several outs are separated by spaces."""
    return {"out": out.split(), "op": op, "args": list(args), "kw": kw}


def pack_request(
    program: list[dict[str, Any]], inputs: dict[str, Any], request: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    outputs = request.get("outputs", program[-1]["out"][-1:])
    cotangent = request.pop("cotangent", None)
    cotangents = cotangent if isinstance(cotangent, dict) else {outputs[0]: cotangent}
    each = request.pop("each", ())
    given = [("input", name, np.asarray(a)) for name, a in inputs.items()]
    given += [("cotangent", name, np.asarray(a)) for name, a in cotangents.items() if a is not None]
    own = {"type": "run", "id": 7, "case": "toys/case", "bindings": {}, "mode": "eager"}
    own |= {name: request.pop(name) for name in own if name in request}
    shared = {
        "dtype": next((a.dtype.name for _, _, a in given if a.dtype.kind == "f"), "float64"),
        "program": program,
        "outputs": outputs,
        "values": outputs,
        "gradients": [],
        "probes": {},
        "training": None,
        **request,
        "arrays": [
            {"role": role, "name": name, "step": None, "each": name in each, **described(a)}
            for role, name, a in given
        ],
    }
    return own, shared, b"".join(a.tobytes() + bytes(-a.nbytes % 8) for _, _, a in given)


def described(array: np.ndarray) -> dict[str, Any]:
    return {"dtype": array.dtype.name, "shape": list(array.shape)}


def unpack(specs: list[dict[str, Any]], blob: bytes) -> dict[tuple[Any, ...], np.ndarray]:
    found, offset = {}, 0
    for spec in specs:
        dtype = np.dtype(spec["dtype"])
        size = int(np.prod(spec["shape"], dtype=int)) * dtype.itemsize
        array = np.frombuffer(blob[offset : offset + size], dtype).reshape(spec["shape"])
        step = () if spec["step"] is None else (spec["step"],)
        found[spec["role"], spec["name"], *step] = array
        offset += size + -size % 8
    assert offset == len(blob), "the reply's payload is longer than its arrays"
    return found


def interpreter(name: str) -> list[str]:
    """The argv of that framework's interpreter; without one the test is skipped, or fails if required."""
    variable, tox = f"HARNESS_{name.upper()}", Path(".tox") / name / "bin" / "python"
    if variable in os.environ:
        return shlex.split(os.environ[variable])
    if (ADAPTERS.parent / tox).exists():
        return [str(ADAPTERS.parent / tox)]
    reason = f"no interpreter with {name}: {variable} is not set and {tox} does not exist (tox run -e {name})"
    if os.environ.get("HARNESS_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
