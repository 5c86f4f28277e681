"""What all tests share."""

import os
import re
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

TOGETHER = (
    "adapters",
    "browser",
    "cluster",
    "installed",
    "lanes",
    "mutants",
    "opinfo",
    "power",
    "rejudge",
    "ssh",
    "worker_failures",
    "workflow",
)
"""Tests that share what is long to make, or look at the clock: each of these stays in one process of xdist's."""

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Every test goes where there is time for it, but for those that stay together; of adapters, those of a framework."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, name = nodeid.partition("::")
            framework = re.search(r"\b(torch|tensorflow|jax|mxnet)\b", name) if "/adapters/" in file else None
            group = next((part for part in TOGETHER if part in file), "")
            return f"{group} {framework[0]}" if framework else file if group else nodeid

    return Scheduling(config, log)
