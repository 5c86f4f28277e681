"""`harness new`: a case and a function to fill in, both right as they stand; nothing that is there is touched."""

import inspect
import re
import sys
from pathlib import Path

import pytest
from gradient_conformance.harness.case.library import Library
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.cli.cases import skeleton
from matrix import FAKES

ROOT = Path(__file__).parents[2]
SHIPPED = Library([ROOT / "cases"], proven=False)
CASES = [SHIPPED.load(*found) for found in SHIPPED.files()]

BY_HAND = """
    m = X.shape[0]
    Z = X @ W1 + b1
    H = np.tanh(Z)
    Y = H @ W2 + b2
    loss = np.mean((Y - T) ** 2)
    dY = 2 * (Y - T) / Y.size
    dW2, db2, dH = H.T @ dY, dY.sum(axis=0), dY @ W2.T
    dZ = dH * (1 - H * H)
    dW1, db1 = X.T @ dZ, dZ.sum(axis=0)
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def explained(cell, *options):
    return main(["explain", cell, "--cases", ".", *options])


def function_in(text):
    """The one function of a Python source."""
    names = {}
    exec(compile(text, "mine.py", "exec"), names)
    [function] = [value for value in names.values() if inspect.isfunction(value)]
    return function


def test_a_new_case_is_right_as_it_stands(capsys):
    assert main(["new", "case", "mlp.toml"]) == 0
    assert (
        capsys.readouterr().out == "mlp.toml: a case to fill in; then: harness new mine.py --case mlp.toml\n"
    )
    assert main(["check", "mlp.toml"]) == 0
    assert capsys.readouterr().out == "1 case file, 2 cells a framework, 0 files with mistakes\n"
    options = ["--adapters", str(FAKES / "adapters"), "--framework=faultless"]
    options.append(f"--interpreter=faultless={sys.executable}")
    assert [explained(f"mlp::{dtype}", *options) for dtype in ("float32", "float64")] == [0, 0]


def test_the_training_that_a_new_case_offers_is_right_too():
    main(["new", "case", "mlp.toml"])
    text = Path("mlp.toml").read_text()
    offered = re.sub(r"^# (?=\[training\]|optimizer|parameters|steps)", "", text, flags=re.MULTILINE)
    assert parse(offered, "mlp").variants[0].training.steps == 3


def test_a_new_function_says_how_to_run_it_and_ends_in_a_sentence(capsys):
    main(["new", "case", "mlp.toml"])
    capsys.readouterr()
    assert main(["new", "mine.py", "--case", "mlp.toml"]) == 0
    run = "pytest --cases=. --subject=mine.py --framework=mine -k mlp"
    assert capsys.readouterr().out == f"mine.py: a function to fill in; then: {run}\n"
    assert f"# {run}\n" in Path("mine.py").read_text()
    assert explained("mlp::float64-mine-eager", "--subject=mine.py", "--framework=mine") != 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "mine eager: not shown" in printed
    assert "nothing to judge: of what the case compares it returned none: value loss, value Y" in printed


def test_a_function_that_is_filled_in_half_agrees_in_what_it_shows(capsys):
    main(["new", "case", "mlp.toml"])
    main(["new", "mine.py", "--case", "mlp.toml"])
    text = Path("mine.py").read_text().replace("    values = {", f"{BY_HAND}    values = {{")
    Path("mine.py").write_text(text.replace('# "loss":', '"loss":').replace('# "W2":', '"W2":'))
    assert explained("mlp::float64-mine-eager", "--subject=mine.py", "--framework=mine") == 0
    assert capsys.readouterr().out.endswith("mine eager: agree\n")


def test_a_function_that_is_filled_in_agrees(capsys):
    main(["new", "case", "mlp.toml"])
    main(["new", "mine.py", "--case", "mlp.toml"])
    text = Path("mine.py").read_text()
    text = re.sub(r'^        # (?=")', "        ", text, flags=re.MULTILINE)
    Path("mine.py").write_text(text.replace("    values = {", f"{BY_HAND}    values = {{"))
    assert explained("mlp::float32-mine-eager", "--subject=mine.py", "--framework=mine") == 0
    assert "mine eager: agree" in capsys.readouterr().out


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_function_of_every_shipped_case_can_be_called_with_what_is_given(case):
    function = function_in(skeleton(case, "pytest"))
    assert function.__name__ == case.name.rpartition("/")[2]
    variant = case.variants[0]
    offered = {**variant.bindings, "cotangents": {}, "optimizer": {}, "clip": {}}
    named = {name: offered[name] for name in inspect.signature(function).parameters if name in offered}
    given = {name: a for name, a in variant.draw("float32").items() if name not in variant.constants}
    assert function(**given, **named) == ({}, {})


def test_a_function_is_given_the_words_that_its_program_is_swept_over():
    text = skeleton(SHIPPED.case("notebooks/dense_features_first"), "pytest")
    assert "*, activation, cotangents, optimizer)" in text
    assert re.search(r"#   activation: 'sigmoid' or '\w+'", text)


def test_who_makes_the_step_is_told_of_the_clipping_before_it():
    text = skeleton(SHIPPED.case("optimizers/clipped_by_norm"), "pytest")
    assert "*, optimizer, clip)" in text
    assert 'clip is {"norm": 2.0}' in text
    assert "clip is" not in skeleton(SHIPPED.case("optimizers/sgd_momentum"), "pytest")


def test_a_case_is_found_by_the_last_part_of_its_name(capsys):
    assert main(["new", "mine.py", "--case", "two_branches", "--cases", "shipped"]) == 0
    assert (
        "pytest --cases=shipped --subject=mine.py --framework=mine -k two_branches" in capsys.readouterr().out
    )
    assert main(["new", "other.py", "--case", "two_branch", "--cases", "shipped"]) == 2
    assert 'did you mean "two_branches"?' in capsys.readouterr().err


def test_a_title_and_a_program_of_a_stranger_stay_comments():
    text = 'title = "a\\nimport os \\u2028 \'\'\' "\nprogram = "# \\u202e b\\ny = x + 1\\nloss = sum(y)"\n[tensors]\nx = { shape = [2], full = 1 }'
    source = skeleton(parse(text, "odd"), "pytest")
    function_in(source)
    assert "\nimport os" not in source
    assert "\u202e" not in source


@pytest.mark.parametrize("name", ["mine.py", "mlp.toml"])
def test_what_is_there_is_left_as_it_is(name, capsys):
    main(["new", "case", "here.toml"])
    written = ["case", name] if name.endswith("toml") else [name, "--case", "here.toml"]
    Path("elsewhere").write_text("mine")
    for make in (
        lambda: Path(name).write_text("mine"),
        lambda: Path(name).symlink_to("elsewhere"),
        lambda: Path(name).symlink_to("nowhere"),
    ):
        make()
        assert main(["new", *written]) == 2
        assert f"{name}: is there already, and is left as it is" in capsys.readouterr().err
        assert not Path(name).exists() or Path(name).read_text() == "mine"
        Path(name).unlink()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["mine.py"], "write `harness new FILE.py --case CASE`"),
        (["case", "mlp.toml", "--case", "x"], "write `harness new FILE.py --case CASE`"),
        (["mlp.toml", "--case", "x"], "write `harness new FILE.py --case CASE`"),
        (["case", "mlp.txt"], "mlp.txt: a case's file is called NAME.toml"),
        (["case", ".mlp.toml"], "a case's name can't have a part '.mlp'"),
        (
            ["mine.py", "--case", "2-layer.toml"],
            "2-layer: no function can be called 2-layer; rename the case's file",
        ),
        (
            ["my-code.py", "--case", "2-layer.toml"],
            '"my-code" is to be a column of cell ids: letters, digits and _',
        ),
        (["mine.py", "--case", "absent.toml"], 'no case "absent.toml" in cases'),
    ],
)
def test_what_cannot_be_written_is_one_sentence(words, told, capsys):
    main(["new", "case", "2-layer.toml"])
    capsys.readouterr()
    assert main(["new", *words]) == 2
    assert told in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir()) == ["2-layer.toml"]
