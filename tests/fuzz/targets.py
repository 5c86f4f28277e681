"""What is fuzzed: every reader of what a stranger wrote, each a function of bytes.

A target returns where the reader gives a result or one of our own typed errors. Whatever else escapes is a finding,
and so are more than its `seconds` of processor time for one input of at most MAX_LENGTH bytes.
"""

import io
import itertools
import json
import math
import os
import struct
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

import fuzz_mutations as mutations
import msgspec
import numpy as np
from gradient_conformance.harness.case import limits
from gradient_conformance.harness.case.document import Generated
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.mistakes import Mistake
from gradient_conformance.harness.case.tensors import Source, check, read_npy
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.errors import CaseError
from gradient_conformance.harness.ledger.causes import WrongCall
from gradient_conformance.harness.ledger.conditions import Expression, UnansweredError
from gradient_conformance.harness.ledger.conditions import read as read_expression
from gradient_conformance.harness.ledger.entries import Ledger, LedgerError
from gradient_conformance.harness.ledger.reading import load as deviations_load
from gradient_conformance.harness.ledger.reading import load_given
from gradient_conformance.harness.run import arrays
from gradient_conformance.harness.run import lines as record
from gradient_conformance.harness.run.lines import CellLine, Compared, Header, NotResumable, RunError
from gradient_conformance.harness.run.provenance import header as record_header
from gradient_conformance.harness.run.reading import check_resumable, contents_that_differ, read_run
from gradient_conformance.harness.run.writing import RunWriter
from gradient_conformance.harness.workers.answer import read_answer
from gradient_conformance.harness.workers.asked import Asked
from gradient_conformance.harness.workers.wire import MAGIC, Nonsense, Sent, frame, read_frame
from gradient_conformance.reference.backprop import backprop
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.ops import OPS, Spec
from gradient_conformance.reference.optimizers import OPTIMIZERS
from gradient_conformance.reference.program import ProgramError
from wrong import WRONG

ROOT = Path(__file__).parents[2]
MAX_LENGTH = 20_000
EVALUATED = 2_000
"""Elements of a variant that is drawn and evaluated too."""

Seeds = Callable[[], list[bytes]]


class TooSlow(Exception):
    """An input that takes longer than its length can explain."""


@dataclass(frozen=True)
class Target:
    """A reader, what it is shown first, how that is changed, and its share of a campaign."""

    read: Callable[[bytes], None]
    seeds: Seeds
    change: mutations.Mutation
    share: float
    seconds: float = 1.0

    def __call__(self, data: bytes) -> None:
        start = time.process_time()
        self.read(data)
        if (taken := time.process_time() - start) > self.seconds:
            raise TooSlow(f"{taken:.2f} s for {len(data)} bytes")

    def mutated(self, data: bytes, random: Random) -> bytes:
        """Mostly a change that keeps the form; else one of bytes."""
        for _ in range(random.choice([1, 1, 1, 2, 3])):
            try:
                data = self.change(data, random) if random.random() < 0.8 else mutations.splice(data, random)
            except Exception:  # noqa: BLE001  (an input that is broken already has no tree to change)
                data = mutations.splice(data, random)
        return data[:MAX_LENGTH]


@cache
def folder() -> Path:
    """A folder in memory where there is one."""
    shared = Path("/dev/shm")
    made = tempfile.mkdtemp(prefix="fuzz-", dir=shared if os.access(shared, os.W_OK) else None)
    return Path(made)


@contextmanager
def file(name: str, data: bytes) -> Iterator[Path]:
    path = folder() / name
    path.write_bytes(data)
    yield path


# Cases

SMALLER = {"MAX_VARIANTS": 300, "MAX_EXPANDED": 100_000, "MAX_EXACT_WORK": 5_000}


@contextmanager
def less_is_allowed() -> Iterator[None]:
    """Limits that a small file can reach: then both of their sides are seen, and no input takes long."""
    usual = {name: getattr(limits, name) for name in SMALLER}
    try:
        for name, most in SMALLER.items():
            setattr(limits, name, most)
        yield
    finally:
        for name, most in usual.items():
            setattr(limits, name, most)


def case(data: bytes) -> None:
    with file("x.toml", data) as path, less_is_allowed():
        try:
            loaded = load(path, path.parent)
            for variant in loaded.variants[:2]:
                evaluate(variant)
        except CaseError as error:
            assert all(line.isprintable() for line in error.lines)  # noqa: PT017  (every target says what its errors promise)
            assert len(str(error)) < 10_000  # noqa: PT017


def evaluate(variant: Variant) -> None:
    """What was accepted can be drawn and evaluated, at the first step."""
    if sum(math.prod(spec.shape) for spec in variant.specs.values()) > EVALUATED:
        return
    if sum(source.size for source in variant.sources.values()) > EVALUATED:
        return
    inputs, cotangents = variant.draw(variant.narrowest), variant.cotangents(variant.narrowest)
    first = {n: a if variant.sources[n].steps is None else a[0] for n, a in inputs.items()}
    with np.errstate(all="ignore"):
        values, gradients = backprop(variant.program, first, variant.gradients, cotangents)
    assert all(np.shape(values[name]) == spec.shape for name, spec in variant.specs.items())
    assert all(np.shape(gradients[name]) == variant.specs[name].shape for name in variant.gradients)


def change_case(data: bytes, random: Random) -> bytes:
    tree = tomllib.loads(data.decode())
    if random.random() < 0.4 and isinstance(tree.get("program"), str):
        tree["program"] = mutations.change_program(tree["program"], random)
    else:
        mutations.change_tree(tree, random)
    return mutations.toml(tree).encode(errors="replace")


def case_seeds() -> list[bytes]:
    shipped = [path.read_bytes() for path in sorted((ROOT / "cases").rglob("*.toml"))]
    wrong = [text.encode() for text in WRONG.values()]
    return [data for data in (*shipped, *wrong) if len(data) < MAX_LENGTH]


# Programs

INPUTS = {
    "x": Spec((3, 2)),
    "W": Spec((2, 3)),
    "b": Spec((3,)),
    "y": Spec((2,)),
    "n": Spec((3,), "int64"),
    "m": Spec((3, 2), "bool"),
}
BINDINGS = {"k": 3, "activation": "tanh", "half": 0.5, "size": (2, 3), "on": True}


def program(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    for bindings, tensors in ((None, None), (BINDINGS, INPUTS)):
        try:
            parsed = parse(text, bindings, tensors)
            for node in parsed.nodes:
                parsed.source(node)
            parsed.rounded("float32").specs(
                INPUTS | {name: Spec((2, 2)) for name in parsed.inputs if name not in INPUTS}
            )
        except ProgramError as error:
            assert error.line >= 1  # noqa: PT017


def program_seeds() -> list[bytes]:
    texts = [tomllib.loads(path.read_text())["program"] for path in sorted((ROOT / "cases").rglob("*.toml"))]
    return [text.encode() for text in texts]


def change_text(data: bytes, random: Random) -> bytes:
    return mutations.change_program(data.decode(errors="replace"), random).encode(errors="replace")


# Run files


def run_file(data: bytes) -> None:
    with file("run.jsonl", data) as path:
        try:
            run = read_run(path)
            assert run.footer.cells == len(run.cells) > 0
        except RunError:
            pass


def run_seeds() -> list[bytes]:
    """A small run by the writer itself, with every kind of line."""
    path = folder() / "seed.jsonl"
    header = record_header(harness="0", roots=["cases"], command=["pytest"], frameworks=["torch", "jax"])
    tensor = Compared(
        role="value", name="y", error=1e-9, tolerance=1e-8, used=0.1, ratio=0.8, ulp=1.0, relative=1e-9,
        where=[0, 1], got="1.0", want="1.0", verdict=record.Verdict.AGREE,
    )  # fmt: skip
    with RunWriter(path, header) as writer:
        writer.about("torch", {"version": "2.13.0", "threads": 1})
        for i, (verdict, tensors) in enumerate(
            {record.Verdict.AGREE: [tensor], record.Verdict.ERRORED: []}.items()
        ):
            writer.cell(
                CellLine(
                    cell=f"a/b::k:{i}-float32-torch-eager", case="a/b", variant=f"k:{i}", dtype="float32", framework="torch", mode="eager",
                    verdict=verdict, used=0.1, relative=None, tensors=tensors, seconds=0.01, message="m\n", content="0",
                )
            )  # fmt: skip
        writer.footer(2)
    return [path.read_bytes()]


def change_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines()
    at = random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            lines.insert(at, random.choice(lines))
        case 1:
            del lines[at]
        case 2:
            random.shuffle(lines)
        case _:
            tree = json.loads(lines[at])
            mutations.change_tree(tree, random)
            lines[at] = dumped(tree)
    return b"\n".join(lines) + b"\n" * random.choice([0, 1, 1, 1, 2])


def dumped(tree: object) -> bytes:
    return json.dumps(tree).encode()


# Ledgers

CELLS = (
    "notebooks/two_branches::k:3-float32-torch-eager",
    "a/b-float64-mxnet-imperative",
    "a/" + "b" * 300 + "-float64-mxnet-imperative",
)


def wrong_call(op: str, phase: str) -> WrongCall:
    """A call that is wrong somewhere, not finite elsewhere; every attribute and second input is a number."""
    x = np.array([[0.0, -1.5], [math.inf, 2.0]])
    own = [p.name for p in OPS[op].parameters] if op in OPS else list(OPTIMIZERS[op].options)
    towards = own[0] if phase == "vjp" else ""
    return WrongCall(
        op=op, phase=phase, towards=towards, dtype="float32", mode="eager", names={**dict.fromkeys(own, 1), own[0]: x},
        g=x if towards else None, got=x, want=x + 1, tolerance=np.ones(x.shape), wrong=x < 1, relative=1.0,
    )  # fmt: skip


def ledger(data: bytes) -> None:
    with file("deviations.toml", data) as path:
        try:
            entries = [
                *deviations_load(path, "mxnet").entries,
                *load_given([path], ["mxnet", "torch"]),
            ]
        except LedgerError:
            return
        for entry in entries[:20]:
            entry.holds_for("1.9.1")
            assert entry.block.corrected(dict.fromkeys(entry.block.spans.keys() & {"used"}, "[1, 2]"))
            for cell in CELLS:
                entry.concerns(cell, "float32")
        known = Ledger("mxnet", tuple(entries))
        known.unmatched(CELLS)
        for cause in known.causes[:20]:
            for op, phase in itertools.product(cause.ops[:3], cause.phases):
                known.cause_of(wrong_call(op, phase), "1.9.1")
                known.speaks_of(wrong_call(op, phase), "1.9.1")


BY_CELL = """[[deviation]]
cell = "notebooks/two_branches::k:*-mxnet-eager"
dtype = "float32"
mode = "eager"
version = ">=1.9,<2"
used = [1.5, 3.0]
phase = ["value", "gradient"]
reason = "sigmoid's gradient is taken from a rounded output"
evidence = "measured"
since = 2026-01-31
"""


def ledger_seeds() -> list[bytes]:
    texts = [BY_CELL, *(path.read_text() for path in sorted((ROOT / "adapters").glob("*/deviations.toml")))]
    entries = [f"[[deviation]]{entry}" for text in texts for entry in text.split("[[deviation]]")[1:]]
    given = [entry.replace("\n", '\nframework = "mxnet"\n', 1) for entry in entries[:5]]
    return [text.encode() for text in [*entries, *given, "".join(entries[:4])]]


def change_ledger(data: bytes, random: Random) -> bytes:
    tree = tomllib.loads(data.decode())
    mutations.change_tree(tree, random)
    if not isinstance(tree.get("deviation"), list) or not all(
        isinstance(entry, dict) for entry in tree["deviation"]
    ):
        return mutations.toml(tree).encode(errors="replace")
    return "".join(f"[[deviation]]\n{mutations.toml(entry)}" for entry in tree["deviation"]).encode(
        errors="replace"
    )


# Expressions of ledgers

GIVEN = (
    wrong_call("where", "vjp").names
    | wrong_call("matmul", "vjp").names
    | {"axis": -1, "reduction": "mean", "g": np.ones(3)}
)
"""What expressions may name here: inputs and attributes of several ops, of shapes that need not fit."""


def expression(data: bytes) -> None:
    try:
        found = read_expression(data.decode(errors="replace"), GIVEN)
    except ProgramError:
        return
    for ask in (found.value, found.truth, found.holds):
        with suppress(UnansweredError):
            ask(GIVEN)


def expression_seeds() -> list[bytes]:
    """Those of the shipped ledgers."""
    texts = []
    for path in sorted((ROOT / "adapters").glob("*/deviations.toml")):
        for cause in deviations_load(path, path.parent.name).causes:
            for part in vars(cause).values():
                parts = part.values() if isinstance(part, Mapping) else [part]
                texts += [own.text for own in parts if isinstance(own, Expression)]
    assert len(texts) > 5
    return [text.encode() for text in dict.fromkeys(texts)]


# What headers name by content


def contents(data: bytes) -> None:
    """Two headers: one run goes on as the other, or is told what differs."""
    try:
        old, new = (msgspec.json.decode(line, type=Header) for line in data.splitlines()[:2])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return
    differing = contents_that_differ(old.contents, new.contents)
    assert bool(differing) == (old.contents != new.contents)
    try:
        check_resumable(Path("run.jsonl"), old, new)
        told = ""
    except NotResumable as error:
        told = str(error)
    assert all(name in told for name, _, _ in differing)
    assert bool(told) >= bool(differing)


def contents_seeds() -> list[bytes]:
    header = record_header(
        harness="0", roots=["cases"], command=["pytest"], frameworks=["torch"],
        contents={"adapter torch": "9f86d081884c", "ledger torch": "none", "--judge": "whole"},
    )  # fmt: skip
    return [msgspec.json.encode(header) + b"\n" + msgspec.json.encode(header) + b"\n"]


ODD = ("", "none", "adapter torch", "x" * 3_000, "größe", "\x00", "a, and this is b", "{}")


def change_contents(data: bytes, random: Random) -> bytes:
    """Names and contents of one of the headers, and only seldom anything else."""
    if random.random() < 0.2:
        return change_lines(data, random)
    lines = data.splitlines()
    at = random.randrange(len(lines))
    tree = json.loads(lines[at])
    named: dict[str, object] = tree["contents"]
    for _ in range(random.randrange(1, 4)):
        name = random.choice([*named, *ODD])
        if random.random() < 0.3:
            named.pop(name, None)
        else:
            named[name] = random.choice([*ODD, *named.values(), 3, None])
    lines[at] = dumped(tree)
    return b"\n".join(lines) + b"\n"


# Messages of workers

IDENTITY = 140_000_000_000_001
ASKED = Asked({("value", "y"): (2, 3), ("gradient", "W.1"): (0, 2), ("value", "b"): ()})


def message(data: bytes) -> None:
    stream = io.BytesIO(data)

    def read(size: int) -> bytes:
        """As a worker's pipe is read: the memory is there before the bytes are."""
        found = stream.read(size)
        if len(found) < size:
            raise EOFError
        return found

    try:
        while True:
            received = read_frame(read, ASKED)
            received.arrays()
            answer = read_answer(received, IDENTITY)
            answer.message.encode()
            assert len(answer.message) < 1_000_000
    except (Nonsense, EOFError) as error:
        str(error).encode()
        assert len(str(error)) < 1_000_000  # noqa: PT017


def message_seeds() -> list[bytes]:
    sent = [
        Sent("value", "y", np.arange(6.0).reshape(2, 3)),
        Sent("gradient", "W.1", np.zeros((0, 2), np.float32)),
        Sent("value", "b", np.array(True)),
    ]
    headers = [
        {"type": "done", "id": IDENTITY, "seconds": 0.1},
        {"type": "unsupported", "id": IDENTITY, "op": "softmax", "reason": "no axis"},
        {"type": "raised", "id": IDENTITY, "error": "Traceback\n  line"},
        {
            "type": "done",
            "id": IDENTITY,
            "seconds": 0.1,
            "compiling": 0.0,
            "changed": ["x", "W"],
            "unknown": [["value", "dX"]],
        },
        {"type": "ready", "protocol": 1, "about": {"version": "1.0", "modes": ["eager"]}},
    ]
    return [
        b"".join(map(bytes, frame(header, sent if header["type"] == "done" else []))) for header in headers
    ]


def change_message(data: bytes, random: Random) -> bytes:
    """The header's tree changed, or the data; the lengths mostly right."""
    _, length, size = struct.unpack_from("<4sIQ", data)
    header, payload = data[16 : 16 + length], data[16 + length :]
    if random.random() < 0.8:
        lines = header.split(b"\n")
        place = random.randrange(len(lines))
        tree = json.loads(lines[place])
        mutations.change_tree(tree, random)
        header = b"\n".join([*lines[:place], dumped(tree), *lines[place + 1 :]])
    else:
        payload = mutations.splice(payload, random)
    claimed = [len(header), len(payload)]
    if random.random() < 0.1:
        claimed[random.randrange(2)] = random.choice([0, 1, 2**20, 2**31, 2**32 - 1, max(0, claimed[0] - 1)])
    if random.random() < 0.02:
        claimed[1] = random.choice([2**33, 2**63, 2**64 - 1])
    return struct.pack("<4sIQ", MAGIC, *claimed) + header + payload


# Arrays in files


def npy_bytes(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def npy(data: bytes) -> None:
    with file("x.npy", data) as path:
        for shape, dtype in (((2, 3), "float"), ((), "float"), ((3,), "int64"), ((0, 2), "bool")):
            source = Source(
                "x", Generated(file="x.npy"), shape, dtype, 0, folder=path.parent, root=path.parent
            )
            try:
                check(source)
                array = read_npy(source)
                assert array.shape == shape
                with np.errstate(over="ignore", invalid="ignore"):  # infinite, as where a variant draws
                    source.draw("float32")
            except Mistake:
                pass


def npy_seeds() -> list[bytes]:
    shaped = np.arange(6.0).reshape(2, 3)
    given = [
        shaped,
        np.asfortranarray(shaped),
        np.array(1.5),
        np.arange(3),
        np.zeros((0, 2), bool),
        shaped.astype(">f4"),
        np.zeros((2, 3), np.float16),
    ]
    odd = [
        np.zeros((2, 3), complex),
        np.array([1, "a", None], object),
        np.zeros(3, "U3"),
        np.zeros(2, [("a", "f8"), ("b", "i4")]),
    ]
    return [npy_bytes(array) for array in [*given, *odd]]


def change_npy(data: bytes, random: Random) -> bytes:
    """The header's text changed, and its length told rightly in most cases; or the data."""
    size = struct.unpack_from("<H", data, 8)[0]
    text, rest = data[10 : 10 + size].decode("latin-1"), data[10 + size :]
    if random.random() < 0.2:
        rest = mutations.splice(rest, random)
    elif random.random() < 0.5:
        descr, shape = (
            random.choice(["<f8", "|O", "|V8", "<U9", ">f4", "|b1", "<i8", "<M8[s]", "f", "", "f3"]),
            mutations.odd(random),
        )
        text = str(
            {
                "descr": descr,
                "fortran_order": random.random() < 0.5,
                "shape": tuple(shape) if isinstance(shape, list) else shape,
            }
        )
    else:
        text = mutations.change_program(text, random)
    told = len(text) if random.random() < 0.9 else random.choice([0, 1, 65535])
    version = random.choice([b"\x01\0"] * 8 + [b"\x02\0", b"\x03\0", b"\x09\0"])
    return (
        b"\x93NUMPY"
        + version
        + struct.pack("<H", min(told, 65535))
        + text.encode("latin-1", "replace")
        + rest
    )


def kept(data: bytes) -> None:
    with file("x.npz", data) as path:
        try:
            found = arrays.load(path, None)
            assert all(array.dtype.kind in "bif" for array in found.values())
        except arrays.ArraysUnreadable:
            pass


def kept_seeds() -> list[bytes]:
    answered = {
        ("value", "y", None): np.arange(6.0).reshape(2, 3),
        ("gradient", "W", 0): np.zeros((0, 2), np.float32),
    }
    written = arrays.keep(folder(), "cell", answered)[0].read_bytes()
    return [written, zipped([("/value/y.npy", npy_bytes(np.zeros(500)))], zipfile.ZIP_DEFLATED)]


def zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def change_kept(data: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = random.randrange(len(members))
    name, content = members[at]
    match random.randrange(4):
        case 0:
            members[at] = (
                random.choice(
                    ["", "x", "/value/y.npy", "a/b/c", f"{name}x", "-1/value/y.npy", "0/a/b/c.npy"]
                ),
                content,
            )
        case 1:
            members.append((random.choice(["1/value/y.npy", "y.npy", "x.txt"]), content))
        case _:
            members[at] = name, change_npy(content, random)
    return zipped(
        members, random.choice([zipfile.ZIP_STORED] * 6 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    )


TARGETS = {
    "case": Target(case, case_seeds, change_case, 0.05, 2.0),
    "program": Target(program, program_seeds, change_text, 0.22),
    "run": Target(run_file, run_seeds, change_lines, 0.2),
    "contents": Target(contents, contents_seeds, change_contents, 0.1),
    "ledger": Target(ledger, ledger_seeds, change_ledger, 0.06),
    "expression": Target(expression, expression_seeds, change_text, 0.1),
    "message": Target(message, message_seeds, change_message, 0.11),
    "npy": Target(npy, npy_seeds, change_npy, 0.06),
    "kept": Target(kept, kept_seeds, change_kept, 0.1),
}
