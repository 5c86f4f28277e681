"""`harness adapter check`, on the adapter that docs/adapters.md shows and on what may be wrong with it."""

import re
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "adapters.md"
ADAPTER = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def check(tmp_path, capfd):
    """Checks the page's adapter with replacements; the exit code and what was printed."""

    def run(*replacements, options=(f"--interpreter=complexstep={sys.executable}",)):
        text = ADAPTER
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "complexstep").mkdir()
        (tmp_path / "complexstep" / "adapter.py").write_text(text)
        code = main(["adapter", "check", str(tmp_path / "complexstep"), *options])
        told = capfd.readouterr()
        return code, told.out + told.err

    return run


def test_the_smallest_adapter_of_the_page_is_complete(check):
    code, told = check()
    assert code == 0, told
    assert "  framework complexstep, version " in told
    assert "  modes: eager (the first is the default)\n  ops: 5 of " in told
    assert "without sub div" in told
    assert "  optimizers: sgd\n" in told
    assert re.search(r"^\d+ cells: \d+ agree, \d+ unsupported\nnothing is wrong$", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("def about()", "def info()", "about is missing; it should be about() -> "),
        ('MODES = ("eager",)', "", 'MODES is missing; it should be MODES = ("eager",)'),
        ("import numpy as np\n", "import numpy as np\nimport no_such_framework\n", "No module named"),
        (
            '"mul": np.multiply,',
            '"mul": np.multiply,\n    "sigmiod": np.tanh,',
            'OPS has "sigmiod", which is none of the ops that cases use; did you mean "sigmoid"?',
        ),
        ('"mul": np.multiply,', "", "not tried, since it needs the ops mul and sum: training with sgd"),
        ("/ H", "/ H * 2", "disagree  gradients_within_a_program::float32-complexstep-eager\n  gradient of "),
        ("np.empty_like(inputs[name])", "np.empty(inputs[name].shape)", "dtype float64, should be float32"),
        (
            "for name in task.wrt}",
            "for name in task.wrt if name not in task.probes}",
            "gradient of u did not come back",
        ),
        ("* grad\n", "* grad * 2\n", "disagree  training_with_sgd::float64-complexstep-eager\n  parameter w"),
        (
            "    return {name: env",
            "    if len(inputs) > 3: raise RuntimeError('so many')\n    return {name: env",
            "errored  gradients_within_a_program::float32-complexstep-eager\n  Traceback",
        ),
    ],
    ids=str.split("about modes import misnamed untried factor dtype probes optimizer raises"),
)
def test_what_is_wrong_with_an_adapter_is_said_in_words(check, old, new, words):
    code, told = check((old, new))
    assert code == (0 if "not tried" in words else 1), told
    assert words in told
    assert "docs/adapters.md" in told or "not tried" in words or "no_such_framework" in told


def test_what_cannot_be_run_is_another_exit_code(check, tmp_path, capfd):
    assert main(["adapter", "check", str(tmp_path)]) == 2
    assert f"{tmp_path}: has no adapter.py; what one is: {PAGE}" in capfd.readouterr().err
    code, told = check(options=())
    assert code == 2
    assert "no interpreter for complexstep; looked at" in told
