"""What all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import runs
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case
from matrix import TINY, Matrix
from wrong import BASE, changed

os.environ["HARNESS_CACHE"] = "off"  # nobody's cache is touched, and what a mutant computes is kept nowhere

pytest_plugins = ["pytester"]

Loader = Callable[..., Case]


@pytest.fixture
def case(tmp_path: Path) -> Loader:
    """Loads the base text, or another, with replacements and an addition, from a folder of its own."""

    def make(*replacements: tuple[str, str], add: str = "", text: str = BASE) -> Case:
        path = tmp_path / "group" / "base.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(changed(*replacements, add, text=text), encoding="utf-8")
        return load(path, tmp_path)

    return make


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a small project, with the case and the ledger of the runs that are reported on."""
    for name, text in (
        ("cases/notebooks/hostile.toml", runs.CASE),
        ("adapters/mxnet/deviations.toml", runs.LEDGER),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def matrix(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Matrix:
    """Runs fakes over the tiny case in this process; with -n2 in one of its own."""
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    return Matrix(pytester.path, runner=pytester.runpytest_inprocess)


Made = Callable[..., Matrix]


@pytest.fixture(scope="module")
def matrix_once(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Runs fakes over a case, each combination once a module, in a process of its own; gives the folder."""
    made: dict[tuple[object, ...], Matrix] = {}

    def make(*frameworks: str, text: str = TINY, more: tuple[str, ...] = ()) -> Matrix:
        key = (frameworks, text, more)
        if key not in made:
            made[key] = Matrix(tmp_path_factory.mktemp("matrix"), text)
            made[key].run(*frameworks, more=more)
        return made[key]

    return make
