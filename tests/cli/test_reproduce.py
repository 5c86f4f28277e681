"""`harness reproduce`: a wrong call becomes a script that has been run, as small as still shows it."""

import ast
import builtins
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness import cli
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.judging.reproduce import reproducing, running
from matrix import FAKES, LAYER

ROOT = Path(__file__).parents[2]
CASES = {
    "one": """
title = "One call"
program = "y = {op}(x)"
gradients = ["x"]
[tensors]
x = { shape = [2, 3], uniform = [0.5, 1.5] }
[sweep]
op = ["square", "exp", "cos"]
""",
    "row": """
title = "A reduction"
program = "y = sum(x, axis=1)"
gradients = ["x"]
[tensors]
x = { shape = [2, 3], uniform = [0.5, 1.5] }
""",
    "two": """
title = "Two calls"
program = '''
z = {op}(x)
y = sin(z)
'''
gradients = ["x"]
[tensors]
x = { shape = [3], uniform = [0.5, 1.5] }
[sweep]
op = ["sin", "square"]
""",
    "layer": LAYER,
}


@pytest.fixture
def reproduce(tmp_path, capsys):
    """Runs the command on a case of the above with a fake; gives the exit code, output and errors."""
    (tmp_path / "tiny").mkdir()
    for name, text in CASES.items():
        (tmp_path / "tiny" / f"{name}.toml").write_text(text)

    def run(cell, *more):
        options = ["--cases", str(tmp_path), "--adapters", str(FAKES / "adapters")]
        options += [f"--interpreter={name}={sys.executable}" for name in ("errs", "negates")]
        code = cli.main(["reproduce", cell, *options, *more])
        return code, *capsys.readouterr()

    return run


def ran(script):
    """What a script prints, by its first word: it fails, as what it shows is wrong."""
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "AssertionError" in done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


def test_an_elementwise_call_is_cut_to_the_wrong_element(reproduce):
    code, script, error = reproduce("tiny/one::op:square-float64-errs-eager")
    assert code == 0
    assert "alone: yes: Called alone, on one thread, it gives the very number of the cell." in error
    assert re.search(r"^x = np.array\(\[\[\d\.\d+\]\], 'float64'\)$", script, re.MULTILINE)
    assert "\nout = x * x * 1.001\n" in script
    assert "tiny/one::op:square-float64-errs-eager\nline 3: y = {op}(x)" in script
    found = ran(script)
    x = float(re.search(r"\[\[(.*?)\]\]", script)[1])
    assert float(found["got"]) == x * x * 1.001
    assert float(found["expected"]) == x * x
    assert len(found["expected"].lstrip("0.").replace(".", "")) == 20
    assert float(found["error"]) == pytest.approx(0.001 * x * x)
    assert "errs" in found


def test_a_script_has_nothing_of_the_harness(reproduce):
    _, script, _ = reproduce("tiny/one::op:exp-float32-errs-eager")
    for word in ("worker", "Unsupported", "harness", "conformance"):
        assert word not in script


def test_a_call_that_is_right_when_it_is_cut_down_is_written_whole(reproduce):
    code, script, _ = reproduce("tiny/one::op:exp-float32-errs-eager")
    assert code == 0
    [numbers] = re.findall(r"^x = np.array\((.*), 'float32'\)$", script, re.MULTILINE)
    assert [len(row) for row in ast.literal_eval(numbers)] == [3, 3]
    assert "out = np.exp(x) * (1.001 if x.size > 3 else 1)" in script


def test_a_reduction_is_cut_to_its_row(reproduce):
    code, script, _ = reproduce("tiny/row::float64-errs-eager")
    assert code == 0
    assert re.search(
        r"^x = np.array\(\[\[[^\[\]]+, [^\[\]]+, [^\[\]]+\]\], 'float64'\)$", script, re.MULTILINE
    )
    assert "out = np.sum(x * 1.001, axis=1, keepdims=False)" in script


def test_call_n_is_the_nth_that_the_cell_tells_of(reproduce):
    code, script, _ = reproduce("tiny/one::op:square-float64-errs-eager", "--call", "2")
    assert code == 0
    assert "gradient towards x[" in script
    assert "out, gradient = vjp(lambda x: x * x * 1.001, [x], 0, g)" in script
    found = ran(script)
    x, g = (float(re.search(rf"^{name} = .*\[\[(.*?)\]\]", script, re.MULTILINE)[1]) for name in "xg")
    assert float(found["expected"]) == pytest.approx(2 * x * g, rel=1e-15)


def test_write_puts_the_script_into_a_file_and_tells_what_it_printed(reproduce, tmp_path):
    file = tmp_path / "repro.py"
    code, printed, _ = reproduce("tiny/one::op:square-float32-errs-eager", "--write", str(file))
    assert code == 0
    assert dict(line.split() for line in printed.splitlines()) == ran(file.read_text())
    code, _, error = reproduce("tiny/one::op:square-float32-errs-eager", "--write", str(tmp_path))
    assert code == 2
    assert f"--write {tmp_path}: " in error


def test_a_call_that_is_right_alone_has_no_script(reproduce):
    code, script, error = reproduce("tiny/two::op:sin-float64-errs-eager")
    assert (code, script) == (1, "")
    assert error == "alone: no: right when called alone: it depends on its surroundings\n"


def test_a_call_that_is_wrong_alone_in_its_own_way_says_how_it_differs(reproduce):
    """In the cell the gradient is twice what the op's own error makes of it."""
    code, script, error = reproduce("tiny/two::op:square-float64-errs-eager", "--call", "2")
    assert code == 0
    told = re.search(
        r"alone: yes: (Called alone, on one thread, it is wrong too, but gives (\S+); the cell had (\S+)\.)\n",
        error,
    )
    assert told[1] in script
    assert ran(script)["got"] == told[2]
    assert float(told[3]) == pytest.approx(2 * float(told[2]), rel=1e-15)


def test_a_call_with_too_many_numbers_is_refused(reproduce, monkeypatch):
    monkeypatch.setattr(reproducing, "LARGEST", 1)
    code, _, error = reproduce("tiny/one::op:square-float64-errs-eager")
    assert code == 2
    assert "line 3: y = {op}(x): 2 numbers are too many for a script, 1 are allowed; reduce the case" in error


def test_a_reference_that_is_off_is_told_instead(reproduce, monkeypatch):
    monkeypatch.setattr(reproducing, "expected", lambda call, reference: repr(2 * reference))
    code, _, error = reproduce("tiny/one::op:square-float64-errs-eager")
    assert code == 2
    assert "the reference is off; `harness certify --op square`" in error


def test_a_script_that_fails_or_hangs_says_how_it_ended(monkeypatch):
    here = Interpreter((sys.executable,), "the tests")
    assert running.output_of("print(1)", here) == ("1\n", "")
    assert running.output_of("import os; print(os.environ['OMP_NUM_THREADS'])", here) == ("1\n", "")
    output, failure = running.output_of("print(1); 1 / 0", here)
    assert output == "1\n"
    assert failure.endswith("without an answer\nZeroDivisionError: division by zero")
    monkeypatch.setattr(running, "TIMEOUT", 0.5)
    assert running.output_of("import time; time.sleep(60)", here) == ("", "took longer than 0.5 s")
    with pytest.raises(HarnessError, match="nobody could not be started: No such file or directory"):
        running.output_of("", Interpreter(("/nobody",), "the tests"))


@pytest.mark.parametrize(
    ("cell", "more", "words"),
    [
        ("tiny/on::op:cos-float32-errs-eager", (), 'did you mean "tiny/one"?'),
        ("tiny/one::op:cos-float32-errs-eger", (), 'did you mean "op:cos-float32-errs-eager"?'),
        ("tiny/one::op:cos-float32", (), "name a framework and a mode too, as in tiny/one::op:cos-float32-"),
        ("tiny/one::op:cos-float32-errs-eager", (), "agree: nothing to reproduce"),
        ("tiny/one::op:square-float32-errs-eager", ("--call", "3"), "--call 3: tiny/one::op:square-float32-errs-eager tells of 2 wrong calls; allowed is 1 to 2"),
        ("tiny/layer::float32-negates-eager", (), "no single op call is to blame, so there is none to call alone: the seed of the backward pass\n"),
        ("tiny/layer::float32-errs-eager", (), "unsupported"),
    ],
)  # fmt: skip
def test_what_cannot_be_reproduced_is_one_sentence(reproduce, cell, more, words):
    code, script, error = reproduce(cell, *more)
    assert (code, script) == (2, "")
    assert words in error


def test_own_code_has_no_call_to_take_out_of_it(capsys):
    fault = "sigmoid_derivative_at_z"
    cell = f"notebooks/dense_features_first::activation:sigmoid-float32-{fault}-eager"
    options = ["--cases", str(ROOT / "cases"), "--subject", str(ROOT / "tests" / "faults" / f"{fault}.py")]
    assert cli.main(["reproduce", cell, *options]) == 2
    assert "is code of your own, which has no op calls to take out of it" in capsys.readouterr().err


def test_without_mpmath_it_says_what_to_install(reproduce, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kw):
        if name == "truth.derivatives":
            raise ModuleNotFoundError("No module named 'mpmath'", name="mpmath")
        return real(name, *args, **kw)

    monkeypatch.setattr(builtins, "__import__", without)
    code, _, error = reproduce("tiny/one::op:square-float64-errs-eager")
    assert code == 2
    assert error == "mpmath is missing: pip install mpmath\n"


def test_an_adapter_without_a_function_for_a_gradient_is_told_what_it_lacks(reproduce, tmp_path):
    folder = tmp_path / "own" / "lacks"
    folder.mkdir(parents=True)
    text = (FAKES / "adapters" / "errs" / "adapter.py").read_text()
    (folder / "adapter.py").write_text(text.replace('VJPS = {"eager": vjp}', ""))
    more = ["--adapters", str(tmp_path / "own"), f"--interpreter=lacks={sys.executable}", "--call=2"]
    code, _, error = reproduce("tiny/one::op:square-float64-lacks-eager", *more)
    assert code == 2
    assert f'{folder / "adapter.py"}: VJPS has no "eager" that is written out' in error
