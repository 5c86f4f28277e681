"""Case files by somebody who means harm: each is a message, soon, and nothing of it is ever executed."""

import errno
import gc
import io
import math
import os
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.case import document, expect, tensors
from gradient_conformance.harness.case.limits import (
    MAX_BYTES,
    MAX_EXACT,
    MAX_EXACT_VARIANTS,
    MAX_EXACT_WORK,
    MAX_EXPANDED,
    MAX_PRODUCTS,
    MAX_TRACED,
    MAX_VARIANTS,
    MAX_WORK,
    work_of,
)
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case
from gradient_conformance.harness.errors import CaseError
from gradient_conformance.harness.reading import toml
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.reference import language
from gradient_conformance.reference.constants import Constants
from gradient_conformance.reference.language import MAX_DEPTH, MAX_NAME, MAX_NODES, MAX_TEXT
from gradient_conformance.reference.ops import OPS, Spec, shapes
from observed import seen

SECONDS = 5.0
"""Of processor time, for a file of the largest size; on the machine that this was written on, none took 3."""

A = "A = { shape = [2, 2], full = 1 }\n"


def text(program: str, tensors: str = A, before: str = "", after: str = "") -> str:
    return f"title = 't'\nsource = 's'\n{before}program = '''\n{program}\n'''\n{after}[tensors]\n{tensors}"


def loaded(folder: Path, content: str) -> Case | CaseError:
    """What a file gives, within its time; any other error fails the test."""
    path = folder / "x.toml"
    path.write_text(content, encoding="utf-8", newline="")
    assert path.stat().st_size <= MAX_BYTES, "beyond this only the size would be tested"
    start = time.process_time()
    try:
        return load(path, folder)
    except CaseError as error:
        return error
    finally:
        assert time.process_time() - start < SECONDS


def numbered(form: str, count: int) -> str:
    return "".join(form.format(i) for i in range(count))


def chain(lines: int) -> str:
    """So many lines, each of which needs the one before it."""
    return "y0=exp(A)\n" + "".join(f"y{i}=y{i - 1}+A\n" for i in range(1, lines))


DEEP = "nested too deeply; at most 100 levels"
PARTS = "a dotted key may have at most 100 parts"

PROGRAMS = {
    "parentheses": ("y = " + "(" * 10_000 + "A" + ")" * 10_000, "cannot be read: "),
    "minus": ("y = " + "-" * 99_000 + "A", DEEP),
    "few-minus": ("y = " + "-" * 200 + "A", DEEP),
    "powers": ("y = A" + "**A" * 30_000, DEEP),
    "sums": ("y = A" + "+A" * 49_000, DEEP),
    "calls": ("y = " + "exp(" * 10_000 + "A" + ")" * 10_000, "cannot be read: "),
    "few-calls": ("y = " + "exp(" * 150 + "A" + ")" * 150, DEEP),
    "indices": ("y = A" + "[0]" * 30_000, DEEP),
    "attributes": ("y = A" + " .T" * 30_000, DEEP),
    "lambdas": ("y = " + "lambda:" * 14_000 + "A", DEEP),
    "conditions": ("y = " + "A if A else " * 8_000 + "A", DEEP),
    "arguments": ("y = concat(" + "-A, " * 12_000 + ")", "at most 10000 op calls"),
    "statements": ("y=A+A\n" + numbered("y{0}=y+A\n", 7_000), r"feeds nothing"),
    "targets": ("a = " * 24_000 + "A", "only assignments such as"),
    "long-name": ("y" * 201 + " = A + A", "a name may have at most 200 characters, this one has 201"),
    "long": ("# " + "x" * MAX_TEXT, f"at most {MAX_TEXT} are allowed"),
    "integer": ("y = A * 1" + "0" * 5_000, "cannot be read: "),
    "hexadecimal": ("y = A * 0x" + "f" * 5_000, r"beyond 2\*\*53"),
    "power-of-numbers": ("y = A * 10 ** 100000", "cannot be worked out"),
    "float": ("y = A * 1e400", "beyond what a float64 holds; infinity is inf"),
    "string": ("y = sum(A, axis='" + "a" * 90_000 + "')", "must be an integer"),
    "dimensions": ("y = A[" + "None, " * 15 + "0, 0]\nz = sum(y[None, None])", "17 dimensions; at most 16"),
    "nul": ("y = A\\u0000", "cannot be read|not TOML"),
    "form-feed": ("\x0c", "no TOML"),
    "late": ("\n" * 99_000 + "y = A", '"A" alone is no op call'),
}


@pytest.mark.parametrize(("program", "message"), PROGRAMS.values(), ids=PROGRAMS)
def test_a_hostile_program_is_a_message_soon(tmp_path: Path, program: str, message: str) -> None:
    found = loaded(tmp_path, text(program))
    assert isinstance(found, CaseError)
    assert pytest.approx(0, abs=10_000) == len(str(found))
    with pytest.raises(CaseError, match=message):
        raise found


FILES = {
    "dotted key": ("a" + ".a" * 490_000 + " = 1", PARTS),
    "dotted header": ("[" + "a." * 490_000 + "a]", PARTS),
    "quoted dotted key": ('"\\""' + '."\\""' * 190_000 + " = 1", PARTS),
    "arrays in arrays": ("x = " + "[" * 990_000, "nested too deeply"),
    "tables in tables": ("x = " + "{a = " * 190_000, "nested too deeply"),
    "many tables": (numbered("[t{0}]\n", 20_000), 'unknown key "t0"'),
    "long key": ("a" * 990_000 + " = 1", "unknown key"),
    "quotes": ('"' * 300_000, "no TOML"),
    "steering the terminal": ('"\\u001b[31m" = 1', r'unknown key "\\x1b\[31m"'),
    "turning the line": ('"a\\nb\\u202e" = 1', r'unknown key "a\\x0ab\\u202e"'),
    "key like a place": ('"a - at `$.sizes[...]" = 1', 'unknown key "a - at'),
    "key like a quoted place": ('"a` - at `$.title[...]" = 1', 'unknown key "a` - at'),
    "byte order mark": ("\ufeff\ufeff" + text("y = sum(A)"), "no TOML"),
    "surrogate": (text("y = sum(A)", before='output = "\\ud800"\n'), "no TOML"),
    "bidi name": (text("y = sum(\u202eA)"), "cannot be read"),
    "swept integer": (text("y = sum(A) * {k}", after="[sweep]\nk = [0x" + "f" * 9_000 + "]\n"), r"integer <= 9007199254740992"),
    "size": (text("y = sum(A)", after="[sizes]\nk = 0x" + "f" * 9_000 + "\n"), r"integer <= 9007199254740992"),
    "seed": (text("y = sum(A)", before="seed = 0x" + "f" * 9_000 + "\n"), r"integer <= 9007199254740992"),
    "full": (text("y = sum(A)", "A = { shape = [2], full = 0x" + "f" * 9_000 + " }\n"), r"beyond 2\*\*53"),
    "uniform": (text("y = sum(A)", "A = { shape = [2], uniform = [0, 0x" + "f" * 9_000 + "] }\n"), r"tensors\.A\.uniform\[1\] "),
    "printed integer": (text("y = sum(A)", after="[[expect]]\nvalue = 'y'\nis = [0x" + "f" * 9_000 + "]\n"), "too large to print"),
    "printed digits": (text("y = sum(A)", after="[[expect]]\nvalue = 'y'\nis = '" + "1" * 900_000 + "x'\n"), "a number as it is printed"),
    "many gradients": (text("y = sum(A)", before="gradients = [" + numbered('"g{0}", ', 80_000) + "]\n"), '"g0" is no tensor'),
    "many values": (text("y = sum(A)", before="values = [" + numbered('"g{0}", ', 80_000) + "]\n"), '"g0" is not assigned'),
    "many sizes": (text("y = sum(A)", "A = { values = [" + "1, " * 100_000 + "] }\n", after="[sizes]\n" + numbered("s{0} = 1\n", 15_000) + "w = 'x'\n"), "sizes.w is a string"),
    "near sizes": (text("y = sum(A)", "A = { shape = ['" + "ab" * 97 + "'], full = 1 }\n", after="[sizes]\n" + numbered("ab" * 90 + "{0:06d} = 1\n", 4_500)), "unknown size"),
    "sweep": (text("y = sum(A) * {k}", after="[sweep]\nk = [" + numbered("{0}, ", 10_001) + "]\n"), "10001 variants, but at most 10000"),
    "sweep with several optimizers": (text("y = sum(A) * {k}", "A = { shape = [], full = 1 }\n", after="[sweep]\nk = [" + numbered("{0}, ", 5_001) + "]\n[training]\noptimizer = { sgd = { lr = 0.1 }, lion = { lr = 0.1 } }\nparameters = ['A']\nsteps = 1\n"), "10002 variants, but at most 10000"),
    "huge sweep": (text("y = sum(A)", after="[sweep]\n" + numbered("k{0} = [" + "1, 2, 3, 4, 5, 6, 7, 8, 9" + "]\n", 5_000)), "variants, but at most 10000"),
    "sweep of a large file": (text("y = sum(A) * {k}", "A = { values = [" + "1, " * 60_000 + "] }\n", after="[sweep]\nk = [" + numbered("{0}, ", 9_000) + "]\n"), "9000 variants of a file of"),
    "swept word": (text("y = sum(A) * {k}", after="[sweep]\nk = ['" + "a" * 900_000 + "']\n"), "a word is at most 200"),
    "swept shape": (text("y = sum(A)", "A = { shape = '{k}', full = 1 }\n", after="[sweep]\nk = [[" + "1, " * 60_000 + "]]\n"), "a list of length <= 16"),
    "shape": (text("y = sum(A)", "A = { shape = [1000000000000000000], full = 1 }\n"), "integer <= 9007199254740992"),
    "shape whose product overflows": (text("y = sum(A)", "A = { shape = [4294967296, 4294967296], full = 1 }\n"), "18446744073709551616 elements"),
    "empty shape whose product overflows": (text("y = sum(A)", "A = { shape = [0, 9007199254740992, 9007199254740992], full = 1 }\n"), "elements, but at most 50000000"),
    "negative shape": (text("y = sum(A)", "A = { shape = [-1], full = 1 }\n"), "integer >= 0"),
    "dimension": (text("y = sum(A)", "A = { shape = ['" + "9*" * 99 + "9'], full = 1 }\n"), "a dimension must be 0 or more"),
    "long dimension": (text("y = sum(A)", "A = { shape = ['" + "-" * 900_000 + "9'], full = 1 }\n"), "at most 200 characters"),
    "deep values": (text("y = sum(A)", "A = { values = " + "[" * 200 + "1" + "]" * 200 + " }\n"), "differ in length or depth"),
    "arange": (text("y = sum(A)", "A = { shape = [9], arange = [9e15, 9e15], dtype = 'int64' }\n"), r"leaves the integers up to 2\*\*53"),
    "grown": (text("y = A[:, None] * A\nz = sum(y)", "A = { shape = [10000], full = 1 }\n"), "elements together; at most 50000000"),
    "empty and grown": (text("y = A * B\nz = sum(y)", "A = { shape = [0, 7000000, 1], full = 1 }\nB = { shape = [1, 1, 7000000], full = 1 }\n"), "elements together"),
    "work": (text(numbered("y{0} = sum(A)\n", 30), "A = { shape = [4000000], full = 1 }\n", before="values = [" + numbered('"y{0}", ', 30) + "]\n"), "120000030 elements to read and write; at most 100000000"),
    "products": (text("y = sum(A @ B)", "A = { shape = [2500, 2500], full = 1 }\nB = { shape = [2500, 2500], full = 1 }\n"), "multiplications in products of matrices"),
    "steps": (text("y = sum(A * A)", "A = { shape = [100, 100], full = 1 }\n", after="[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ['A']\nsteps = 10000\n"), "elements together; at most 50000000"),
    "tensors of all steps": (text(chain(200), "A = { shape = [], full = 1 }\n", after="[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ['A']\nsteps = 10000\n"), "6020000 tensors to answer when it is traced; at most 500000"),
    "exact work": (text("y = sum(A @ B)", "A = { shape = [38, 38], full = 1 }\nB = { shape = [38, 38], full = 1 }\n", before="exact = true\n", after="[sweep]\nk = [" + numbered("{0}, ", 10) + "]\n").replace("sum(A @ B)", "sum(A @ B) * {k}"), "an exact case may have at most 200000"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES)
def test_a_hostile_file_is_a_message_soon(tmp_path: Path, content: str, message: str) -> None:
    found = loaded(tmp_path, content)
    assert isinstance(found, CaseError)
    assert len(str(found)) < 10_000
    assert all(line.isprintable() for line in found.lines)
    with pytest.raises(CaseError, match=message):
        raise found


LARGE = {
    "a program of 7,000 lines": text(chain(7_000)),
    "all of it compared": text(chain(7_000), before="gradients = [" + numbered('"y{0}", ', 7_000) + "]\n"),
    "40,000 arguments": text("y = concat(" + "A," * 40_000 + ")"),
    "2,000 tensors": text("y = concat(" + numbered("t{0},", 2_000) + ")", numbered("t{0} = {{ shape = [1], uniform = [0, 1] }}\n", 2_000)),
    "two thousand at once": text(numbered("a{0}, ", 2_000) + "= " + "A + A, " * 2_000, before="values = [" + numbered('"a{0}", ', 2_000) + "]\n"),
    "300,000 values": text("y = sum(A)", "A = { values = [" + "1, " * 300_000 + "] }\n"),
    "12,000 printed numbers": text("y = A + A", after="[[expect]]\nvalue = 'y'\nat = [0, 0]\nis = '2'\n" * 12_000),
    "2,000 variants": text("y = sum(A) * {k} * {j}", after="[sweep]\nk = [" + numbered("{0}, ", 20) + "]\nj = [" + numbered("{0}, ", 100) + "]\n"),
    "line ends of DOS": text("y = sum(A)").replace("\n", "\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_what_is_large_but_allowed_is_loaded_soon(tmp_path: Path, content: str) -> None:
    assert isinstance(loaded(tmp_path, content), Case)


def test_loading_takes_time_that_grows_with_the_program_and_not_faster(tmp_path: Path) -> None:
    """At best of several times, without Python's search for garbage: that goes through all that other tests left."""

    def seconds(lines: int) -> float:
        path = tmp_path / "x.toml"
        path.write_text(text(chain(lines)))
        start = time.process_time()
        load(path, tmp_path)
        return time.process_time() - start

    gc.disable()
    try:
        short, long = map(min, zip(*[(seconds(800), seconds(6_400)) for _ in range(5)], strict=True))
    finally:
        gc.enable()
    assert long < 2 * 8 * short


def test_an_expression_is_worked_out_once_however_deep_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a program of deep expressions would take a hundred times as long as a flat one of its length."""
    seen: list[Any] = []
    usual = Constants.worked_out
    monkeypatch.setattr(Constants, "worked_out", lambda self, node: seen.append(node) or usual(self, node))
    language.parse("y = x" + " - x" * 90)
    assert 90 < len(seen) == len(set(seen))


def test_a_number_beyond_the_narrowest_dtype_is_infinite_there(tmp_path: Path) -> None:
    """Without a word of NumPy's: warnings are errors here."""
    found = loaded(tmp_path, text("y = A * 1e39"))
    assert isinstance(found, Case)
    assert found.variants[0].program.rounded("float32").nodes[0].args == ("A", math.inf)


# Nothing is executed

CANARY = "canary"
CODE = [
    "__import__('os').system('touch canary')", "open('canary', 'w')", "exec('open(1)')", "eval('1')", "compile('1', '', 'eval')",
    "getattr(A, '__class__')", "A.__class__.__base__.__subclasses__()", "A.T.__class__", "().__class__", "(lambda: 0)()", "[A for A in A]",
    "{A: A}", "{A, A}", "f'{A.__class__}'", "'{0.__class__}'.format(A)", "(y := A)", "A if A else A", "print(A)", "input()", "breakpoint()", "type(A)",
    "exp(A, axis=__import__('os'))", "exp(*A)", "exp(**A)", "exp(A)(A)", "OPS['exp'](A)", "A @ open('canary', 'w')", "A[open('canary', 'w')]",
    "sum(A, axis=open('canary', 'w'))", "sum(A, keepdims='{0.__class__}')", "vars(A)", "globals()", "np.load('x')", "(yield A)", "not A", "A < A", "A and A", "A is A",
    "{__import__}(A)", "{k}(A)", "{k.__class__}(A)", "{open('canary', 'w')}", "A % A", "A // A", "A << A", "~A", "...", "b'x'", "1j", "`A`", "!touch canary", "$(touch canary)",
]  # fmt: skip
STATEMENTS = [
    "import os", "from os import system", "import os; os.system('touch canary')", "def f(): pass", "class C: pass", "@exp\ndef f(): pass", "del A", "assert A", "raise A",
    "with open('canary', 'w') as y: pass", "for y in A: pass", "while True: pass", "if A: pass", "try: pass\nfinally: pass", "global A", "return A", "async def f(): pass",
    "y: open('canary', 'w') = A", "y += A", "A.x = A", "A[0] = A", "exp = A", "__builtins__ = A + A", "open = A + A\ny = open('canary', 'w')", "print = A + A\ny = print(A)", "match A:\n  case 1: pass", "type y = A", "# coding: utf-7\ny = +AG8-",
]  # fmt: skip
ELSEWHERE = [
    text("y = sum(A)", "A = { shape = [\"open('canary', 'w')\"], full = 1 }\n"), text("y = sum(A)", 'A = { shape = ["(lambda: 1)()"], full = 1 }\n'),
    text("y = sum(A)", 'A = { shape = ["k.__class__"], full = 1 }\n', after="[sizes]\nk = 1\n"), text("y = sum(A)", 'A = { shape = "{open}", full = 1 }\n'),
    text("y = sum(A)", "A = { shape = [2], labels = \"open('canary', 'w')\", dtype = 'int64' }\n"), text("y = sum(A)", before="output = \"{open('canary', 'w')}\"\n"),
    text("y = sum(A)", before='gradients = ["{0.__class__}"]\n'), text("y = {k}(A)", after='[sweep]\nk = ["__import__", "eval"]\n'),
    text("y = sum(A)", 'A = { shape = [2], file = "|touch canary" }\n'), text("y = sum(A)", 'A = { shape = [2], file = "`touch canary`.npy" }\n'),
    text("y = sum(A)", after='[[expect]]\nvalue = "y"\nis = "__import__(\'os\')"\n'), text("y = sum(A)").replace("'t'", '"{{7*7}} $(touch canary) %s {0.__class__}"'),
]  # fmt: skip

EVENTS: list[str] = []
WATCHED = ("exec", "os.", "subprocess.", "socket.", "ctypes.", "pty.", "shutil.", "import", "open")
watching = False


def is_own(file: Any) -> bool:
    """A case's file, by its path and then by its number; "", which Python tries on a syntax error; a traceback's sources."""
    return isinstance(file, int) or file == "" or str(file).endswith((".toml", ".npy", ".py"))


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Python tells a hook of every exec, import, process and opened file; a hook cannot be taken away again."""
    if watching and event.startswith(WATCHED) and not (event == "open" and is_own(arguments[0])):
        EVENTS.append(f"{event} {str(arguments)[:200]}")


sys.addaudithook(_audit)


@contextmanager
def watched() -> Iterator[None]:
    global watching  # noqa: PLW0603
    EVENTS.clear()
    watching = True
    try:
        yield
    finally:
        watching = False


@pytest.mark.parametrize(
    "content",
    [*(text(f"y = {code}") for code in CODE), *map(text, STATEMENTS), *ELSEWHERE],
    ids=[*CODE, *STATEMENTS, *(f"elsewhere-{i}" for i in range(len(ELSEWHERE)))],
)
def test_a_case_executes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """No canary comes into being, and Python itself reports no exec, import, process, or file but the case's own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(content)
    with watched():
        try:
            case = load(tmp_path / "x.toml", tmp_path)
            case.variants[0].draw("float32")
        except CaseError:
            pass
    assert [path.name for path in tmp_path.rglob("*")] == ["x.toml"]
    assert EVENTS == []


def test_the_watch_sees_what_it_watches_for() -> None:
    """Otherwise the test above would show nothing."""
    with watched():
        exec("import os")
        os.listdir()  # noqa: PTH208
    assert {event.split()[0] for event in EVENTS} == {"exec", "os.listdir"}


@pytest.mark.parametrize("program", ["y = A[1if 1else 2]", "y = sum(A, axis='\\d')"])
def test_what_python_warns_of_in_a_program_is_not_printed(tmp_path: Path, program: str) -> None:
    with warnings.catch_warnings(record=True, action="always") as found:
        assert isinstance(loaded(tmp_path, text(program)), CaseError)
    assert found == []


# Paths

RIGHT = text("y = sum(A)")


def refused(path: Path, root: Path, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(CaseError, match=message) as caught:
        load(path, root)
    assert time.monotonic() - start < SECONDS
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", ["file", "folder"])
def test_a_link_out_of_the_root_is_not_followed(tmp_path: Path, target: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "x.toml").write_text("secret = ")
    os.mkfifo(outside / "pipe")
    (root / "link").symlink_to(outside / "x.toml" if target == "file" else outside)
    (root / "pipe.toml").symlink_to(outside / "pipe")
    path = root / "link" if target == "file" else root / "link" / "x.toml"
    refused(path, root, "does not lie below the case root")
    refused(root / ".." / "outside" / "x.toml", root, "does not lie below the case root")
    refused(outside / "x.toml", root, "does not lie below the case root")
    refused(root / "pipe.toml", root, "does not lie below the case root")  # not even looked at


def test_a_link_within_the_root_is_the_case_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(RIGHT)
    (tmp_path / "link.toml").symlink_to("x.toml")
    assert load(tmp_path / "link.toml", tmp_path).name == "x"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    """A named pipe would block for ever, a device never ends, links in a circle lead nowhere."""
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "circle.toml").symlink_to("circle.toml")
    refused(tmp_path / "pipe.toml", tmp_path, "cannot be read: it is no regular file")
    refused(tmp_path / "folder.toml", tmp_path, f"cannot be read: {os.strerror(errno.EISDIR)}")
    refused(tmp_path / "circle.toml", tmp_path, "cannot be read")
    refused(Path("/dev/zero"), Path("/dev"), "cannot be read: it is no regular file")


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root every file may be read, so the system's answer is played."""

    def denied(*_: Any, **__: Any) -> int:
        raise PermissionError(errno.EACCES, "not for you")

    (tmp_path / "x.toml").write_text(RIGHT)
    monkeypatch.setattr("gradient_conformance.harness.reading.files.os.open", denied)
    refused(tmp_path / "x.toml", tmp_path, "cannot be read: not for you")


@pytest.mark.parametrize("name", [b"\xff.toml", b"a\nb.toml", "\u202e.toml".encode(), b"\x1b[31m.toml"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    path.write_text(RIGHT)
    with pytest.raises(CaseError, match="a case's name can't have") as caught:
        load(path, tmp_path)
    assert str(caught.value).isprintable()


# Files of arrays


def header(descr: str, shape: str, order: str = "False", version: bytes = b"\x01\x00") -> bytes:
    return raw(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n", version)


def raw(content: str, version: bytes = b"\x01\x00", claimed: int | None = None) -> bytes:
    length = struct.pack(
        "<H" if version == b"\x01\x00" else "<I", len(content) if claimed is None else claimed
    )
    return b"\x93NUMPY" + version + length + content.encode()


def pickled() -> bytes:
    """What creates the canary as soon as somebody unpickles it."""

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (CANARY, "w")

    stream = io.BytesIO()
    np.save(stream, np.array([Bomb(), 1, 2], dtype=object), allow_pickle=True)
    return stream.getvalue()


DATA = np.arange(3.0).tobytes()
LIES = {
    "pickle": (pickled(), "holds object"),
    "more than there is": (header("'<f8'", "(3,)") + DATA[:-1], "has 23 bytes of data"),
    "less than there is": (header("'<f8'", "(3,)") + DATA + b"x", "has 25 bytes of data"),
    "another shape": (header("'<f8'", "(4000000000000,)") + DATA, "has shape"),
    "negative": (header("'<f8'", "(-3,)") + DATA, "no readable"),
    "true": (header("'<f8'", "(True, 3)") + DATA, "no readable"),
    "structured": (header("[('a', '<f8')]", "(3,)") + DATA, "no readable"),
    "void": (header("'|V8'", "(3,)") + DATA, "no readable"),
    "text": (header("'<U2'", "(3,)") + DATA, "no readable"),
    "subarray": (header("('<f8', (3,))", "()") + DATA, "no readable"),
    "code": (header("__import__('os').system('touch canary')", "(3,)") + DATA, "no readable"),
    "code instead": (raw("open('canary', 'w')") + DATA, "no readable"),
    "nested": (raw("-" * 9_000 + "1") + DATA, "no readable"),
    "parentheses": (raw("(" * 9_000) + DATA, "no readable"),
    "unhashable": (raw("{[]: 1}") + DATA, "no readable"),
    "mixed keys": (raw("{1: 2, 'descr': 3}") + DATA, "no readable"),
    "long integer": (raw("1" * 9_000), "no readable"),
    "long header": (raw("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}" + " " * 20_000, b"\x02\x00") + DATA, "no readable"),
    "a gigabyte of header claimed": (raw("{}", b"\x02\x00", 2**30) + DATA, "no readable"),
    "version 3": (header("'<f8'", "(3,)", version=b"\x03\x00") + DATA, "no readable"),
    "archive": (b"PK\x03\x04" + DATA, "no readable"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "message"), LIES.values(), ids=LIES)
def test_a_file_of_an_array_that_lies_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(data)
    (tmp_path / "x.toml").write_text(text("y = sum(A)", 'A = { shape = [3], file = "x.npy" }\n'))
    refused(tmp_path / "x.toml", tmp_path, message)
    assert not (tmp_path / CANARY).exists()


@pytest.mark.parametrize("order", ["True", "False"])
@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00"])
def test_a_file_that_tells_the_truth_is_read(tmp_path: Path, order: str, version: bytes) -> None:
    (tmp_path / "x.npy").write_bytes(header("'<f8'", "(2, 3)", order, version) + np.arange(6.0).tobytes())
    (tmp_path / "x.toml").write_text(text("y = sum(A)", 'A = { shape = [2, 3], file = "x.npy" }\n'))
    (variant,) = load(tmp_path / "x.toml", tmp_path).variants
    wanted = np.arange(6.0).reshape((2, 3), order="F" if order == "True" else "C")
    assert np.array_equal(variant.draw()["A"], wanted)


@pytest.mark.parametrize(
    "name", ["pipe.npy", "folder.npy", "zero.npy", "../outside/x.npy", "/dev/zero", "linked/x.npy"]
)
def test_an_array_is_read_from_a_regular_file_of_the_root_alone(tmp_path: Path, name: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "folder.npy").mkdir(parents=True)
    outside.mkdir()
    np.save(outside / "x.npy", np.zeros(3))
    os.mkfifo(root / "pipe.npy")
    (root / "zero.npy").symlink_to("/dev/zero")
    (root / "linked").symlink_to(outside)
    (root / "x.toml").write_text(text("y = sum(A)", f'A = {{ shape = [3], file = "{name}" }}\n'))
    refused(root / "x.toml", root, r"outside the case root|is no \.npy or \.npz file")


def test_a_file_that_became_something_else_after_loading_is_refused_when_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    (tmp_path / "x.toml").write_text(text("y = sum(A)", 'A = { shape = [3], file = "x.npy" }\n'))
    (variant,) = load(tmp_path / "x.toml", tmp_path).variants
    for replaced in (pickled(), header("'<f8'", "(3,)") + DATA[:8], b""):
        (tmp_path / "x.npy").write_bytes(replaced)
        with pytest.raises(CaseError, match="tensor A:"):
            variant.draw()
    (tmp_path / "x.npy").unlink()
    os.mkfifo(tmp_path / "x.npy")
    with pytest.raises(CaseError, match=r"is no \.npy or \.npz file"):
        variant.draw()
    assert not (tmp_path / CANARY).exists()


def test_numbers_that_overflow_are_infinite_and_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(text("y = sum(A)", "A = { shape = [100], normal = [1e308, 1e308] }\n"))
    drawn = load(tmp_path / "x.toml", tmp_path).variants[0].draw("float32")["A"]
    assert not np.isnan(drawn).any()


# Limits


def rows() -> dict[str, int]:
    """The limits that the page on cases states, as the code has them."""
    return {
        "bytes of a file": MAX_BYTES,
        "variants of a case": MAX_VARIANTS,
        "characters of a file, times its variants if it has several": MAX_EXPANDED,
        "characters of a program": MAX_TEXT,
        "op calls of a program": MAX_NODES,
        "levels of nesting in a program": MAX_DEPTH,
        "characters of a name": MAX_NAME,
        "parts of a dotted key": toml.MAX_KEY_PARTS,
        "characters of a dimension": tensors.MAX_EXPRESSION,
        "dimensions of a tensor": shapes.MAX_DIMENSIONS,
        "digits of a printed number": expect.MAX_DIGITS,
        "steps of a training": document.MAX_STEPS,
        "elements of all names of a variant, in all steps": tensors.MAX_ELEMENTS,
        "tensors of a trace, in all steps": MAX_TRACED,
        "elements that op calls read and write, in all steps": MAX_WORK,
        "multiplications in products of matrices, in all steps": MAX_PRODUCTS,
        "variants of an exact case": MAX_EXACT_VARIANTS,
        "elements of a variant of an exact case": MAX_EXACT,
        "elements read and written, and multiplications, of all variants of an exact case": MAX_EXACT_WORK,
    }


def test_the_page_on_cases_states_the_limits_that_the_code_has() -> None:
    page = (Path(__file__).parents[2] / "cases" / "README.md").read_text()
    table = page.split("| limit | at most |\n| --- | --- |\n")[1].split("\n\n")[0]
    assert table.strip() == "\n".join(f"| {what} | {most:,} |" for what, most in rows().items())


@pytest.mark.parametrize("op", sorted(OPS))
def test_a_row_says_how_many_products_its_forward_multiplies(op: str) -> None:
    """As many as the context is asked for: none is left out of the work of a case."""
    row, said = OPS[op], 0
    for sample in TRUTH[op].samples:
        if row.terms:
            shapes = [np.shape(x) for x in sample.inputs]
            kw = {**row.defaults, **sample.kw}
            kinds = ("int64" if np.asarray(x).dtype.kind == "i" else "float" for x in sample.inputs)
            out, *_ = row.infer(*map(Spec, shapes, kinds), **kw)
            said += math.prod(out.shape) * row.terms(*shapes, **kw)
    assert said == seen(op).multiplications


@pytest.mark.parametrize(
    ("program", "products"),
    [("y = A @ B", 2 * 3 * 4), ("y = linear(A, B, weights='in_out')", 2 * 3 * 4), ("y = A @ B[:, 0]", 2 * 3)],
)
def test_the_multiplications_of_a_product_are_counted(tmp_path: Path, program: str, products: int) -> None:
    shaped = "A = { shape = [2, 3], full = 1 }\nB = { shape = [3, 4], full = 1 }\n"
    (tmp_path / "x.toml").write_text(text(program, shaped))
    (variant,) = load(tmp_path / "x.toml", tmp_path).variants
    assert work_of(variant.program, variant.specs)[1] == products
    assert math.prod(variant.specs["y"].shape) > 0
