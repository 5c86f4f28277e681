"""`harness import`: a framework's module, a file of ONNX, or somebody's NumPy function, as a case; `harness port`: and a port held to it."""

import argparse
import importlib.util
import re
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ...reference.names import nearest
from ..case.document import Document
from ..case.loading import load, parse
from ..case.tensors import MAX_ELEMENTS
from ..case.variant import Case
from ..case.writing import write
from ..errors import CaseError, HarnessError
from ..frameworks.found import Framework, frameworks
from ..frameworks.interpreters import Absent, interpreter_of
from ..own.exported import (
    Exported,
    check,
    document_of,
    doors_of,
    export,
    imports,
    in_files,
    lacking,
    trained,
    training_of,
)
from ..own.onnx.graph import read as read_onnx
from ..own.porting.differing import told_of
from ..own.porting.door import Model
from ..own.porting.porting import COLUMN, Porting, pairs_of
from ..own.sizes import Sizes, check_swept, sizes_of, swept
from ..own.writing import MARK, case_text
from ..reading.files import real
from ..reading.replacing import check_ours, replace
from .common import adapter_folders, command, given, ini_interpreters, interpreters, path

INPUTS = "inputs"
"""What a dict of arrays, or a function that gives one, is called where nothing else is said."""
TOO_LARGE = re.compile(r"at most \d+ are allowed|are more than \d+ numbers")
"""What is said where a limit of cases is passed."""
USUAL = "sgd(lr=0.01)"
"""The optimizer where nothing else is said."""


def add(commands: Any) -> None:
    text = "make a case of a module of yours, exported in its framework's own interpreter, of a file of ONNX, or of a NumPy function"
    made = command(commands, "import", run, text)
    text = "gives a module and its inputs (return module, inputs); behind FRAMEWORK: where several can export; or FILE.onnx"
    made.add_argument("module", nargs="?", type=given, metavar="FILE.py:FUNCTION", help=text)
    text = "the path of a submodule, which is taken with the inputs that it really gets"
    made.add_argument("--at", default="", metavar="SUBMODULE", help=text)
    _add_original(made)
    text = "call FUNCTION with each of these sizes, as batch=1,2,7: the case is swept over them"
    made.add_argument("--sizes", action="append", default=[], metavar="NAME=N,N", help=text)
    text = "make the inputs smaller, axis by axis, as far as the module runs and no gradient vanishes; what was made smaller is told"
    made.add_argument("--shrink", action="store_true", help=text)
    text = "draw weights anew, by mean and deviation of each: the case is then text only"
    made.add_argument("--redraw", action="store_true", help=text)
    text = "a NumPy function: it is run with arrays that remember what is done to them"
    made.add_argument("--numpy", type=given, metavar="FILE.py:FUNCTION", help=text)
    text = f"its inputs by name: an .npz file, as of FILE.onnx too, or a dict, or a function that gives one, of FILE.py (default: {INPUTS})"
    made.add_argument("--inputs", type=given, default=INPUTS, metavar="FILE.npz|NAME", help=text)
    text = "which of the values that it returns is differentiated (default: loss)"
    made.add_argument("--output", metavar="NAME", help=text)
    text = "where the case goes (default: it is printed)"
    made.add_argument("--write", type=path, metavar="FILE", help=text)
    text = "compare a model with its port to another framework, and name the first call that differs"
    made = command(commands, "port", port, text)
    text = "gives the original module and its inputs, as for harness import"
    made.add_argument("module", type=given, metavar="ORIGINAL.py:FUNCTION", help=text)
    text = f"gives the port and inputs of its shapes; it runs in --interpreter {COLUMN.name}=PYTHON, else in that of the framework it imports"
    made.add_argument("theirs", type=given, metavar="THEIRS.py:FUNCTION", help=text)
    _add_original(made)
    text = "a TOML file that pairs parameters: [pairs], and the port's path = the original's name"
    made.add_argument("--pairs", type=path, metavar="FILE", help=text)
    made.add_argument("--write", type=path, metavar="FILE", help="keep the case there")
    made.set_defaults(redraw=False, shrink=False, at="")


def _add_original(made: argparse.ArgumentParser) -> None:
    """What is said of a module that is exported, however it is taken then."""
    text = "a function of FILE.py, or one of the framework's own, of the module's output, and of the target that FUNCTION gives beside module and inputs"
    made.add_argument("--loss", default="", metavar="NAME", help=text)
    made.add_argument("--steps", type=int, metavar="N", help="train it for so many steps")
    text = f"how, as a call with options by name (default: {USUAL})"
    made.add_argument("--optimizer", default="", metavar="CALL", help=text)
    made.add_argument("--adapters", action="append", type=path, default=[], metavar="DIR")
    made.add_argument("--interpreter", action="append", default=[], metavar="NAME=COMMAND")


def run(arguments: argparse.Namespace) -> int:
    """Make the case, and print or write it."""
    if arguments.write is not None and arguments.write.suffix != ".toml":
        raise HarnessError(
            f"--write {arguments.write}: a case is a file NAME.toml, and pytest takes no other"
        )
    if (arguments.module is None) == (arguments.numpy is None):
        raise HarnessError(
            "give one of FILE.py:FUNCTION, which gives a module and its inputs, and --numpy FILE.py:FUNCTION"
        )
    return traced(arguments) if arguments.module is None else exported(arguments)


def traced(arguments: argparse.Namespace) -> int:
    """Trace the function, and print or write the case."""
    if arguments.sizes or arguments.shrink:
        option = "--sizes" if arguments.sizes else "--shrink"
        raise HarnessError(
            f"{option} is of a function that makes a module; a NumPy function has the sizes of its inputs"
        )
    file, _, name = arguments.numpy.rpartition(":")
    if not file or not name.isidentifier():
        raise HarnessError(f"--numpy {arguments.numpy}: should be FILE.py:FUNCTION")
    module = _imported(Path(file))
    function = _member(module, name, "--numpy")
    if not callable(function):
        raise HarnessError(
            f"--numpy {arguments.numpy}: {name} is {type(function).__name__}, but must be a function"
        )
    text = case_text(function, _inputs(module, arguments.inputs), arguments.output)
    if arguments.write is None:
        print(text, end="")
    else:
        _write(arguments.write, text)
        _say(arguments.write)
    return 0


def exported(arguments: argparse.Namespace) -> int:
    """Export the module in its framework's interpreter, or read it from its file, hold the case to it, and print or write it."""
    _check_steps(arguments)
    sizes = sizes_of(arguments.sizes)
    if arguments.sizes and arguments.shrink:
        raise HarnessError("--shrink chooses the sizes of the inputs, and so do --sizes: give one of them")
    exports, file, function = _from_onnx(arguments) if _is_onnx(arguments) else _from_module(arguments, sizes)
    try:
        return _kept(arguments, exports, sizes, file, function)
    except HarnessError as error:
        todo = _smaller(arguments, exports, str(error))
        raise HarnessError("\n".join(filter(None, (str(error), todo)))) from None


def _kept(
    arguments: argparse.Namespace,
    exports: Sequence[Exported],
    sizes: Sequence[Sizes],
    file: Path,
    function: str,
) -> int:
    """Hold the case to what was exported, and print or write it."""
    for found in exports:
        _hold(arguments, found)
    archive = arguments.write.with_suffix(".npz") if arguments.write else Path(f"{file.stem}.npz")
    document = swept(_document(arguments, exports[0], file, function, archive), exports, sizes)
    beside = in_files(document)
    if beside and arguments.write is None:
        raise HarnessError(
            f"{len(beside)} tensors lie in an archive beside the case: name a place with --write FILE.toml, or --redraw them"
        )
    if arguments.write is None:
        text = write(document)
        check_swept(_loaded(text, archive.with_suffix(""), {}), exports, sizes)
        print(text, end="")
        return 0
    _save(arguments.write, exports, document, sizes)
    _say(arguments.write)
    return 0


def _smaller(arguments: argparse.Namespace, exports: Sequence[Exported], said: str) -> str:
    """What to do where a case would be too large; empty of any other error."""
    if not TOO_LARGE.search(said):
        return ""
    kinds, tensors = exports[-1].kinds, exports[-1].tensors
    weights = sum(a.size for name, a in tensors.items() if kinds[name] in ("parameter", "constant"))
    if not _is_onnx(arguments) and not arguments.shrink and not arguments.sizes and weights <= MAX_ELEMENTS:
        return "--shrink makes the inputs smaller, as far as the module runs"
    alone = f"its weights alone have {weights} elements: " * (weights > MAX_ELEMENTS)
    at = ", with --at SUBMODULE where there are such" * (not _is_onnx(arguments))
    return f"{alone}make it narrower or of fewer layers, or take a part of it{at}"


def _check_steps(arguments: argparse.Namespace) -> None:
    if arguments.optimizer and arguments.steps is None:
        raise HarnessError(f"--optimizer {arguments.optimizer}: say how many --steps")
    if arguments.steps is not None:  # before anything is exported, which takes long
        trained(arguments.optimizer or USUAL, arguments.steps, ["w"])


def _is_onnx(arguments: argparse.Namespace) -> bool:
    return str(arguments.module).endswith(".onnx")


def _from_onnx(arguments: argparse.Namespace) -> tuple[list[Exported], Path, str]:
    """The model of a file, which is one that infers: that is said first."""
    file = Path(arguments.module)
    if arguments.at or arguments.loss or arguments.sizes or arguments.shrink:
        raise HarnessError(
            f"{file}: a file of ONNX has neither submodules (--at) nor losses (--loss) nor --sizes to choose from, and none to --shrink"
        )
    if not file.is_file():
        raise HarnessError(f"{file}: no such file")
    if not (arguments.inputs == INPUTS or arguments.inputs.endswith(".npz")):
        raise HarnessError(
            f"--inputs {arguments.inputs}: the inputs of {file} are given in an archive, FILE.npz"
        )
    print(
        f"{file} is an INFERENCE graph: of its training batch normalization is folded away and dropout is gone",
        file=sys.stderr,
    )
    arrays = {} if arguments.inputs == INPUTS else _archived(arguments.inputs)
    return [read_onnx(file, arrays)], file, ""


def _from_module(arguments: argparse.Namespace, sizes: Sequence[Sizes]) -> tuple[list[Exported], Path, str]:
    """What the framework's own interpreter exports, at each of the sizes."""
    framework, file, function = _door(arguments)
    argv, of = _interpreter(arguments, framework), (arguments.at, arguments.loss)
    exports = [export(framework, argv, file, function, *of, at, shrink=arguments.shrink) for at in sizes]
    return exports, file, function


def _interpreter(arguments: argparse.Namespace, framework: Framework) -> Sequence[str]:
    """The command of the interpreter of a column, or of another door. Raises HarnessError where there is none."""
    columns = [*frameworks(adapter_folders(arguments.adapters)), COLUMN]
    own = framework.name not in {column.name for column in columns}
    known = [*columns, framework] if own else columns
    place = interpreter_of(
        framework, interpreters(arguments.interpreter, known), ini_interpreters(known), Path()
    )
    if isinstance(place, Absent):
        more = f"\nwhat it needs beside that: {framework.name}" * own
        raise HarnessError(f"{place}{more}")
    return place.argv


def _hold(arguments: argparse.Namespace, found: Exported) -> None:
    """Hold the case to what was exported, and tell both. Raises HarnessError."""
    if found.shrunk is not None:
        told = "\n".join(f"  {line}" for line in found.shrunk)
        print(f"inputs made smaller:\n{told}" if told else "no input could be made smaller", file=sys.stderr)
    print(_summary(found), file=sys.stderr)
    if found.missing:
        lines = "\n".join(lacking(found))
        raise HarnessError(f"{arguments.module}: nothing was written, for programs have no word for\n{lines}")
    print(check(found), file=sys.stderr)


def _document(
    arguments: argparse.Namespace, found: Exported, file: Path, function: str, archive: Path
) -> Document:
    title, versions = (
        f"{'.'.join(filter(None, (file.stem, function)))}{f', {arguments.at}' * bool(arguments.at)}, imported",
        ", ".join(f"{name} {version}" for name, version in found.versions.items()),
    )
    lowered = f"; decomposed by the framework: {', '.join(found.lowered)}" * bool(found.lowered)
    by = "an inference graph, read by" if _is_onnx(arguments) else "exported by"
    shrunk = f"; inputs made smaller: {'; '.join(found.shrunk or ())}" * bool(found.shrunk)
    source = f"{file.name}, {by} {versions}{lowered}{shrunk}"
    training = None
    if arguments.steps is not None:
        training = training_of(found, arguments.optimizer or USUAL, arguments.steps)
    return document_of(found, title, source, archive.name, training, redrawn=arguments.redraw)


def _save(
    target: Path, exports: Sequence[Exported], document: Document, sizes: Sequence[Sizes] = ({},)
) -> None:
    """Write the case, and beside it the archive of its arrays."""
    text = write(document)
    arrays: dict[str, Any] = {name: exports[0].tensors[name] for name in in_files(document)}
    check_swept(_loaded(text, target.with_suffix(""), arrays), exports, sizes)
    if arrays:
        check_ours(target, MARK)
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(target.with_suffix(".npz"), **arrays)
    _write(target, text)


def _loaded(text: str, name: Path, arrays: Mapping[str, Any]) -> Case:
    """The case. Raises HarnessError for one that can't be loaded, as where it is larger than a case may be."""
    with tempfile.TemporaryDirectory() as folder:
        root, own = Path(folder), Path("own", name.name)
        (root / own.parent).mkdir()
        np.savez(root / own.with_suffix(".npz"), **arrays)
        try:
            return parse(text, str(own), root=root, proven=False)
        except CaseError as error:
            raise HarnessError(f"the case could not be run: {error}; nothing was written") from None


def port(arguments: argparse.Namespace) -> int:
    """Import the original, run it and its port, and say what differs: 0 nothing, 1 something."""
    _check_steps(arguments)
    framework, file, function = _door(arguments)
    argv = _interpreter(arguments, framework)
    there, theirs, port_argv = _port(arguments, argv)
    given = pairs_of(arguments.pairs) if arguments.pairs else {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Model(port_argv, there, theirs, arguments.loss) as model,
        Model(argv, file, function, dtype="") as original,
    ):
        exported = export(framework, argv, file, function, loss=arguments.loss)  # while the others are loaded
        _hold(arguments, exported)
        target = arguments.write or Path(folder, "cases", "own", "original.toml")
        _save(target, [exported], _document(arguments, exported, file, function, target.with_suffix(".npz")))
        [variant] = load(target, target.parent.parent).variants
        found = Porting.of(exported, variant, original.described(), model, given)
        print("paired:", *found.pairing.lines(), sep="\n")
        found.check_paired()
        compared = found.compares()
        print(*told_of(compared, found.sources), sep="\n")
    if arguments.write:
        _say(target)
    return 0 if compared.agrees else 1


def _port(arguments: argparse.Namespace, argv: Sequence[str]) -> tuple[Path, str, Sequence[str]]:
    """The port's file and function, and the command that runs it. Raises HarnessError.

    It is the one that is named, else that of the framework before the file or, if it is one, in its imports; else the original's.
    """
    known = {framework.name: framework for framework in frameworks(adapter_folders(arguments.adapters))}
    prefix, _, rest = arguments.theirs.partition(":")
    file, function = _file_and_function(rest if prefix in known else arguments.theirs)
    if any(text.startswith(f"{COLUMN.name}=") for text in arguments.interpreter):
        return file, function, _interpreter(arguments, COLUMN)
    whose = [prefix] if prefix in known else [name for name in known if name in imports(file)]
    return file, function, _interpreter(arguments, known[whose[0]]) if len(whose) == 1 else argv


def _door(arguments: argparse.Namespace) -> tuple[Framework, Path, str]:
    """What exports the module, which is named or the one that the file imports; the file and its function. Raises HarnessError."""
    known = frameworks(adapter_folders(arguments.adapters))
    doors = {door.name: door for f in known for door in doors_of(f)}
    prefix, _, rest = arguments.module.partition(":")
    named = doors.get(prefix)
    file, function = _file_and_function(
        rest if named else arguments.module, f", or one of {', '.join(doors)} and : before it"
    )
    found = [named] if named else [f for f in known if f.name in doors and f.name in imports(file)]
    if len(found) != 1:
        told = " and ".join(f.name for f in found) or "none of them"
        prefixed = ", ".join(f"{name}:{arguments.module}" for name in doors)
        raise HarnessError(f"{arguments.module}: the file imports {told}: say whose it is, {prefixed}")
    return found[0], file, function


def _file_and_function(text: str, more: str = "") -> tuple[Path, str]:
    """Raises HarnessError where it is none of a file that is there."""
    file, _, function = text.rpartition(":")
    if not file or not function.isidentifier():
        raise HarnessError(f"{text}: should be FILE.py:FUNCTION{more}")
    if not Path(file).is_file():
        raise HarnessError(f"{file}: no such file")
    return Path(file), function


def _summary(found: Exported) -> str:
    """What was exported, in numbers."""
    kinds = Counter(found.kinds.values())
    counts = ", ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items())
    elements = sum(a.size for a in found.tensors.values())
    mode = {True: "; exported in training mode", False: "; exported in evaluation mode", None: ""}[
        found.training
    ]
    unused = f"; not used: {', '.join(found.unused)}" * bool(found.unused)
    return f"{len(found.statements)} statements; {counts}; {elements} elements{mode}{unused}"


def _write(target: Path, text: str) -> None:
    try:
        check_ours(target, MARK)
        replace(target, text)
    except OSError as error:
        raise HarnessError(f"--write {target}: {error.strerror}") from None


def _say(target: Path) -> None:
    """How a case that was written is run."""
    root = target.parent.parent
    print(f"{target}: run it with: {shlex.join(['pytest', f'--cases={root}', str(target)])}")


def _imported(file: Path) -> ModuleType:
    """Somebody's file, run as a module with its folder on the path. Raises HarnessError; what it raises itself is its own."""
    found = real(file)
    if found.suffix != ".py" or not found.is_file():
        raise HarnessError(f"--numpy {file}: no such Python file")
    sys.path.insert(0, str(found.parent))
    spec = importlib.util.spec_from_file_location(found.stem, found)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _member(module: ModuleType, name: str, option: str) -> Any:
    if not hasattr(module, name):
        there = [own for own in vars(module) if not own.startswith("_")]
        raise HarnessError(f"{option}: {module.__name__}.py has no {name}{nearest(name, there)}")
    return getattr(module, name)


def _inputs(module: ModuleType, text: str) -> dict[str, Any]:
    """The arrays that the function is given, by name."""
    if text.endswith(".npz"):
        return _archived(text)
    found: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = _member(module, text, "--inputs")
    found = found() if callable(found) else found
    if not isinstance(found, Mapping):
        raise HarnessError(f"--inputs {text} is {type(found).__name__}, but must be a dict of arrays by name")
    return {str(name): a for name, a in found.items()}


def _archived(text: str) -> dict[str, Any]:
    try:
        with np.load(text) as arrays:  # without pickles
            return dict(arrays)
    except (OSError, ValueError) as error:
        raise HarnessError(f"--inputs {text}: {error}") from None
