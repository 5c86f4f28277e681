"""A model in its own interpreter: asked what it is made of, then what it gives at parameters that it is sent.

Nothing of ours is installed there: the texts of `adapters/porting.py` and of the frameworks' captures are sent with the
first line. Arrays come and go in files without pickles, in a folder of this machine.
"""

import json
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from ...frameworks.found import shipped_adapters
from ...reading.elements import Array
from ..errors import OwnError
from ..exported import START, said, texts

PORTING = "porting.py"
"""What is sent and asked, and beside it what is called CAPTURING of each adapter."""
CAPTURING = "capturing.py"


@dataclass(frozen=True)
class Place:
    """A parameter of a model, or an inner value: its path, the class of what holds it and lines of the person's file."""

    path: str
    kind: str = ""
    place: str = ""
    defined: str = ""


@dataclass(frozen=True)
class Described:
    """What a model is made of."""

    parameters: Mapping[str, Array]
    """By path, as they are at first."""
    places: Mapping[str, Place]
    inputs: Sequence[Array]
    """Those that its file gives, in the order of its leaves; a target last."""


@dataclass(frozen=True)
class Inner:
    """What a submodule gave, or a local variable was, and its cotangent where it has one."""

    place: Place
    value: Array
    gradient: Array | None


@dataclass(frozen=True)
class Gave:
    """What a run gave; gradients of None are not shown."""

    output: Array
    gradients: Sequence[Array | None]
    of_inputs: Sequence[Array | None]
    inner: Sequence[Inner]


class Model:
    """A running interpreter with somebody's model in it. It is a context, at whose end it is over."""

    def __init__(
        self, argv: Sequence[str], file: Path, function: str, loss: str = "", dtype: str = "float64"
    ) -> None:
        """In a dtype, or with none as the file has it. Raises OwnError where the interpreter can't be started."""
        self._what = f"{file}:{function}"
        self._folder = tempfile.TemporaryDirectory()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        try:
            self._process = subprocess.Popen(  # noqa: S603 (the person names the interpreter)
                [*argv, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log
            )
        except OSError as error:
            raise OwnError(f"{argv[0]}: can't be started: {error.strerror}") from None
        request = {"file": str(file.resolve()), "function": function, "loss": loss, "dtype": dtype}
        self._send(
            {
                "modules": texts([shipped_adapters() / PORTING]),
                "request": {"captures": _captures(), **request},
            }
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()
        self._folder.cleanup()

    def described(self) -> Described:
        """What it is made of. Raises OwnError with what is said there where its file fails."""
        told, arrays = self._asked({"type": "describe"})
        parameters = told["parameters"]
        return Described(
            {p["path"]: arrays[f"parameter {i}"] for i, p in enumerate(parameters)},
            {p["path"]: Place(p["path"], p["kind"], "", p["defined"]) for p in parameters},
            [arrays[name] for name in told["inputs"]],
        )

    def run(
        self, parameters: Sequence[Array], inputs: Sequence[Array], cotangent: Array | None, *, training: bool
    ) -> Gave:
        """What it gives at these, each in its own layout. Raises OwnError where it fails."""
        given = {f"parameter {i}": a for i, a in enumerate(parameters)}
        given |= {f"input {i}": a for i, a in enumerate(inputs)}
        if cotangent is not None:
            given["cotangent"] = cotangent
        arrays_of: dict[str, Any] = given
        np.savez(Path(self._folder.name, "given.npz"), **arrays_of)
        told, arrays = self._asked({"type": "run", "training": training})
        inner = [
            Inner(Place(**seen), arrays[f"value {i}"], arrays.get(f"value gradient {i}"))
            for i, seen in enumerate(told["inner"])
        ]
        return Gave(
            arrays["output"],
            [arrays.get(f"gradient {i}") for i in range(len(parameters))],
            [arrays.get(f"input gradient {i}") for i in range(len(inputs))],
            inner,
        )

    def _asked(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Array]]:
        self._send({**request, "folder": self._folder.name})
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise OwnError(f"{self._what}: {self._said()}")
        folder = Path(self._folder.name)
        try:
            with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
                return json.loads((folder / "told.json").read_text()), dict(arrays)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise OwnError(f"{self._what}: what came back can't be read: {error}") from None

    def _send(self, what: Mapping[str, Any]) -> None:
        stdin: IO[bytes] | None = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(what).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise OwnError(f"{self._what}: {self._said()}") from None

    def _said(self) -> str:
        code = self._process.wait()
        self._log.seek(0)
        return said(self._log.read().decode(errors="replace"), code)


def _captures() -> dict[str, tuple[str, str]]:
    """By adapter, the path and the text of its capture."""
    found = sorted(shipped_adapters().glob(f"*/{CAPTURING}"))
    return {path.parent.name: (str(path), path.read_text(encoding="utf-8")) for path in found}
