"""Small runs to report on: one with all ten verdicts and hostile texts, and one of any size."""

import itertools
from dataclasses import replace
from pathlib import Path

import msgspec
from gradient_conformance.harness.run.lines import (
    LARGEST,
    CallLine,
    CellLine,
    Compared,
    Footer,
    Header,
    Machine,
    Run,
)
from gradient_conformance.harness.run.writing import RunWriter
from gradient_conformance.harness.verdict import Verdict

HOSTILE = "<script>alert(1)</script>"
"""Must be text wherever it comes to stand."""

CASE = f'''
title  = "{HOSTILE}"
source = "A hostile source: </script><img src=x onerror=alert(2)>"

program = """
y = A @ x
loss = sum(y * y)
"""
gradients = ["A"]

[tensors]
x = {{ shape = [3], uniform = [-1, 1] }}
A = {{ shape = [3, 3], uniform = [-1, 1] }}
'''

LEDGER = """
[[deviation]]
cell     = "ops/twist::*"
version  = "==1.9.*"
used     = [2, 50]
reason   = "twist turns the wrong way"
evidence = "https://example.org/issues/7 (open); tests/test_twist.py"
case     = "ops/twist"
since    = 2026-01-01
"""


def tensor(name: str = "A", used: float = 0.1, **changes: object) -> Compared:
    fields = {
        "role": "gradient",
        "name": name,
        "error": used * 1e-7,
        "tolerance": 1e-7,
        "used": used,
        "ratio": min(8 * used, LARGEST),
        "ulp": used * 10 if used < LARGEST else LARGEST,
        "relative": used * 1e-6 if used < LARGEST else LARGEST,
        "where": [2, 1],
        "got": "0.14811",
        "want": "0.14814264",
        "verdict": Verdict.DISAGREE if used > 1 else Verdict.AGREE,
        **changes,
    }
    return Compared(**fields)


def call(op: str = "where", phase: str = "vjp", towards: str = "x", **changes: object) -> CallLine:
    """A wrong call, by default one that no entry excuses."""
    backward = f"backward of {op} towards {towards}" if phase == "vjp" else op
    fields = {
        "line": 7,
        "op": op,
        "phase": phase,
        "towards": towards if phase == "vjp" else "",
        "place": f"{backward}, line 7: y = {op}(x)",
        "name": f"gradient of {towards}" if phase == "vjp" else "value y",
        "used": 3e7,
        "relative": 0.5,
        "where": [0, 1],
        "got": "0.25",
        "want": "0.5",
        "wrong": 3,
        "elements": 50,
        **changes,
    }
    return CallLine(**fields)


def cell(
    case: str, variant: str, framework: str, verdict: Verdict, used: float | None = None, **more: object
) -> CellLine:
    """A cell with one tensor where it has a `used`."""
    dtype, mode = str(more.pop("dtype", "float32")), str(more.pop("mode", "eager"))
    name = f"{variant}-{dtype}-{framework}-{mode}" if variant else f"{dtype}-{framework}-{mode}"
    fields = {
        "cell": f"{case}::{name}",
        "case": case,
        "variant": variant,
        "dtype": dtype,
        "framework": framework,
        "mode": mode,
        "verdict": verdict,
        "used": used,
        "relative": None if used is None else tensor(used=used).relative,
        "tensors": [] if used is None else [tensor(used=used)],
        "seconds": 0.25,
        **more,
    }
    return CellLine(**fields)


def header(
    root: str = "cases", command: tuple[str, ...] = ("pytest", "cases"), carried: tuple[str, ...] = ()
) -> Header:
    return Header(
        format=2,
        harness="0.1.0",
        rules="1",
        K=8.0,
        started="2026-01-02T03:04:05+00:00",
        machine=Machine(cpu="A <processor> & more", cores=2, os="Linux"),
        python="3.11.0",
        commit="0123456789abcdef0123456789abcdef01234567",
        roots=[root],
        command=list(command),
        carried=list(carried),
        frameworks=["gone", "jax", "mxnet", "torch"],
    )


ABOUTS = {
    "jax": {"framework": "jax", "version": "0.10.2", "xla_flags": HOSTILE},
    "mxnet": {"framework": "mxnet", "version": "1.9.1"},
    "torch": {"framework": "torch", "version": "2.13.0", "threads": 1},
}


def cells() -> list[CellLine]:
    """Cells with each of the ten verdicts."""
    hostile, dense, twist = "notebooks/hostile", "notebooks/dense", "ops/twist"
    wrong = f"gradient of A[2, 1] = 0.14811, should be 0.14814264 ± 1e-07   (300 × tolerance) {HOSTILE}"
    known = "gradient of A[2, 1] = 0.2\nadapters/mxnet/deviations.toml:2: twist turns the wrong way"
    stale = "adapters/mxnet/deviations.toml:2: this deviation no longer occurs; delete it"
    odd = "RuntimeError: \x1b[31mred\x1b[0m \x00 ```` ]]> & <b>"
    return [
        cell(hostile, "", "jax", Verdict.AGREE, 0.0),
        cell(hostile, "", "mxnet", Verdict.AGREE, 0.25),
        cell(hostile, "", "torch", Verdict.DISAGREE, 300.0, message=wrong, calls=[call("matmul", towards="A", name="gradient of A", where=[2, 1], used=300.0)]),
        cell(hostile, "", "gone", Verdict.ABSENT, message="gone: looked at HARNESS_GONE"),
        cell(hostile, "", "jax", Verdict.AGREE, 0.9996, dtype="float64"),
        cell(hostile, "", "mxnet", Verdict.DISAGREE, LARGEST, dtype="float64", message="value y is nan", first_difference="y = A @ x, line 2"),
        cell(hostile, "", "torch", Verdict.AGREE, LARGEST, dtype="float64", composed=0.125, conventions=["backward of relu, line 2"]),
        cell(dense, "k:3", "jax", Verdict.AGREE, 0.5),
        cell(dense, "k:3", "torch", Verdict.ERRORED, message=odd),
        cell(dense, "k:16", "jax", Verdict.INCONCLUSIVE, 0.125, message="gradient of A: too wide"),
        cell(dense, "k:16", "mxnet", Verdict.NOT_SHOWN, message="nothing to judge: of what the case compares it returned none: gradient of A"),
        cell(dense, "k:16", "torch", Verdict.CRASHED, message="died of signal 11 (SIGSEGV)"),
        cell(twist, "k:3", "mxnet", Verdict.KNOWN_DEVIATION, 12.5, message=known),
        cell(twist, "k:16", "mxnet", Verdict.STALE, 0.5, message=stale),
        cell(twist, "k:3", "torch", Verdict.UNSUPPORTED, message="twist: torch has none | `none`"),
    ]  # fmt: skip


def a_run(own: list[CellLine] | None = None, head: Header | None = None) -> Run:
    """A run of some cells, by default those of all ten verdicts."""
    own = cells() if own is None else own
    totals = {verdict: sum(c.verdict is verdict for c in own) for verdict in Verdict}
    return Run(head or header(), ABOUTS, tuple(own), Footer(totals=totals, cells=len(own), seconds=3.5))


def earlier() -> Run:
    """A run before `a_run()`, so that every list of what changed has something to name."""
    hostile, dense, twist = "notebooks/hostile", "notebooks/dense", "ops/twist"
    own = {
        **{one.cell: one for one in cells()},
        **{
            one.cell: one
            for one in (
                cell(hostile, "", "jax", Verdict.DISAGREE, 3.0),
                cell(hostile, "", "torch", Verdict.AGREE, 0.5),
                cell(hostile, "", "torch", Verdict.AGREE, 0.5, dtype="float64"),
                cell(twist, "k:3", "torch", Verdict.CRASHED, message="died of signal 6"),
                cell(dense, "k:4", "jax", Verdict.AGREE, 0.1),
                cell(dense, f"k:5-text:{HOSTILE}", "jax", Verdict.AGREE, 0.1),
            )
        },
    }
    del own["notebooks/dense::k:16-float32-torch-eager"], own["notebooks/hostile::float64-mxnet-eager"]
    run = a_run(list(own.values()), msgspec.structs.replace(header(), started="2026-01-01T00:00:00+00:00"))
    abouts = {**run.abouts, "torch": {"framework": "torch", "version": HOSTILE}}
    return replace(run, abouts=abouts)


def write(path: Path, run: Run) -> Path:
    """The run as a file."""
    with RunWriter(path, run.header) as writer:
        for framework, about in run.abouts.items():
            writer.about(framework, about)
        for one in run.cells:
            writer.cell(one)
        writer.footer(len(run.cells))
    return path


def large(count: int, tensors: int = 6) -> Run:
    """A run of `count` cells in folders of 20 cases of 10 variants."""
    columns = itertools.product(("float32", "float64"), ("gone", "jax", "mxnet", "torch"))
    proto = [
        cell("c", "v", framework, Verdict.AGREE, 0.1, dtype=dtype, tensors=[tensor(f"W{i}", 0.1) for i in range(tensors)])
        for dtype, framework in columns
    ]  # fmt: skip
    own = []
    for number in range(count):
        row, column = divmod(number, len(proto))
        case, variant = f"folder{row // 200:03}/case{row // 10:05}", f"k:{row % 10}"
        like = proto[column]
        name = f"{case}::{variant}-{like.dtype}-{like.framework}-eager"
        own.append(msgspec.structs.replace(like, cell=name, case=case, variant=variant))
    return a_run(own)
