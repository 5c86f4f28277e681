"""`collect`: what it takes until pytest has 10,000 cells from 1,000 files, the whole process.

The files are of the kind that is shipped: a program of some lines, drawn tensors, swept sizes. Stand-ins for every
framework lie first on the host's path and would tell if one were imported.
"""

import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measuring import Command, Figure, Options, known_frameworks

FILES = 1000
REACH = 2.5
CASES = (
    """
program = \"\"\"
y = A @ x
u = sigmoid(y)
v = B @ x
w = C @ (u + v)
L = {loss}(w, t)
\"\"\"

[tensors]
A = { shape = ["k", "k"], uniform = [-1, 1] }
B = { shape = ["k", "k"], uniform = [-1, 1] }
C = { shape = ["k", "k"], uniform = [-1, 1] }
x = { shape = ["k"], uniform = [-1, 1] }
t = { shape = ["k"], uniform = [-1, 1] }

[sweep]
k = [SWEPT]
loss = ["mse"]
""",
    """
program = \"\"\"
h = {activation}(linear(X, W1, b1, weights="out_in"))
z = linear(h, W2, b2, weights="out_in")
loss = cross_entropy(z, y)
\"\"\"
gradients = ["W1", "b1", "W2", "b2"]

[tensors]
X = { shape = ["n", 20], normal = [0, 1] }
W1 = { shape = [16, 20], uniform = [-0.3, 0.3] }
b1 = { shape = [16], uniform = [-0.3, 0.3] }
W2 = { shape = [4, 16], uniform = [-0.3, 0.3] }
b2 = { shape = [4], full = 0.1 }
y = { shape = ["n"], labels = 4 }

[sizes]
n = 32

[sweep]
activation = [SWEPT]
""",
    """
program = \"\"\"
s = sum(a * b, axis={axis}, keepdims=True)
d = (a - s) / (1.5 + b * b)
loss = mean(d ** 2)
\"\"\"

[tensors]
a = { shape = [4, 5], uniform = [-1, 1] }
b = { shape = [4, 5], uniform = [-1, 1] }

[sweep]
axis = [SWEPT]
""",
)
SWEPT = (
    ("3", "8", "16", "33", "64"),
    ('"sigmoid"', '"tanh"', '"relu"', '"softplus"', '"sin"'),
    ("0", "1", "-1", "-2", "[0, 1]"),
)
"""Of each, the values of up to five variants."""


@dataclass(frozen=True)
class Form:
    """How a file comes to ten cells: the options that choose frameworks, and how many variants the files have in turn."""

    name: str
    options: Sequence[str]
    variants: Sequence[int]


FORMS = (
    Form("all frameworks", (), (1, 1, 1, 2)),
    Form("one framework", ("--framework=torch",), (5,)),
)


def rows(options: Options) -> Iterator[Figure]:
    marks = standins(options.folder / "standins")
    for form in FORMS:
        yield from _collected(form, options)
    told = f"{', '.join(marks()) or 'none'} of {', '.join(known_frameworks())}"
    yield Figure("frameworks that the host imported", [len(marks())], "", 0, told)


def _collected(form: Form, options: Options) -> Iterator[Figure]:
    root, files = options.folder / form.name, FILES // 20 if options.quick else FILES
    write(root, files, form.variants)
    run = Command(root, first_on_path=options.folder / "standins")
    collect = ("-m", "pytest", "--collect-only", "-q", *form.options, "cases")
    loading = "from pathlib import Path\nfrom gradient_conformance.harness.case.loading import load\nroot = Path('cases')\n"
    parts = {
        "pytest and plugin imported": ("-c", "import pytest, gradient_conformance.harness.plugin.hooks"),
        "loader imported": ("-c", loading),
        "files loaded": ("-c", loading + "for path in root.rglob('*.toml'): load(path, root)"),
        "whole": collect,
    }
    cells = sum(".toml::" in line for line in run(*collect).output.splitlines())
    taken = [{part: run(*arguments) for part, arguments in parts.items()} for _ in range(options.rounds)]
    cpu = [{part: done.cpu for part, done in once.items()} for once in taken]
    note = f"processor {statistics.median(c['whole'] for c in cpu):.2f} s, of it"
    what = f"{form.name}, {cells} cells, {files} files"
    yield Figure(what, [t["whole"].wall for t in taken], "s", REACH, note)
    imported = [c["pytest and plugin imported"] for c in cpu]
    yield Figure("  importing pytest and plugin", imported, "s")
    loaded = [c["files loaded"] - c["loader imported"] for c in cpu]
    yield Figure("  loading files", loaded, "s")
    rest = [c["whole"] - i - read for c, i, read in zip(cpu, imported, loaded, strict=True)]
    yield Figure("  the rest: items, names, printing", rest, "s")


def write(root: Path, files: int, variants: Sequence[int]) -> None:
    """A folder with a case root of so many files, which have so many variants in turn, and pytest's ini file."""
    for number in range(files):
        path = root / "cases" / f"theme_{number % 20}" / f"case_{number}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f'title = "Case {number}"\nsource = "benchmarks"\nseed = {number}\n'
        program = f'program = """\n# {number}: no two files have one text, which would be parsed once'
        text = CASES[number % len(CASES)].replace('program = """', program)
        swept = SWEPT[number % len(SWEPT)][: variants[number % len(variants)]]
        path.write_text(head + text.replace("SWEPT", ", ".join(swept)), encoding="utf-8")
    (root / "pytest.ini").write_text("[pytest]\nharness_cases = cases\n", encoding="utf-8")


def standins(folder: Path) -> Callable[[], list[str]]:
    """A module named like each framework that leaves a mark when it is imported; the answer tells the marks."""
    folder.mkdir()
    for name in known_frameworks():
        mark = folder / f"{name}.imported"
        (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n", encoding="utf-8")
    Command(folder, first_on_path=folder)("-c", f"import {', '.join(known_frameworks())}")
    if len(marks := list(folder.glob("*.imported"))) != len(known_frameworks()):
        raise SystemExit(f"{sys.executable}: the stand-ins in {folder} are not found first")
    for mark in marks:
        mark.unlink()
    return lambda: sorted(mark.stem for mark in folder.glob("*.imported"))
