"""The arrows between the rooms, and the lists that cannot be avoided held equal to what is there."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAMEWORKS = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/adapter.py"))
OURS = {"gradient_conformance", "harness", "reference", "adapters", "tests", "worker"}
LIBRARIES = {"torch", "tensorflow", "jax", "mxnet", "optax", "keras"}


def imported(path):
    """The top-level names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def imports_of(folder):
    return {name for path in (ROOT / folder).rglob("*.py") for name in imported(path)}


def test_the_reference_imports_numpy_and_nothing_of_ours():
    assert imports_of("reference") - sys.stdlib_module_names == {"numpy", "reference"}


def test_the_truth_about_ops_imports_nothing_of_the_reference():
    """Nor anything that does: numbers and samples, and beside them NumPy and mpmath."""
    truth = ROOT / "harness" / "truth"
    files = [
        *(truth / "ops").glob("*.py"),
        *(truth / f"{name}.py" for name in ("numbers", "drawing", "optimizers")),
    ]
    modules = {
        node.module
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    }
    assert modules <= {"drawing", "numbers", "table", "reductions", None}
    assert {name for file in files for name in imported(file)} & OURS == set()


def test_the_harness_imports_no_framework_and_no_adapter():
    found = imports_of("harness")
    assert not found & (LIBRARIES | {"adapters", "tests", "worker"})
    assert "reference" in found


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_adapter_imports_its_own_framework_and_of_ours_only_the_worker(framework):
    found = set(imported(ROOT / "adapters" / framework / "adapter.py"))
    assert found & OURS == {"worker"}
    assert framework in found
    assert not found & (LIBRARIES - {framework, *(("optax",) if framework == "jax" else ())})


def test_the_worker_needs_the_standard_library_and_numpy_alone():
    assert set(imported(ROOT / "adapters" / "worker.py")) - sys.stdlib_module_names == {"numpy"}


def test_no_framework_is_imported_by_the_host():
    """Not even where they are installed: collecting must not load one."""
    code = f"import sys, gradient_conformance.harness.plugin.hooks, gradient_conformance.harness.cli; print(sorted({LIBRARIES!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_framework_has_an_environment_and_the_label_has_them_all():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    section = next(name for name in tox.sections() if name.startswith("testenv:{"))
    assert sorted(section[len("testenv:{") : -1].split(",")) == FRAMEWORKS
    label = tox["tox"]["labels"].partition("conformance =")[2].split("\n")[0]
    assert sorted(word.strip() for word in label.split(",")) == sorted([*FRAMEWORKS, "matrix"])
    assert set(tox["tox"]["env_list"].replace(" ", "").split(",")) == {*FRAMEWORKS, "matrix", "tests", "lint"}


def test_every_framework_stands_in_the_readme_with_its_pin_modes_and_number_of_deviations():
    readme = (ROOT / "README.md").read_text()
    for framework in FRAMEWORKS:
        folder = ROOT / "adapters" / framework
        pin = (folder / "requirements.txt").read_text().splitlines()[0].partition("==")[2]
        modes = re.search(r"^MODES = (.*)$", (folder / "adapter.py").read_text(), re.MULTILINE)
        listed = ", ".join(ast.literal_eval(modes[1]))
        entries = len(tomllib.loads((folder / "deviations.toml").read_text()).get("deviation", []))
        word = "entry" if entries == 1 else "entries"
        known = f"[{entries} {word}](adapters/{framework}/deviations.toml)" if entries else "none"
        assert f"| {framework} | {pin} | {listed} | {known}" in readme
