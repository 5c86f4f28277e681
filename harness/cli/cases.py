"""`harness check`, `new`, `schema` and `workflow`: what people need for cases, and for code, of their own."""

import argparse
import json
import keyword
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...reference.language import Reader
from .. import ROOT
from ..case.document import case_schema
from ..case.library import SHIPPED, Library, case_files, root_named
from ..case.loading import load
from ..case.variant import Case, Variant
from ..errors import HarnessError
from ..frameworks.found import checked_name
from ..reading.names import case_name_problem
from ..reading.replacing import create
from ..reading.text import count_of, visible
from ..references.variant import VariantReference
from ..report.json import report_schema
from .common import case_root, case_roots, command, path

NAMED = 3
"""Variants that a warning names, and shapes or words that a skeleton does."""

CASE = '''# A model and its data: every line is yours to change. `harness check` says what is wrong with it.
# The notation is NumPy's; `harness ops` lists the ops, `harness ops tanh` describes one.
title = "One hidden layer, mean squared error"

program = """
Z = X @ W1 + b1
H = tanh(Z)
Y = H @ W2 + b2
loss = mse(Y, T)
"""
values    = ["loss", "Y"]                   # what is compared: values,
gradients = ["W1", "b1", "W2", "b2", "H"]   # and gradients, of tensors and of what the program assigns

[sizes]
N = 8   # examples

[tensors]   # random, each from a stream of its own; or values = [[0.1, 0.2], [0.3, 0.4]]
X  = { shape = ["N", 3], uniform = [-1, 1] }
T  = { shape = ["N", 2], uniform = [-1, 1] }
W1 = { shape = [3, 4], uniform = [-1, 1] }
b1 = { shape = [4], uniform = [-1, 1] }
W2 = { shape = [4, 2], uniform = [-1, 1] }
b2 = { shape = [2], uniform = [-1, 1] }

# [training]   # steps, each of which is judged
# optimizer  = { sgd = { lr = 0.1 } }
# parameters = ["W1", "b1", "W2", "b2"]
# steps      = 3
'''
"""A case to fill in, which is right as it stands."""


def add(commands: Any) -> None:
    made = command(commands, "check", check, "validate case files without running anything")
    made.add_argument(
        "paths",
        nargs="*",
        type=path,
        metavar="PATH",
        help="files or folders (default: those of the ini file, or cases)",
    )
    made.add_argument("--root", type=path, help="the case root (default: each PATH that is a folder)")
    text = "write a file to fill in: `FILE.py --case CASE` your own code for a case, `case FILE.toml` a case"
    made = command(commands, "new", new, text)
    made.add_argument("what", nargs="+", metavar="FILE", help="FILE.py, or the word case and FILE.toml")
    made.add_argument("--case", metavar="CASE", help="the case's name, or its file")
    made.add_argument("--cases", action="append", type=case_root, default=[], metavar="DIR", help="case root")
    made = command(
        commands, "schema", schema, "print the JSON Schema of case files, for editors, or of JSON reports"
    )
    made.add_argument("of", nargs="?", choices=("case", "report"), default="case")
    text = "print a GitHub workflow for a repository of your own: a job a framework, one report of all"
    command(commands, "workflow", workflow, text)


def check(arguments: argparse.Namespace) -> int:
    """Load every case file and tell all mistakes, one line each."""
    mistakes = count = cells = 0
    paths = case_roots(arguments.paths)
    for file, root in case_files(paths, arguments.root):
        count += 1
        try:
            variants = load(file, root).variants
            cells += sum(len(variant.dtypes) for variant in variants)
            for warning in silent(variants):
                print(f"{file}: warning: {warning}")
        except HarnessError as error:
            mistakes += 1
            print(error, file=sys.stderr)
    if not count:
        raise HarnessError(f"no case file (*.toml) in {', '.join(map(str, paths))}")
    print(
        f"{count_of(count, 'case file')}, {count_of(cells, 'cell')} a framework, {count_of(mistakes, 'file')} with mistakes"
    )
    return 1 if mistakes else 0


def silent(variants: Iterable[Variant]) -> Iterator[str]:
    """What carries no information, and the variants in which it doesn't.

    Gradients that are exactly 0 everywhere, units being dead or saturated, and outputs that are no number anywhere.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for variant in variants:
        useful = variant.program.ancestors(variant.outputs)
        reference, where = VariantReference(variant), variant.id or "its one variant"
        inputs = reference.inputs_at(0, {})
        for name, g in reference.gradients_at(inputs, variant.gradients).items():
            if name in useful and g.size and not g.any():
                found.setdefault((f"no gradient of {name} carries", "all are exactly 0"), []).append(where)
        for name, a in reference.values_at(inputs, variant.outputs).items():
            if a.size and np.isnan(a).all():
                found.setdefault((f"the output {name} carries no", "it is NaN everywhere"), []).append(where)
    for (what, why), ids in found.items():
        told = ", ".join(ids[:NAMED]) + ", ..." * (len(ids) > NAMED)
        yield f"{what} information in {told}: {why}"


def new(arguments: argparse.Namespace) -> int:
    """Write the file, where there is none, and say what to do with it."""
    match arguments.what:
        case ["case", file] if arguments.case is None:
            print(new_case(path(file)))
        case [file] if file.endswith(".py") and arguments.case is not None:
            print(new_subject(path(file), arguments.case, arguments.cases))
        case _:
            raise HarnessError(
                "write `harness new FILE.py --case CASE` for code of your own, `harness new case FILE.toml` for a case"
            )
    return 0


def new_case(file: Path) -> str:
    """Write a case to fill in; what to do next."""
    if file.suffix != ".toml":
        raise HarnessError(f"{file}: a case's file is called NAME.toml")
    if problem := case_name_problem(file.stem):
        raise HarnessError(f"{file}: {problem}")
    create(file, CASE)
    return f"{file}: a case to fill in; then: {_shell('harness', 'new', 'mine.py', '--case', str(file))}"


def new_subject(file: Path, name: str, given: Sequence[Path]) -> str:
    """Write a function for the case; what to do next."""
    column, own = checked_name(file.stem, file), Path(name)
    roots = (
        [own.parent] if not given and own.suffix == ".toml" and own.is_file() else given or [Path("cases")]
    )
    case = Library(roots).meant(name)
    root = next(root for root in roots if (root / f"{case.name}.toml").is_file())
    run = _shell(
        "pytest",
        f"--cases={SHIPPED if root == root_named(SHIPPED) else root}",
        f"--subject={file}",
        f"--framework={column}",
        "-k",
        function_name(case),
    )
    create(file, skeleton(case, run))
    return f"{file}: a function to fill in; then: {run}"


def _shell(*words: str) -> str:
    return visible(shlex.join(words))


def function_name(case: Case) -> str:
    """What the function for a case is called: the last part of its name."""
    name = case.name.rpartition("/")[2]
    if not name.isidentifier() or keyword.iskeyword(name):
        raise HarnessError(f"{case.name}: no function can be called {name}; rename the case's file")
    return name


def skeleton(case: Case, run: str) -> str:
    """A Python file with the function for a case: its names and shapes, and nothing computed."""
    first = case.variants[0]
    program = [f"#     {visible(line)}" for line in case.program.splitlines() if line.strip()]
    lines = [f"# {visible(case.title)}", "#", *program, "#", f"# {run}"]
    lines += ["", "import numpy as np", "", "", f"def {function_name(case)}({_parameters(case)}):"]
    lines += [f"    # {told}" for told in _given(case)]
    for role, compared in (
        ("values", _all((*v.values, *v.discrete) for v in case.variants)),
        ("gradients", _gradients(case)),
    ):
        lines += [f"    {role} = {{", *_entries(case, role, compared), "    }"]
    if first.training is not None:
        lines += [f"    # {told}" for told in _trained(first)]
    return "\n".join([*lines, "    return values, gradients", ""])


def _parameters(case: Case) -> str:
    first, named = case.variants[0], Reader(case.program, None).names
    offered = [name for name in first.bindings if name in named]
    offered += ["cotangents"] * (bool(first.upstream)) + ["optimizer"] * (first.training is not None)
    offered += ["clip"] * bool(first.training and first.training.clip)
    given = [name for name in first.sources if name not in first.constants]
    return ", ".join([*given, *["*"] * bool(offered), *offered])


def _given(case: Case) -> Iterator[str]:
    """What each parameter is."""
    first, named = case.variants[0], Reader(case.program, None).names
    yield "Given are arrays:"
    yield from (f"  {name}: {_shapes(case, name)}" for name in first.sources if name not in first.constants)
    for name in first.bindings:
        if name in named:
            yield f"  {name}: {_some(repr(v.bindings[name]) for v in case.variants)}"
    if first.upstream:
        outputs = _all(v.outputs for v in case.variants)
        given = (f'cotangents["{name}"]: {_shapes(case, name)}' for name in outputs)
        every = " and ".join(given) if len(first.outputs) > 1 else _some(given)
        yield f"  {every}, the gradient of the output, from which all others follow"


def _trained(variant: Variant) -> Iterator[str]:
    training = variant.training
    assert training is not None
    moved = ", ".join(f'"{name}": ...' for name in training.parameters)
    yield "A training: this is called once a step, with the parameters as they are, and its optimizer moves them by `gradients`."
    if training.clip:
        yield f"clip is {json.dumps(training.clip)}: the optimizer is given gradients that are clipped by it; what is returned isn't."
    yield f"optimizer is {json.dumps({training.optimizer: training.options})}; code that makes the step itself returns what it"
    yield f"moved: return values, gradients, {{{moved}}}"


def _gradients(case: Case) -> list[str]:
    return _all(variant.gradients for variant in case.variants)


def _entries(case: Case, role: str, compared: Sequence[str]) -> Iterator[str]:
    """A line for each name that is compared, and for those that say where a difference begins."""
    prefix = "d" if role == "gradients" else ""
    first = case.variants[0]
    known = {*first.sources, *compared, *(n for v in case.variants for n in v.outputs if role == "gradients")}
    between = [name for name in first.specs if name.isidentifier() and name not in known]
    for name in compared:
        yield f'        # "{name}": {prefix}{name.replace(".", "_")},  # {_shapes(case, name)}'
    if between:
        yield "        # not compared, but each says more exactly where a difference begins:"
    for name in between:
        yield f'        # "{name}": {prefix}{name},  # {_shapes(case, name)}'


def _all(names: Iterable[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for some in names for name in some))


def _shapes(case: Case, name: str) -> str:
    """The shapes that a name has in the case's variants, and its dtype where that isn't the cell's."""
    specs = [variant.specs[name] for variant in case.variants if name in variant.specs]
    dtype = "" if specs[0].dtype == "float" else f" {specs[0].dtype}"
    return _some(str(spec.shape) for spec in specs) + dtype


def _some(texts: Iterable[str]) -> str:
    """Different texts, the first of them where they are many."""
    found = list(dict.fromkeys(texts))
    return " or ".join(found[:NAMED]) + " or ..." * (len(found) > NAMED)


def schema(arguments: argparse.Namespace) -> int:
    """Print the JSON Schema."""
    print(json.dumps(report_schema() if arguments.of == "report" else case_schema(), indent=2))
    return 0


def workflow(_arguments: argparse.Namespace) -> int:
    """Print the workflow."""
    print((ROOT / ".ci" / "foreign.yml").read_text(encoding="utf-8"), end="")
    return 0
