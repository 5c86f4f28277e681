"""A framework's module as a case: exported in the framework's own interpreter, and held to what it gives there.

What comes back is data: statements, arrays without pickles, and beside them the module's own output and gradients in
float64. Nothing is written unless the reference, at the same numbers, gives the same.
"""

import ast
import json
import re
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from ...reference.backprop import backprop, backward, forward
from ...reference.contexts import EXACT, Exact
from ...reference.language import parse
from ...reference.ops import Spec
from ...reference.ops.kinks import Beside
from ...reference.optimizers import OPTIMIZERS
from ...reference.program import Program, ProgramError
from ...reference.rounding import Reference, expected
from ..case.document import Document, Input, Training
from ..frameworks.found import MAX_BYTES, Framework, shipped_adapters
from ..reading.elements import Array
from ..reading.files import read_at_most
from ..reading.text import allowed_names, visible
from .cases import FEW, OTHERS, drawn, literal
from .errors import OwnError

EXPORTING = "exporting*.py"
"""Beside an adapter: what makes a case of a module. The last, by name, imports the others and is `main`'s."""
DOOR = "exporting_door_"
"""How the name of a module begins behind which another library's door is named, which goes through the adapter's own."""
SHARED = "exports*.py"
"""What all doors have in common, beside the adapters' folders; it is sent first, the one without more to its name before others."""
START = """import json, sys, types
sent = json.loads(sys.stdin.readline())
for name, (path, text) in sent["modules"].items():
    module = sys.modules[name] = types.ModuleType(name)
    module.__file__ = path
    exec(compile(text, path, "exec"), module.__dict__)
module.main(**sent["request"])
"""
CLOSE = 1e-12
"""Of a tensor's largest element, by which the reference may differ from the module's own float64."""
TINY = 2.0**-1000
"""Beside a kink, and nearer than any number that isn't at it."""
LONGEST = 3_000
"""Characters of what the framework says where it fails."""


@dataclass(frozen=True)
class Exported:
    """A module as a program with its arrays, in float64."""

    statements: Sequence[Mapping[str, Any]]
    output: str
    kinds: Mapping[str, str]
    arrays: Mapping[str, Array]
    """The tensors by name; and "value", "cotangent" and "gradient NAME": what the module itself gives, if it has gradients."""
    missing: Sequence[tuple[str, int, str]]
    lowered: Sequence[str]
    training: bool | None
    """The mode that the module is in; None of what has none."""
    versions: Mapping[str, str]
    unused: Sequence[str] = ()
    """Names of tensors that the module has and the program doesn't."""
    shrunk: Sequence[str] | None = None
    """What of the inputs was made smaller, where that was asked for."""

    @property
    def tensors(self) -> dict[str, Array]:
        return {name: self.arrays[f"tensor {name}"] for name in self.kinds}

    @property
    def differentiated(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind in ("parameter", "input")]

    @property
    def text(self) -> str:
        """The program; behind each statement the module and the line that it comes from."""
        lines = [f"{', '.join(s['outs'])} = {s['text']}" for s in self.statements]
        width = min(max(map(len, lines), default=0), 90)
        places = [", ".join(filter(None, (s["module"], s["place"]))) for s in self.statements]
        told = zip(lines, places, strict=True)
        return "".join(f"{line:<{width}}  # {place}\n" if place else f"{line}\n" for line, place in told)


def doors_of(framework: Framework) -> list[Framework]:
    """By name what modules of an adapter may come in as: its framework's, and those of libraries that run on it."""
    if not exporting(framework):
        return []
    beside = [path.stem.removeprefix(DOOR) for path in exporting(framework) if path.stem.startswith(DOOR)]
    return [framework, *(replace(framework, name=name) for name in beside)]


def imports(file: Path) -> set[str]:
    """The packages that a file of Python imports, wherever in it. Raises OwnError where it can't be read."""
    try:
        tree = ast.parse(read_at_most(file, MAX_BYTES))
    except (OSError, SyntaxError, ValueError) as error:
        where = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise OwnError(f"{file}{where}: {getattr(error, 'msg', None) or error}") from None
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
    ]
    return {name.partition(".")[0] for name in names}


def export(
    framework: Framework,
    argv: Sequence[str],
    file: Path,
    function: str,
    at: str = "",
    loss: str = "",
    sizes: Mapping[str, int] = MappingProxyType({}),
    *,
    shrink: bool = False,
) -> Exported:
    """Run the export in the framework's interpreter; the function is called with `sizes`, or its inputs are cut to `shrink` them. Raises OwnError with what is said there."""
    with tempfile.TemporaryDirectory() as folder:
        request = {
            "file": str(file.resolve()),
            "function": function,
            "at": at,
            "loss": loss,
            "sizes": dict(sizes),
            "shrink": shrink,
            "folder": folder,
        }
        done = started(argv, framework, request)
        if done.returncode:
            raise OwnError(f"{file}:{function}: {said(done.stderr, done.returncode)}")
        try:
            return read_back(Path(folder))
        except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
            raise OwnError(f"{file}:{function}: what came back can't be read: {error}") from None


def _of_what_is_used(exported: Exported) -> Exported:
    """Without the tensors that no statement has: one of two names of a tied weight, what is left of a head that isn't called."""
    trees = (ast.parse(statement["text"]) for statement in exported.statements)
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used.add(exported.output)
    kinds = {name: kind for name, kind in exported.kinds.items() if name in used}
    unused = [name for name in exported.kinds if name not in used]
    return replace(exported, kinds=kinds, unused=unused)


def started(
    argv: Sequence[str], framework: Framework, request: Any, text: str = START
) -> subprocess.CompletedProcess[str]:
    """The modules of the door, executed in the framework's interpreter, and asked."""
    sent = json.dumps({"modules": texts(exporting(framework)), "request": request})
    return subprocess.run([*argv, "-c", text], input=sent, capture_output=True, text=True, check=False)  # noqa: S603


def texts(paths: Iterable[Path]) -> dict[str, tuple[str, str]]:
    """The path and the text of each module by its name, what they share first."""
    every = (*sorted(shipped_adapters().glob(SHARED)), *paths)
    return {path.stem: (str(path), path.read_text(encoding="utf-8")) for path in every}


def read_back(folder: Path) -> Exported:
    """What the door has written."""
    told = json.loads(Path(folder, "case.json").read_text())
    with np.load(Path(folder, "arrays.npz"), allow_pickle=False) as arrays:
        return _of_what_is_used(Exported(**told, arrays=dict(arrays)))


def exporting(framework: Framework) -> list[Path]:
    """The modules of the door, in the order in which they are executed: what others import comes first."""
    return sorted(framework.folder.glob(EXPORTING), reverse=True)


def said(stderr: str, code: int) -> str:
    """What somebody's own code raised, or what a door says: the end of what was written there, without warnings."""
    lines = re.sub(r"(?m)^.*Warning: .*\n(  .*\n)?", "", stderr.strip() + "\n").splitlines()
    text = "\n".join(map(visible, "\n".join(lines)[-LONGEST:].split("\n")))
    return text or f"ended with exit code {code}"


def lacking(exported: Exported) -> Iterator[str]:
    """What programs have no word for, a line for each op."""
    for op, count, place in exported.missing:
        yield f"  {op}: {count} call{'s' * (count > 1)}, the first in {place or 'no line that is known'}"


def training_of(exported: Exported, optimizer: str, steps: int) -> Training:
    """So many steps of an optimizer, written as a call: adamw(lr=0.001). Raises OwnError for one that can't be taken."""
    if np.ndim(exported.arrays["value"]):
        raise OwnError(
            f"--steps {steps}: the module gives {exported.output} of shape {list(np.shape(exported.arrays['value']))}, which is no loss; say --loss"
        )
    return trained(optimizer, steps, [name for name, kind in exported.kinds.items() if kind == "parameter"])


def trained(optimizer: str, steps: int, parameters: Sequence[str]) -> Training:
    """The training of these parameters. Raises OwnError where there is no such optimizer, or no such option of it."""
    if steps < 1:
        raise OwnError(f"--steps {steps}: must be at least 1")
    try:
        name, options = _called(optimizer)
        return msgspec.convert(
            {"optimizer": {name: options}, "parameters": parameters, "steps": steps}, Training
        )
    except (msgspec.ValidationError, ValueError, SyntaxError) as error:
        raise OwnError(
            f"--optimizer {optimizer}: {error}; an optimizer is written like adamw(lr=0.001, weight_decay=0.01)"
        ) from None


def _called(text: str) -> tuple[str, dict[str, Any]]:
    """An optimizer and its options, from the text of a call. Raises ValueError where there is none of that name."""
    call = ast.parse(text, mode="eval").body
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and not call.args):
        raise ValueError("it is no call of an optimizer with options by name")
    name, options = call.func.id, {str(o.arg): ast.literal_eval(o.value) for o in call.keywords}
    if name not in OPTIMIZERS:
        raise ValueError(f"there is no optimizer {name}; {allowed_names(name, OPTIMIZERS)}")
    for option in options:
        if option not in (known := OPTIMIZERS[name].options):
            raise ValueError(f"{name} has no option {option}; {allowed_names(option, known)}")
    return name, options


def document_of(
    exported: Exported,
    title: str,
    source: str,
    archive: str,
    training: Training | None = None,
    *,
    redrawn: bool,
) -> Document:
    """The case. Weights and inputs lie in `archive` beside it, or are drawn anew: of the same mean and deviation."""
    tensors = {name: _input(name, a, exported, archive, redrawn) for name, a in exported.tensors.items()}
    constants = {name: tensor for name, tensor in tensors.items() if exported.kinds[name] == "constant"}
    program = program_of(exported)
    read = {exported.output, *(name for node in program.nodes for name in node.inputs)}
    unread = [name for node in program.nodes for name in node.outs if name not in read]
    return Document(
        title=title,
        source=source,
        program=exported.text,
        output=exported.output,
        values=unread or UNSET,
        gradients=exported.differentiated or UNSET,
        tensors={name: tensor for name, tensor in tensors.items() if name not in constants},
        constants=constants,
        training=training or UNSET,
    )


def _input(name: str, a: Array, exported: Exported, archive: str, redrawn: bool) -> Input:
    kind = exported.kinds[name]
    if a.size <= FEW or (redrawn and kind not in ("parameter", "input")):
        return literal(a)
    if redrawn and kind == "parameter" and a.std() > 0:
        return Input(normal=(_few(a.mean()), _few(a.std())), shape=list(a.shape))
    if redrawn:
        return drawn(a)
    return Input(file=archive, shape=list(a.shape), **OTHERS.get(a.dtype.kind, {}))


def _few(number: float) -> float:
    """In as many digits as a person reads."""
    return float(f"{number:.3g}")


def in_files(document: Document) -> list[str]:
    """The tensors that lie beside the case."""
    return [name for name, tensor in document.inputs.items() if tensor.file is not UNSET]


# Held to the module itself


def program_of(exported: Exported) -> Program:
    """Raises OwnError where the text is no program of these tensors: the door says something that programs don't have."""
    kinds = {"f": "float", "b": "bool"}
    try:
        program = parse(exported.text, tensors=exported.kinds)
        program.specs(
            {name: Spec(a.shape, kinds.get(a.dtype.kind, "int64")) for name, a in exported.tensors.items()}
        )
    except ProgramError as error:
        line = exported.text.splitlines()[error.line - 1]
        raise OwnError(f"the exported program can't be read: {error}\n  {line}") from None
    return program


def check(exported: Exported) -> str:
    """How closely the reference gives the module's own output and gradients. Raises OwnError at the first that differs."""
    if np.size(exported.arrays["value"]) and np.isnan(exported.arrays["value"]).all():
        raise OwnError(
            f"the module's own output, {exported.output}, is NaN: no case can be held to that; nothing was written"
        )
    program = program_of(exported)
    own = _beside(exported, program, EXACT)
    far = _far(own)
    for side in (-1.0, 1.0) if far else ():
        other = _beside(exported, program, Beside(EXACT, side * TINY))  # type: ignore[arg-type]  # it stands for a context
        if len(_far(other)) < len(far):
            own, far = other, _far(other)
    if far:
        rounded = rounding(exported, program)
        for what in far:
            error = np.abs(np.asarray(own[what][0]) - own[what][1])
            if not np.all(error <= rounded[what].tolerance("float64")):
                raise OwnError(
                    f"the case would not be the module: {what} is off by {distance(*own[what]):.2g} of its largest element, {CLOSE:g} allowed, "
                    "and by more than float64 rounds; nothing was written"
                )
    near = max((distance(*pair) for what, pair in own.items() if what not in far), default=0.0)
    told = f"value{f' and {len(own) - 1} gradients' * (len(own) > 1)} as the module's own in float64, to {near:.1e} of each tensor's largest element"
    return told + f"; {len(far)} of them, whose terms cancel, to float64's own rounding" * bool(far)


def _beside(exported: Exported, program: Program, c: Exact) -> dict[str, tuple[Array, Array]]:
    """The reference's value and gradients beside the module's own. Raises OwnError."""
    wanted, cotangents = exported.differentiated, {exported.output: np.asarray(exported.arrays["cotangent"])}
    try:
        with np.errstate(all="ignore"):
            env = forward(program, exported.tensors)
            grads = backward(program, env, cotangents, wanted, c)
    except ProgramError as wrong:
        raise OwnError(f"the case would not be the module: {wrong}; nothing was written") from None
    held = [n for n in wanted if f"gradient {n}" in exported.arrays]
    found = {f"the value of {exported.output}": (np.asarray(env[exported.output]), exported.arrays["value"])}
    return found | {f"the gradient of {n}": (grads[n], exported.arrays[f"gradient {n}"]) for n in held}


def _far(own: Mapping[str, tuple[Array, Array]]) -> list[str]:
    return [what for what, pair in own.items() if not distance(*pair) <= CLOSE]


def rounding(exported: Exported, program: Program) -> Mapping[str, Reference]:
    """How far float64 may be off in each tensor, by what `check` calls it: where terms cancel, more than `CLOSE`."""
    wanted = exported.differentiated

    def compute(c: Exact) -> dict[str, Array]:
        cotangents = {exported.output: np.asarray(exported.arrays["cotangent"])}
        env, grads = backprop(program, exported.tensors, wanted, cotangents, c)
        return {f"the value of {exported.output}": env[exported.output]} | {
            f"the gradient of {n}": grads[n] for n in wanted
        }

    with np.errstate(all="ignore"):
        return expected(compute, sum(a.size for a in exported.tensors.values()), 0)


def distance(ours: Array, theirs: Array) -> float:
    """The largest difference, as a share of the largest element; infinite where only one of them is a number."""
    if ours.shape != theirs.shape:
        return np.inf
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if np.all(same):
        return 0.0
    off = float(np.max(np.abs(np.where(same, 0.0, ours - theirs))))
    return off / max(float(np.max(np.abs(theirs), initial=0)), 1e-300) if np.isfinite(off) else np.inf
