"""An installation, in a repository that has folders called as ours are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THEIRS = ("harness", "reference", "adapters", "cases", "tests", "text", "run")
OWN = """
import reference

def test_their_own_package_is_theirs():
    assert reference.WHOSE == "theirs"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel's content alone, as pip lays it."""
    folder = tmp_path_factory.mktemp("installed")
    environment = {**os.environ, "PIP_CONSTRAINT": "", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    build = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(folder / "wheel"),
    ]
    subprocess.run(build, cwd=ROOT, env=environment, check=True, capture_output=True)
    [wheel] = (folder / "wheel").glob("*.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(folder / "site"),
        str(wheel),
    ]
    subprocess.run(install, env=environment, check=True, capture_output=True)
    return folder / "site"


@pytest.fixture
def theirs(tmp_path, installed):
    """Runs a command in a repository with such folders, with the installation on the path."""
    for name in THEIRS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('WHOSE = "theirs"\n')
    (tmp_path / "test_own.py").write_text(OWN)

    def run(*words):
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    return run


def test_nothing_but_our_own_name_is_installed(installed):
    assert {path.name.partition("-")[0] for path in installed.iterdir() if path.name not in ("bin", "__pycache__")} == {
        "gradient_conformance", "gradient_conformance.py", "gradient_conformance_harness",
    }  # fmt: skip


def test_the_page_that_messages_name_comes_along(theirs):
    code = "from gradient_conformance.harness.workers.worker import ADAPTERS_PAGE; print(ADAPTERS_PAGE.is_file())"
    assert theirs("-c", code) == "True\n"


def test_their_pytest_runs_as_if_we_were_not_there(theirs):
    assert "1 passed" in theirs("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py")


def test_the_reference_is_ours_below_our_name(theirs):
    code = "from gradient_conformance.reference import backprop, parse; print(backprop(parse('y = x * x'), {'x': 3.0})[1])"
    assert "6." in theirs("-c", code)


def test_the_shipped_cases_come_along(theirs):
    told = theirs(
        "-m", "pytest", "--cases=shipped", "--collect-only", "-q", "--framework=torch", "-k", "two_branches"
    )
    assert "two_branches.toml::k:3-loss:squared_norm-float32-torch-eager" in told
    assert "name: conformance" in theirs(
        "-c", "from gradient_conformance.harness.cli import main; main(['workflow'])"
    )
    assert f"{len(list((ROOT / 'cases').rglob('*.toml')))} case files" in theirs(
        "-c", "from gradient_conformance.harness.cli import main; main(['check', 'shipped'])"
    )
