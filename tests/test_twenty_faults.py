"""Twenty faults that were found in harnesses of others, by number: ours has none of them."""

import ast
import math
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.judging.judge import INCONCLUSIVE, compare, describe, judge, verdict_of
from gradient_conformance.harness.ledger.entries import LedgerError
from gradient_conformance.harness.ledger.reading import load as load_ledger
from gradient_conformance.harness.references.row import References
from gradient_conformance.harness.references.variant import Wanted
from gradient_conformance.harness.report.summary import table
from gradient_conformance.harness.run.lines import (
    LARGEST,
    AboutChanged,
    CellLine,
    DuplicateCell,
    EmptyRun,
    RunError,
)
from gradient_conformance.harness.run.provenance import header
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.run.writing import RunWriter
from gradient_conformance.harness.verdict import Verdict, worst
from gradient_conformance.reference.formats import FORMATS
from gradient_conformance.reference.rounding import Expected, K

ROOT = Path(__file__).parents[1]
TESTS = [ast.parse(path.read_text(), str(path)) for path in sorted((ROOT / "tests").rglob("test_*.py"))]
CASE = """
title = "A product"
source = "A test of the harness"
program = "Y = A @ B"
gradients = ["A", "B"]

[tensors]
A = { shape = ["k", 3], uniform = [-1, 1] }
B = { shape = [3, "k"], uniform = [-1, 1] }

[sweep]
k = [1, 2, 4]
"""
FAKES = ("faultless", "negates", "raises", "segfaults", "unimportable")


@pytest.fixture
def product(tmp_path):
    """The variant with k = 4 of a case whose output is a square matrix."""
    (tmp_path / "product.toml").write_text(CASE)
    return Wanted(load(tmp_path / "product.toml", tmp_path).variants[-1])


def answer(wanted):
    """What a perfect framework gives."""
    return {(role, name, None): e.value.astype("float32") for (role, name), e in wanted.single().items()}


def expected(value, tolerance=1e-3):
    value = np.asarray(value, dtype=np.float64)
    return Expected(value, np.full(value.shape, tolerance / K))


def compared(got, want, scale=1.0):
    return compared_as(np.asarray(got, np.float32), want, "float32", scale)


def compared_as(got, want, dtype, scale=1.0):
    key = ("value", "y")
    [tensor] = compare(References.of({key: want}), {key: got}, dtype, [scale])
    return tensor


def cell(name="a::float32-torch-eager", verdict=Verdict.AGREE, **changes):
    fields = {"case": "a", "variant": "", "dtype": "float32", "framework": "torch", "mode": "eager"}
    numbers = {"used": None, "relative": None, "tensors": [], "seconds": 0.0}
    return CellLine(cell=name, verdict=verdict, **{**fields, **numbers, **changes})


def started(path):
    return RunWriter(path, header(harness="0", roots=[], command=[], frameworks=["torch"]))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """A run of fakes, one of them faultless, in real worker processes: the exit code and the cells by id."""
    folder = tmp_path_factory.mktemp("matrix")
    shutil.copytree(ROOT / "tests" / "fakes", folder / "fakes")
    (folder / "pytest.ini").write_text("[pytest]\nharness_cases = mine\nharness_adapters = fakes/adapters\n")
    (folder / "mine").mkdir()
    (folder / "mine" / "a.toml").write_text(CASE.replace("[1, 2, 4]", "[2]").replace("3", "1"))
    (folder / "mine" / "b.toml").write_text(CASE.replace("[1, 2, 4]", "[1, 4]").replace("3", "1"))
    chosen = [f"--framework={name}" for name in (*FAKES, "jax")]
    chosen += [f"--interpreter={name}={sys.executable}" for name in FAKES]
    command = [sys.executable, "-m", "pytest", "mine", *chosen, "--interpreter=jax=/nowhere/python"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, {c.cell: c for c in read_run(folder / "reports" / "run.jsonl").cells}


def of(cells, framework):
    """The verdicts of a framework's cells by case; a fault strikes in case a, and case b comes behind it."""
    own = [c for c in cells.values() if c.framework == framework]
    return {name: worst(c.verdict for c in own if c.case == name) for name in ("a", "b")}


def test_fault_01_an_opt_out_is_not_counted_as_a_pass(tmp_path):
    opted_out = cell(verdict=Verdict.UNSUPPORTED)
    with started(tmp_path / "run.jsonl") as run:
        run.cell(opted_out)
        footer = run.footer(1)
    assert (footer.totals[Verdict.AGREE], footer.totals[Verdict.UNSUPPORTED]) == (0, 1)
    assert Verdict.UNSUPPORTED.outcome() == "skipped"
    assert "1 cells: 1 unsupported" in table([opted_out], width=100, colour=False)
    assert worst([Verdict.AGREE, Verdict.UNSUPPORTED]) is Verdict.UNSUPPORTED


def test_fault_02_an_empty_run_or_a_failed_import_is_no_result(tmp_path, matrix):
    with started(tmp_path / "run.jsonl") as run, pytest.raises(EmptyRun):
        run.footer(0)
    with pytest.raises(RunError):
        read_run(tmp_path / "run.jsonl")
    code, cells = matrix
    assert code == 1
    assert set(of(cells, "unimportable").values()) == {Verdict.CRASHED}


def test_fault_03_no_stale_result_stands_beside_fresh_ones(tmp_path):
    path = tmp_path / "run.jsonl"
    for name in ("old::float32-torch-eager", "new::float32-torch-eager"):
        with started(path) as run:
            run.cell(cell(name))
            run.footer(1)
    assert [c.cell for c in read_run(path).cells] == ["new::float32-torch-eager"]
    with started(path) as run:
        run.cell(cell())
        with pytest.raises(DuplicateCell):
            run.cell(cell())
        run.about("torch", {"version": "2.12"})
        with pytest.raises(AboutChanged):
            run.about("torch", {"version": "2.13"})


@pytest.mark.parametrize("width", [0.0, INCONCLUSIVE, math.nextafter(INCONCLUSIVE, 1), 1.0, math.inf])
def test_fault_04_there_is_no_hole_between_the_verdicts(width):
    usual = Verdict.AGREE if width <= INCONCLUSIVE else Verdict.INCONCLUSIVE
    for used in (0.0, 0.595, math.nextafter(1, 0), 1.0):
        assert verdict_of(used, width) is usual
    for used in (math.nextafter(1, 2), 2.0, LARGEST, math.inf, math.nan):
        assert verdict_of(used, width) is Verdict.DISAGREE
    assert verdict_of(0.0, math.nan) is Verdict.INCONCLUSIVE
    assert {v.outcome() for v in Verdict} == {"passed", "xfailed", "skipped", "failed"}
    assert all(a.severity + 1 == b.severity for a, b in pairwise(Verdict))


@pytest.mark.parametrize("want", [5.0, -5.0])
@pytest.mark.parametrize("got", [1e9, -1e9, 0.0, np.nan, np.inf, -np.inf])
def test_fault_05_the_sign_of_the_reference_lets_nothing_pass(want, got):
    tensor = compared([got], expected([want]))
    assert tensor.verdict is Verdict.DISAGREE
    assert tensor.used > 1


def test_fault_06_fewer_or_more_outputs_than_expected_disagree(product):
    full = answer(product)
    assert judge(product, "float32", full).verdict is Verdict.AGREE
    for missing in full:
        judgement = judge(product, "float32", {k: a for k, a in full.items() if k != missing})
        assert judgement.verdict is Verdict.DISAGREE
        assert "did not come back" in judgement.message
        assert len(judgement.tensors) == len(full)
    assert judge(product, "float32", {}).verdict is Verdict.DISAGREE
    extra = judge(product, "float32", {**full, ("gradient", "C", None): np.zeros(1, np.float32)})
    assert "was not asked for" in extra.message


def test_fault_07_nan_is_not_masked_before_comparing():
    got = np.zeros(1000)
    got[617] = np.nan
    tensor = compared(got, expected(np.zeros(1000)))
    assert (tensor.verdict, tensor.where, tensor.got, tensor.used) == (
        Verdict.DISAGREE,
        [617],
        "nan",
        LARGEST,
    )
    assert compared([np.nan], expected([np.nan])).verdict is Verdict.DISAGREE


def asserts(body):
    return [node for statement in body for node in ast.walk(statement) if isinstance(node, ast.Assert)]


def test_fault_08_no_test_of_a_failure_swallows_its_own_assertion():
    """No `assert` stands inside what must raise, or is caught; and no expected failure may pass."""
    caught = {"Exception", "BaseException", "AssertionError"}
    for node in (node for tree in TESTS for node in ast.walk(tree)):
        if isinstance(node, ast.With) and "raises" in ast.unparse(node.items[-1].context_expr):
            assert not asserts(node.body), ast.unparse(node)
        if isinstance(node, ast.Try) and any(
            not h.type or ast.unparse(h.type) in caught for h in node.handlers
        ):
            assert not asserts(node.body), ast.unparse(node)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"][
        "xfail_strict"
    ]


def test_fault_09_every_comparison_is_looked_at(matrix):
    """No test states a comparison without asserting it, and a cell that disagrees fails the run."""
    questions = {"allclose", "array_equal", "isclose", "within", "all", "any", "equal"}
    for node in (node.value for tree in TESTS for node in ast.walk(tree) if isinstance(node, ast.Expr)):
        assert not isinstance(node, ast.Compare | ast.BoolOp), ast.unparse(node)
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func).rpartition(".")[2] not in questions, ast.unparse(node)
    code, cells = matrix
    assert code == 1
    assert set(of(cells, "negates").values()) == {Verdict.DISAGREE}
    assert Verdict.DISAGREE.outcome() == "failed"


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_fault_10_a_tolerance_grows_neither_from_element_to_element_nor_with_the_output(size):
    want = expected(np.ones(size), 1e-3)
    for at in {0, size // 2, size - 1}:
        for factor, verdict in ((0.99, Verdict.AGREE), (1.01, Verdict.DISAGREE)):
            got = np.ones(size)
            got[at] += factor * 1e-3
            tensor = compared(got, want)
            assert (tensor.verdict, tensor.where) == (verdict, [at])
            assert tensor.tolerance == pytest.approx(1e-3)


def test_fault_11_a_crash_costs_the_cell_that_crashed_and_no_other(matrix):
    _, cells = matrix
    assert of(cells, "segfaults") == {"a": Verdict.CRASHED, "b": Verdict.AGREE}
    assert set(of(cells, "faultless").values()) == {Verdict.AGREE}


def test_fault_12_a_truncated_report_is_never_read_as_complete(tmp_path):
    path = tmp_path / "run.jsonl"
    with started(path) as run:
        for number in range(3):
            run.cell(cell(str(number)))
        run.footer(3)
    whole = path.read_bytes()
    for size in range(len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(RunError):
            read_run(path)


def test_fault_13_the_two_zeros_are_no_distance_apart():
    for got, want in ((-0.0, 0.0), (0.0, -0.0)):
        tensor = compared([got], expected([want]))
        assert (tensor.verdict, tensor.ulp, tensor.error, tensor.used) == (Verdict.AGREE, 0, 0, 0)


def test_fault_14_a_line_of_the_ledger_is_neither_ignored_nor_outlives_its_reason(tmp_path):
    path = tmp_path / "deviations.toml"
    line = 'cell = "a::*"\nversion = ">=1"\nused = [1, 9]\nreason = "r"\nevidence = "e"\n'
    path.write_text(f"[[deviation]]\n{line}")
    ledger = load_ledger(path, "torch")
    name = "a::float32-torch-eager"
    assert ledger.judge(name, "float32", "1.0", Verdict.DISAGREE, 5.0)[0] is Verdict.KNOWN_DEVIATION
    for verdict, used in ((Verdict.AGREE, 0.5), (Verdict.DISAGREE, 10.0), (Verdict.DISAGREE, None)):
        assert ledger.judge(name, "float32", "1.0", verdict, used)[0] is Verdict.STALE
    assert "no longer occurs" in ledger.judge(name, "float32", "1.0", Verdict.AGREE, 0.5)[1]
    assert ledger.judge(name, "float32", "0.9", Verdict.DISAGREE, 5.0)[0] is Verdict.DISAGREE
    [message] = ledger.unmatched(["b::float32-torch-eager"])
    assert "matches no cell" in message
    path.write_text(f"[[deviation]]\n{line}until = 2030\n")
    with pytest.raises(LedgerError, match="unknown key 'until'"):
        load_ledger(path, "torch")


def test_fault_15_the_documented_rule_is_the_coded_one():
    """The README's table of verdicts is that of the code, word by word, and nothing is missing from it."""
    readme = (ROOT / "README.md").read_text()
    rows = re.findall(
        r"^\| ([a-z ]+) \| [^|]+ \| ([^|]+) \|$", readme.partition("| verdict |")[2], re.MULTILINE
    )
    documented = dict(rows)
    assert documented.pop("absent") == "skipped; failed under `--require`"
    assert Verdict.ABSENT.outcome() == "skipped"
    assert Verdict.ABSENT.outcome(required=True) == "failed"
    assert documented == {str(v): v.outcome() for v in Verdict if v is not Verdict.ABSENT}


def test_fault_16_a_scalar_does_not_pass_for_an_array():
    want = expected(np.ones((2, 3)))
    for shape in ((), (1,), (1, 1), (3,), (1, 3), (2, 1), (6,), (3, 2)):
        tensor = compared(np.ones(shape), want)
        assert tensor.verdict is Verdict.DISAGREE
        assert tensor.problem == f"has shape {shape}, should be (2, 3)"
    wide = compared_as(np.ones((2, 3)), want, "float32")
    assert wide.problem == "has dtype float64, should be float32"


def test_fault_17_a_failed_set_up_is_not_filed_as_a_disagreement(matrix):
    _, cells = matrix
    assert set(of(cells, "unimportable").values()) == {Verdict.CRASHED}
    assert set(of(cells, "jax").values()) == {Verdict.ABSENT}
    assert of(cells, "raises") == {"a": Verdict.ERRORED, "b": Verdict.AGREE}


def test_fault_18_no_test_is_defined_twice():
    for tree in TESTS:
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    off = [*lint["ignore"], *(code for codes in lint["per-file-ignores"].values() for code in codes)]
    assert lint["select"] == ["ALL"]
    assert not [code for code in off if "F811".startswith(code)]


@pytest.mark.parametrize("tolerance", [1e-3, 3.7e-5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fault_19_every_number_of_a_message_is_the_one_that_was_used(tolerance, dtype):
    sigma = np.full(1, tolerance / K / FORMATS[dtype].scale)
    tensor = compared_as(np.array([1.25], dtype), Expected(np.ones(1), sigma), dtype)
    said = re.fullmatch(
        r"value y\[0\] = (\S+), should be (\S+) ± (\S+) +\((\S+) × tolerance\)",
        describe([tensor], Verdict.DISAGREE),
    )
    assert [float(number) for number in said.groups()] == pytest.approx(
        [1.25, 1, tolerance, 0.25 / tolerance], rel=5e-2
    )


def test_fault_20_the_cotangent_does_not_hide_a_transposition(product):
    """With ones, a gradient made from the transposed cotangent is the right one; with ours it is caught."""
    upstream = product.cotangent
    assert len(np.unique(upstream)) == upstream.size == 16
    full, B = answer(product), product.inputs["B"]
    np.testing.assert_allclose(full["gradient", "A", None], upstream @ B.T, rtol=1e-6)
    transposed = {**full, ("gradient", "A", None): (upstream.T @ B.T).astype("float32")}
    assert judge(product, "float32", transposed).verdict is Verdict.DISAGREE
    ones = np.ones_like(upstream)
    np.testing.assert_array_equal(ones.T @ B.T, ones @ B.T)


def test_there_are_twenty():
    numbers = re.findall(r"^def test_fault_(\d\d)_", Path(__file__).read_text(), re.MULTILINE)
    assert numbers == [f"{n:02}" for n in range(1, 21)]
