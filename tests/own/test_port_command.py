"""`harness port` as a command: what it prints, its exit codes, and sentences where it can't be done."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from client import interpreter
from gradient_conformance.harness.cli import main
from ports import BLOCK, JAX_BLOCK, NUMPY_BLOCK

pytestmark = pytest.mark.framework


@pytest.fixture
def ported(tmp_path, monkeypatch, capfd):
    """The exit code of the command and what it says, of an original and a port with these texts."""
    monkeypatch.chdir(tmp_path)

    def run(original, theirs, *options, python=(sys.executable,)):
        Path("mine.py").write_text(original)
        Path("theirs.py").write_text(theirs)
        named = [
            f"--interpreter=torch={shlex.join(interpreter('torch'))}",
            f"--interpreter=theirs={shlex.join(python)}",
        ]
        code = main(["port", "mine.py:make", "theirs.py:make", *named, *options])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def test_the_page_shows_what_happens_and_without_the_fault_nothing_differs(ported):
    page = (Path(__file__).parents[2] / "docs" / "porting.md").read_text()
    original, theirs, shown = re.findall(r"^```(?:python)?\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[:3]
    keras = interpreter("tensorflow")
    code, out, err = ported(original, theirs, python=keras)
    assert code == 1
    numbers = r"-?\d+\.\d+(e[-+]?\d+)?|\d(e-\d+)"
    assert re.sub(numbers, "#", err + out).splitlines() == re.sub(numbers, "#", shown).splitlines()[1:]
    right = theirs.replace("LayerNormalization()", "LayerNormalization(epsilon=1e-5)")
    assert right != theirs
    code, out, _ = ported(original, right, python=keras)
    assert code == 0
    assert "nothing differs" in out


def test_both_are_trained_by_the_cases_optimizer_and_the_case_is_kept(ported):
    steps = ["--steps=20", "--optimizer=adam(lr=0.01)", "--write=cases/own/mine.toml"]
    code, out, err = ported(BLOCK, NUMPY_BLOCK, *steps)
    assert code == 0, out + err
    assert re.search(
        r"nothing differs: \d+ values?, \d+ gradients, 8 parameters in float64 agree to 1\d digits", out
    )
    assert Path("cases/own/mine.toml").exists()


MORE = NUMPY_BLOCK.replace('"b3": (8,)}', '"b3": (8,), "other": (3, 5)}')


@pytest.mark.parametrize(
    ("original", "theirs", "words"),
    [
        (BLOCK, MORE, "not paired: of the port other [3, 5]; of the original nothing"),
        (BLOCK, NUMPY_BLOCK.replace("def make():", "def make():\n    raise KeyError('mine')"), "KeyError: 'mine'"),
        (BLOCK, NUMPY_BLOCK.replace("(np.zeros((4, 8)), np.zeros((4, 8)))", "np.zeros((4, 8))"), "the original takes 2 inputs, the port 1"),
        (BLOCK.replace("torch.manual_seed(0)", "torch.seed()"), NUMPY_BLOCK, "seed what it draws"),
    ],
    ids=["not paired", "its file fails", "inputs", "no seed"],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence(ported, original, theirs, words):
    code, _, err = ported(original, theirs)
    assert code == 2
    assert words in err


@pytest.mark.parametrize("theirs", ["theirs.py:make", "jax:theirs.py:make"])
def test_a_port_runs_in_the_interpreter_of_the_framework_that_it_is_written_in(
    tmp_path, monkeypatch, capfd, theirs
):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(BLOCK)
    Path("theirs.py").write_text(JAX_BLOCK)
    named = [f"--interpreter={name}={shlex.join(interpreter(name))}" for name in ("torch", "jax")]
    assert main(["port", "mine.py:make", theirs, *named]) == 0
    assert "nothing differs" in capfd.readouterr().out
