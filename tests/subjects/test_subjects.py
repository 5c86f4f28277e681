"""Nine ways in which people write backpropagation in notebooks: right code is never accused, and a fault is placed.

Each file beside this one is a notebook, its cells divided by `# %%`, right as it stands; a fault is one change of it.
"""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from gradient_conformance.harness.run.reading import read_run
from gradient_conformance.harness.verdict import Verdict
from nbformat.v4 import new_code_cell, new_notebook

HERE = Path(__file__).parent
CASES = HERE.parent.parent / "cases"
PAGE = CASES.parent / "docs" / "subjects.md"
NOISE = "%matplotlib inline\nimport matplotlib_that_nobody_has.pyplot as plt\n!pip install something\nprint 'Python 2'"

FEWER_STEPS = ("= 200", "= 4")
"""Of a training: a fault is there from the first."""


class Fault(NamedTuple):
    case: str
    right: str
    wrong: str
    place: str
    """What the cell's message says of it."""


SUBJECTS = {
    "classes_with_caches": Fault("notebooks/mlp_bce_logits", "- t) / t.size", "- t)", "backward of bce_with_logits"),
    "layers_that_learn": Fault(
        "notebooks/dense_batch_first",
        "        grad_inputs = grad @ self.weights.T\n        self.weights -= self.lr * (self.inputs.T @ grad)\n",
        "        self.weights -= self.lr * (self.inputs.T @ grad)\n        grad_inputs = grad @ self.weights.T\n",
        "backward of linear towards X",
    ),
    "train_without_gradients": Fault("notebooks/deep_leaky_mse", "0, 1.0, 0.1)", "0, 1.0, 0.0)", "parameter W1"),
    "functions_over_lists": Fault("notebooks/mlp_bce_logits", "d if h > 0 else 0.0", "d", "backward of relu"),
    "dict_caches": Fault("published/cs231n_two_layer", "dscores / n", "dscores", "backward of cross_entropy"),
    "framework_weights": Fault("notebooks/mlp_bce_in_out", "/ (p * (1 - p)) / t.size", "/ (p * (1 - p))", "backward of bce"),
    "per_sample_loops": Fault("notebooks/mlp_bce_out_in", "weights[name] / n", "weights[name]", "backward of matmul towards W3"),
    "column_vectors": Fault("notebooks/dense_features_first", "1 - a**2", "1 - a", "backward of tanh"),
    "sequential": Fault("published/mazur_2_2_2", "self.y = 1 / (1 + np.exp(-x))\n        return self.y", "self.y = x\n        return 1 / (1 + np.exp(-x))", "backward of sigmoid"),
}  # fmt: skip


def notebook(path, text):
    cells = [new_code_cell(cell.strip()) for cell in re.split(r"^# %%\n", text, flags=re.MULTILINE)[1:]]
    nbformat.write(new_notebook(cells=[new_code_cell(NOISE), *cells]), path)


def run(pytester, name, text):
    """The cells of the case with this text as the subject."""
    notebook(pytester.path / f"{name}.ipynb", text)
    case = pytester.path / "cases" / f"{SUBJECTS[name].case}.toml"
    case.parent.mkdir(parents=True)
    case.write_text((CASES / f"{SUBJECTS[name].case}.toml").read_text().replace(*FEWER_STEPS))
    record = pytester.path / "run.jsonl"
    arguments = [f"--subject={name}.ipynb", "--framework", name, "--record", record]
    outcome = pytester.runpytest_inprocess("--cases=cases", *arguments)
    return outcome, read_run(record).cells


def test_there_are_nine():
    assert set(SUBJECTS) == {path.stem for path in HERE.glob("*.py")} - {"test_subjects"}
    assert len(SUBJECTS) == 9


@pytest.mark.parametrize("name", SUBJECTS)
def test_right_code_is_not_accused(pytester, name):
    outcome, cells = run(pytester, name, (HERE / f"{name}.py").read_text())
    assert {cell.dtype for cell in cells} == {"float32", "float64"}
    assert {
        (cell.cell, cell.verdict, cell.message) for cell in cells if cell.verdict is not Verdict.AGREE
    } == set()
    assert outcome.ret == 0


@pytest.mark.parametrize("name", SUBJECTS)
def test_its_fault_is_found_and_placed(pytester, name):
    fault, text = SUBJECTS[name], (HERE / f"{name}.py").read_text()
    assert text.count(fault.right) == 1
    _, cells = run(pytester, name, text.replace(fault.right, fault.wrong))
    touched = [cell for cell in cells if name != "column_vectors" or "activation:tanh" in cell.cell]
    assert touched
    for cell in touched:
        assert cell.verdict is Verdict.DISAGREE, cell
        told = "\n".join([cell.message, cell.first_difference or "", *(call.place for call in cell.calls)])
        assert fault.place in told, told


def test_the_page_shows_code_that_is_right(pytester):
    shown = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    _, cells = run(pytester, "classes_with_caches", f"# %%\n{shown}")
    assert {cell.verdict for cell in cells} == {Verdict.AGREE}
