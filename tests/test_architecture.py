"""The arrows between the rooms, and the lists that cannot be avoided held equal to what is there."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers beside a test out

from gradient_conformance.harness.frameworks.found import SOURCES, SUBJECT_MODULES
from workflow import load

ROOT = Path(__file__).parents[1]
FRAMEWORKS = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/adapter.py"))
OURS = {"gradient_conformance", "harness", "reference", "adapters", "tests", "worker"}
LIBRARIES = {"torch", "tensorflow", "jax", "mxnet", "optax", "keras"}

ROOMS = {
    "reference": "",
    "errors": "reading",
    "reading": "reference",
    "verdict": "reading",
    "roles": "reading",
    "case": "errors reading reference roles",
    "frameworks": "errors reading",
    "run": "errors reading reference roles verdict",
    "references": "case errors reading reference roles",
    "plan": "case errors frameworks reference run",
    "ledger": "errors reading reference roles run verdict",
    "workers": "errors frameworks plan reading reference references roles run verdict",
    "truth": "case errors reference references",
    "judging": "case errors frameworks ledger plan reading reference references roles run truth verdict"
    " workers.answer workers.process workers.remote",
    "report": "case errors ledger reading reference roles run verdict",
    "engine": "errors frameworks judging ledger plan references roles run verdict workers",
    "own": "case errors frameworks judging ledger plan reading reference references report roles run verdict workers",
    "power": "case errors judging reference references roles verdict",
    "plugin": "case engine errors frameworks judging ledger plan reading references report roles run truth verdict workers",
    "cli": "case engine errors frameworks judging ledger own plan power reading reference references report roles run"
    " truth verdict workers",
}
"""Every room, and the rooms below it that it may name: what is imported anywhere else is a wall that was broken."""


def imported(path):
    """The top-level names of all modules that a file imports, wherever in it; its own package's by their path."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def named(path):
    """The modules of ours that a module names, as their paths below the root: they name each other relatively."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1].relative_to(ROOT).joinpath(*(node.module or "").split("."))
            for alias in node.names:
                inside = folder / alias.name
                is_module = (ROOT / inside).with_suffix(".py").exists() or (ROOT / inside).is_dir()
                yield inside.parts if is_module else folder.parts


def room(parts):
    """The room of a module, from its path's parts: `harness/case/loading` is in `case`."""
    return "reference" if parts[0] == "reference" else Path(parts[1]).stem if len(parts) > 1 else "harness"


def modules(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def arrows():
    """Which room names which module of another."""
    found = {}
    for path in (*modules("harness"), *modules("reference")):
        own = room(path.relative_to(ROOT).parts)
        for parts in named(path):
            if room(parts) not in (own, "harness", "__init__"):
                found.setdefault(own, set()).add((room(parts), ".".join((room(parts), *parts[2:3]))))
    return found


def test_a_room_names_only_the_rooms_below_it():
    for own, others in arrows().items():
        allowed = set(ROOMS[own].split())
        broken = {module for other, module in others if not {other, module} & allowed}
        assert not broken, f"{own} names {', '.join(sorted(broken))}; it may name {ROOMS[own]}"


def test_the_table_of_rooms_holds_what_is_there_and_nothing_else():
    there = {room(path.relative_to(ROOT).parts) for path in (*modules("harness"), *modules("reference"))}
    assert there - {"__init__"} == set(ROOMS)
    found = {own: {other for other, _ in others} for own, others in arrows().items()}
    for own, allowed in ROOMS.items():
        unused = {name.partition(".")[0] for name in allowed.split()} - found.get(own, set())
        assert not unused, (
            f"{own} names nothing of {', '.join(sorted(unused))} any more: strike it from the table"
        )


def floor(own, above=()):
    """1 on the ground, which is the reference's roof; a room stands above all that it names."""
    assert own not in above, f"a circle: {' -> '.join((*above, own))}"
    below = (name.partition(".")[0] for name in ROOMS[own].split() if name != "reference")
    return 1 + max((floor(name, (*above, own)) for name in below), default=0)


def test_the_house_has_no_circle_and_few_floors():
    assert max(map(floor, ROOMS)) <= 8


def test_rooms_stay_small_enough_to_be_seen():
    harness = [path for path in (ROOT / "harness").iterdir() if path.name != "__pycache__"]
    assert len(harness) <= 20
    for folder in (path for path in harness if path.is_dir()):
        assert len(list(folder.glob("*.py"))) <= 12, folder
    for path in (*modules("harness"), *modules("reference"), *modules("adapters"), *modules("benchmarks")):
        assert len(path.read_text().splitlines()) <= 450, path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
                assert len(methods) <= 15, f"{path}: {node.name} has {len(methods)}"


def test_the_reference_imports_numpy_and_nothing_of_ours():
    found = {name for path in modules("reference") for name in imported(path)}
    assert found - sys.stdlib_module_names == {"numpy"}


def test_the_truth_of_a_row_shares_nothing_with_the_row():
    for path in modules("harness/truth/ops"):
        assert not [parts for parts in named(path) if parts[0] == "reference"], path


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
    assert modules <= {file.stem for file in files} | {None}
    assert {name for file in files for name in imported(file)} & OURS == set()


def test_the_harness_imports_no_framework_and_no_adapter():
    found = {name for path in modules("harness") for name in imported(path)}
    assert not found & (LIBRARIES | OURS)


def words(path):
    """What a module's code says, its docstrings and comments left out: identifiers, and strings word by word."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        fields = (value for _, value in ast.iter_fields(node) if id(node) not in prose)
        texts = (text for value in fields for text in (value if isinstance(value, list) else [value]))
        yield from (
            w for text in texts if isinstance(text, str) for w in re.findall(r"[^\W_]+", text.lower())
        )


def test_the_host_knows_no_framework_by_name():
    """Nor its variables; but the page on power cites `torch.testing.assert_close`, a rule that ours stands beside."""
    found = {path.relative_to(ROOT).as_posix(): LIBRARIES & set(words(path)) for path in modules("harness")}
    assert {path: names for path, names in found.items() if names} == {"harness/power/figures.py": {"torch"}}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_adapter_imports_its_own_framework_and_of_ours_only_the_worker(framework):
    found = set(imported(ROOT / "adapters" / framework / "adapter.py"))
    assert found & OURS == {"worker"}
    assert framework in found
    beside = [path for path in (ROOT / "adapters" / framework).glob("*.py") if path.name != "adapter.py"]
    families = {name for path in beside for name in imported(path)}
    assert families & OURS <= {"worker"}
    assert not (found | families) & (LIBRARIES - {framework, *(("optax",) if framework == "jax" else ())})


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_two_texts_of_an_adapter_define_the_same_name(framework):
    """A script of one call is made of all of them together."""
    paths = [p for p in (ROOT / "adapters" / framework).glob("*.py") if not p.match("exporting*.py")]
    texts = [path.read_text() for path in paths]
    names = [
        node.name
        for text in texts
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert sorted(names) == sorted(set(names))


def test_the_worker_needs_the_standard_library_and_numpy_alone():
    found = {name for path in (ROOT / "adapters").glob("worker*.py") for name in imported(path)}
    assert found - sys.stdlib_module_names == {"numpy", *SOURCES[:-1]}


def test_a_subjects_modules_need_the_standard_library_and_numpy_alone_each_those_before_it():
    beside = {path.relative_to(ROOT).as_posix() for path in (ROOT / "adapters").glob("subject_*.py")}
    assert beside | {"reference/optimizers.py"} == set(SUBJECT_MODULES.values())
    for number, (name, file) in enumerate(SUBJECT_MODULES.items()):
        found = set(imported(ROOT / file))
        assert found - sys.stdlib_module_names <= {"numpy", "worker", *list(SUBJECT_MODULES)[:number]}, name


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


def test_the_host_is_tested_on_every_python_that_it_runs_on():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    pythons = dict(re.findall(r"^(py\d+): python(3\.\d+)$", tox["testenv"]["base_python"], re.MULTILINE))
    assert tox["tox"]["labels"].partition("host =")[2].strip() == ", ".join(["tests", *pythons])
    job = load(ROOT / ".github" / "workflows" / "conformance.yml")["jobs"]["host"]["strategy"]["matrix"]
    assert {more["env"]: more["python"] for more in job["include"]} == {"tests": "3.11", **pythons}
    assert sorted(job["python"]) == ["3.11", *pythons.values()]


def test_every_framework_stands_in_the_readme():
    """With its pin, modes and number of deviations."""
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
