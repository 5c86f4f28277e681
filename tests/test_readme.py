"""What the README and the other pages show is run."""

import html
import math
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from gradient_conformance.harness.cli import _parser, main
from gradient_conformance.harness.verdict import Verdict
from wrong import WRONG

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(next(action.choices for action in _parser()._actions if action.choices))
NUMBER = re.compile(r"(?<![\w.\[])-?\d+\.?\d*(?:e[+-]?\d+)?(?![\w.\]])")


def blocks():
    return re.findall(r"^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_first_two_code_blocks_are_one_line_each_and_set_everything_up():
    setup = "python3.11 -m venv .venv && .venv/bin/pip install -r .ci/locks/tox.txt && .venv/bin/tox "
    assert blocks()[:2] == [f"{setup}-m conformance\n", f"{setup}-e tests\n"]


def test_ci_takes_its_commands_from_the_readme():
    script = (
        "readme_block() {"
        + (ROOT / ".ci" / "run").read_text().partition("readme_block() {")[2].split("\n")[0]
    )
    for number, block in enumerate(blocks()[:2], 1):
        done = subprocess.run(
            ["bash", "-c", f"{script}\nreadme_block {number}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == block


def transcript():
    """The README's transcript: the file that it shows, the command, what the command printed."""
    text = html.unescape(re.search(r"<pre>\n(.*?)</pre>", README, re.DOTALL)[1])
    file, rest = text.removeprefix("$ cat mine.py\n").split("\n$ ", 1)
    command, printed = rest.split("\n", 1)
    return file, command, printed.splitlines()


def test_nothing_but_the_package_is_needed_for_one_s_own_code():
    """No framework is among what this brings along."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert "`pip install -e .`\n" in README
    assert not [
        line for line in needed if any(name in line for name in ("torch", "tensorflow", "jax", "mxnet"))
    ]


def test_what_is_begun_with_harness_new_goes_as_shown(tmp_path, monkeypatch, capsys):
    shown = html.unescape(re.search(r"<pre>\n(\$ harness new.*?)</pre>", README, re.DOTALL)[1])
    monkeypatch.chdir(tmp_path)
    for command, printed in re.findall(r"^\$ harness (.*)\n((?:[^$].*\n)*)", shown, re.MULTILINE):
        assert main(shlex.split(command)) == 0
        assert capsys.readouterr().out == printed
    then = shown.rstrip().rpartition("; then: pytest ")[2]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *shlex.split(then)], capture_output=True, text=True, check=False
    )
    assert "2 cells: 2 not shown" in done.stdout


def alike(found, shown):
    """Equal but for the last digits of numbers, which differ from one processor to the next."""
    pairs = zip(NUMBER.findall(found), NUMBER.findall(shown), strict=False)
    same_text = NUMBER.sub("#", found) == NUMBER.sub("#", shown)
    return same_text and all(math.isclose(float(a), float(b), rel_tol=0.02) for a, b in pairs)


def test_the_comparison_of_lines_can_fail():
    assert alike("a = 1.001 ± 2e-8", "a = 1.002 ± 2.01e-08")
    assert not alike("a = 1.2 ± 2e-8", "a = 1.0 ± 2e-8")
    assert not alike("b = 1.0", "a = 1.0")


def test_the_transcript_is_what_happens(tmp_path):
    file, command, shown = transcript()
    (tmp_path / "mine.py").write_text(file)
    program, *arguments = shlex.split(command)
    assert program == "pytest"
    where = {"cases": str(ROOT / "cases"), "--subject=mine.py": f"--subject={tmp_path / 'mine.py'}"}
    arguments = [where.get(word, word) for word in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, f"--record={tmp_path / 'run.jsonl'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = done.stdout.replace(str(tmp_path) + "/", "").splitlines()
    start = next(i for i, line in enumerate(found) if line.startswith("disagree"))
    for line, expected in zip(found[start:], shown, strict=False):
        assert alike(line, expected), f"{line!r} is shown as {expected!r}"


def test_the_page_on_notebooks_is_run(capsys, tmp_path):
    """Its code from a file, so that it has lines; what it prints is what is shown below it."""
    page = (ROOT / "docs" / "notebooks.md").read_text()
    code = re.search(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]
    shown, imported = (
        html.unescape(text) for text in re.findall(r"^<pre>\n(.*?)^</pre>$", page, re.MULTILINE | re.DOTALL)
    )
    mine = tmp_path / "mine.py"
    mine.write_text(code)
    exec(compile(code, mine, "exec"), {"__name__": "mine"})
    for line, expected in zip(capsys.readouterr().out.splitlines(), shown.splitlines(), strict=True):
        assert alike(line, expected), f"{line!r} is shown as {expected!r}"
    command, printed = imported.removeprefix("$ harness ").splitlines()
    words = [str(tmp_path / word) if "/" in word or ".py" in word else word for word in shlex.split(command)]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[-1].replace(f"{tmp_path}/", "") == printed
    assert main(["check", str(tmp_path / "cases")]) == 0


def test_every_verdict_is_explained_with_what_pytest_makes_of_it():
    """The table of verdicts is that of the code, word by word, and nothing is missing from it."""
    table = README.partition("| verdict |")[2]
    documented = dict(re.findall(r"^\| ([a-z ]+) \| [^|]+ \| ([^|]+) \|$", table, re.MULTILINE))
    assert documented.pop("absent") == "skipped; failed under `--require`"
    assert documented == {str(v): v.outcome() for v in Verdict if v is not Verdict.ABSENT}


def test_the_reference_alone_works_as_shown():
    code = re.search(
        r"^    from gradient_conformance.reference import.*?(?=^\S)", README, re.MULTILINE | re.DOTALL
    )[0]
    names = {}
    setup = "import numpy as np\nW, x = np.ones((2, 3)), np.ones(3)\n"
    exec(setup + re.sub(r"^    ", "", code, flags=re.MULTILINE), names)
    assert names["gradients"]["W"].shape == (2, 3)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_named_and_helps(command, capsys):
    assert f"harness {command}" in README
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "usage: harness" in capsys.readouterr().out


def test_check_passes_what_is_shipped_and_tells_every_mistake(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert main(["check"]) == 0
    assert re.fullmatch(
        r"\d+ case files, \d+ cells a framework, 0 files with mistakes\n", capsys.readouterr().out
    )
    misspelt = tmp_path / "misspelt.toml"
    misspelt.write_text(WRONG["misspelt_op"])
    assert main(["check", str(misspelt), "cases/published"]) == 1
    told = capsys.readouterr()
    assert told.err == f'{misspelt}:5:5: unknown op "sigmiod"; did you mean "sigmoid"?\n'
    assert "1 file with mistakes" in told.out
    assert main(["check", "nowhere"]) == 2
    assert capsys.readouterr().err == "nowhere: no such file or folder\n"


def test_ops_shows_each_op_and_where_a_formula_stands(capsys):
    assert main(["ops"]) == 0
    table = capsys.readouterr().out
    assert re.search(r"sum_squares\W+\w+\W+formula", table)
    assert re.search(r"sigmoid\W+native\W+native\W+native\W+native", table)


def test_frameworks_tells_how_to_get_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("TOX_WORK_DIR", "HARNESS_TORCH"):
        monkeypatch.delenv(name, raising=False)
    assert main(["frameworks"]) == 0
    place = f"{ROOT}/adapters/torch"
    command = f"python3.11 -m venv .venv-torch && .venv-torch/bin/pip install -r {place}/requirements.txt -c {place}/lock.txt"
    assert f"get it with: {command}\n" in capsys.readouterr().out
    (tmp_path / "tox.ini").write_text("[testenv:{jax,torch}]\n")
    assert main(["frameworks"]) == 0
    assert "get it with: tox -e torch\n" in capsys.readouterr().out
