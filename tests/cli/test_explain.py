"""`harness explain`: one cell node by node, with the first difference marked where it is."""

import sys
from pathlib import Path

import pytest
from gradient_conformance.harness import cli
from matrix import FAKES, LAYER

ROOT = Path(__file__).parents[2]
FAULTS = ROOT / "tests" / "faults"


@pytest.fixture
def explain(tmp_path, capsys):
    """Runs the command on a case outside the repository with fakes; gives the exit code, output and errors."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "layer.toml").write_text(LAYER)

    def run(cell, *frameworks, cases=tmp_path):
        options = [f"--framework={name}" for name in frameworks]
        options += [f"--interpreter={name}={sys.executable}" for name in frameworks]
        code = cli.main(
            ["explain", cell, "--cases", str(cases), "--adapters", str(FAKES / "adapters"), *options]
        )
        return code, *capsys.readouterr()

    return run


def row_of(printed, mark):
    """The line of a program under which a mark stands, and what comes before the mark."""
    before = printed.split(mark)[0]
    return [line for line in before.splitlines() if ": " in line and "=" in line][-1].strip(), before


def test_a_correct_framework_is_within_tolerance_at_every_node(explain):
    code, printed, _ = explain("tiny/layer::float32-faultless-eager", "faultless")
    assert code == 0
    for text in (
        "5: z = W @ x",
        "6: a = sigmoid(z)",
        "gradient of W[",
        "gradient of z[",
        "faultless eager: agree",
    ):
        assert text in printed
    assert "◄" not in printed
    assert "✗" not in printed


def test_wrong_signs_are_marked_in_the_backward_of_the_loss(explain):
    code, printed, _ = explain("tiny/layer::float32-negates-eager", "negates", "faultless")
    assert code == 1
    line, before = row_of(printed, "◄ here")
    assert line.startswith("7: loss = sum(a * a)")
    assert "gradient of loss" in before
    assert printed.count("◄ here") == 1
    assert "follows" in printed
    assert printed.index("negates") < printed.index("faultless")
    assert "wrong by itself:\n    the seed of the backward pass" in printed
    assert "faultless eager: agree" in printed


def test_the_cell_s_own_framework_decides_the_exit_code(explain):
    assert explain("tiny/layer::float32-faultless-eager", "negates", "faultless")[0] == 0


def test_an_id_without_framework_puts_all_side_by_side(explain):
    code, printed, _ = explain("tiny/layer::float64", "negates", "faultless")
    assert code == 1
    assert "faultless eager: agree" in printed
    assert "negates eager: disagree" in printed


def test_the_id_may_be_pytest_s_own(explain, tmp_path):
    code, printed, _ = explain(f"{tmp_path}/tiny/layer.toml::float32-faultless-eager", "faultless")
    assert code == 0
    assert printed.startswith("tiny/layer::float32-faultless-eager")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("tiny/layr::float32-faultless-eager", 'did you mean "tiny/layer"?'),
        ("tiny/layer::float32-faultles-eager", 'did you mean "float32-faultless-eager"?'),
    ],
)
def test_an_unknown_cell_is_one_message_with_the_nearest_id(explain, cell, words):
    code, _, error = explain(cell, "faultless")
    assert code == 2
    assert words in error


SWEPT = LAYER.replace("sigmoid", "{f}") + '[sweep]\nf = ["sigmoid", "tanh"]\n'
TRAINED = LAYER + '[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["W"]\nsteps = 3\n'


def test_a_case_without_a_variant_lists_them(explain, tmp_path):
    (tmp_path / "tiny" / "swept.toml").write_text(SWEPT)
    code, _, error = explain("tiny/swept", "faultless")
    assert code == 2
    assert error.splitlines() == [
        "tiny/swept: name one of these, or a framework and its mode of it, -FRAMEWORK-MODE:",
        *(f"  tiny/swept::f:{f}-{dtype}" for f in ("sigmoid", "tanh") for dtype in ("float32", "float64")),
    ]
    assert explain("swept::f:tanh", "faultless")[2].splitlines()[1:] == [
        f"  tiny/swept::f:tanh-{dtype}" for dtype in ("float32", "float64")
    ]


def test_many_variants_are_counted(explain, tmp_path):
    text = SWEPT.replace("{f}(", "sigmoid({k} * ").replace(
        'f = ["sigmoid", "tanh"]', f"k = {list(range(1, 15))}"
    )
    (tmp_path / "tiny" / "many.toml").write_text(text)
    lines = explain("tiny/many", "faultless")[2].splitlines()
    assert (len(lines), lines[-1]) == (22, "  and 8 more")


def test_of_a_training_the_step_is_said(explain, tmp_path):
    (tmp_path / "tiny" / "trained.toml").write_text(TRAINED)
    code, printed, _ = explain("tiny/trained::float32-faultless-eager", "faultless", "negates")
    assert code == 0
    heading = printed.partition("────")[0]
    assert heading.count("of 0 to 2") == 3
    assert "step" not in explain("tiny/layer::float32-faultless-eager", "faultless")[1]


def test_a_framework_that_cannot_run_is_exit_code_2_with_the_reason(explain):
    code, printed, _ = explain("tiny/layer::float32-unimportable-eager", "unimportable", "faultless")
    assert code == 2
    assert "unimportable eager: crashed" in printed
    assert "a_module_that_nobody_has" in printed
    assert "faultless eager: agree" in printed


def test_the_table_fits_a_hundred_columns(explain):
    _, printed, _ = explain("tiny/layer::float64", "negates", "faultless", "widens", "prints")
    assert max(map(len, printed.splitlines())) <= 100


def test_a_shipped_fault_is_marked_at_its_node(capsys):
    fault = "sigmoid_derivative_at_z"
    cell = f"notebooks/dense_features_first::activation:sigmoid-float32-{fault}-eager"
    options = ["--cases", str(ROOT / "cases"), "--subject", str(FAULTS / f"{fault}.py"), "--framework", fault]
    assert cli.main(["explain", cell, *options]) == 1
    printed = capsys.readouterr().out
    line, before = row_of(printed, "◄ here")
    assert line.startswith("6: A = {activation}(Z)")
    assert "gradient of Z[" in before
    assert "    backward of sigmoid, line 6: A = {activation}(Z)" in printed
