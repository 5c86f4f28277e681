"""A fresh machine gets the versions that were tested: every environment has its lock, and every lock is sound."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TOX = configparser.ConfigParser(interpolation=None)
TOX.read(ROOT / "tox.ini")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = sorted([*ROOT.glob("adapters/*/lock.txt"), *ROOT.glob(".ci/locks/*.txt")])
FRAMEWORKS = sorted(path.parent.name for path in (ROOT / "adapters").glob("*/adapter.py"))
LINE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*==[0-9][\w.!]*( ; [\w.'()<>=! ]+)?")
"""A name, one version, a marker: no path, host, option or version of one machine's own build."""
SHELL_INSTALL = re.compile(r"pip install (?P<what>[^&\n`]*)")


def short(path):
    return path.relative_to(ROOT).as_posix()


def environments():
    """The environments of tox.ini with their settings; `testenv:{a,b}` is two."""
    for section in TOX.sections():
        names = section.removeprefix("testenv:")
        if names != section:
            head, brace, rest = names.partition("{")
            inside, _, tail = rest.partition("}")
            for name in inside.split(",") if brace else [""]:
                yield head + name + tail, TOX[section]


def pins(path):
    """What a lock says: the versions of each distribution, one for each marker."""
    found = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(requirement.name, []).append(requirement)
    return found


def lock_of(name):
    return ROOT / dict(environments())[name]["constraints"].replace("{envname}", name)


def test_every_environment_is_installed_by_a_lock_of_its_own_kind():
    found = {name: lock_of(name) for name, _ in environments()}
    assert all(lock.is_file() for lock in found.values())
    assert {name: short(lock) for name, lock in found.items()} == {
        **{name: f"adapters/{name}/lock.txt" for name in FRAMEWORKS},
        **{name: f".ci/locks/{name}.txt" for name in ("matrix", "tests", "plugins", "lint", "lock")},
        **dict.fromkeys(("py312", "py313"), ".ci/locks/tests.txt"),
        ".pkg": ".ci/locks/build.txt",
    }


def test_the_package_is_built_in_the_one_environment_that_is_locked():
    """Each further Python would get another, unless tox is told that one does."""
    installing = {name: settings for name, settings in environments() if "package" in settings}
    others = [name for name in installing if TOX["testenv"]["base_python"].count(f"\n{name}:")]
    assert others == ["py312", "py313"]
    assert {installing[name]["wheel_build_env"] for name in others} == {".pkg"}


def test_what_a_command_names_is_there():
    named = [
        path
        for _, settings in environments()
        for path in re.findall(r"\btests/\S+", settings.get("commands", ""))
    ]
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_one_command_makes_every_lock_and_no_other():
    written = re.findall(r" -o (\S+)", TOX["testenv:lock"]["commands"])
    assert sorted(written) == [short(lock) for lock in LOCKS]


@pytest.mark.parametrize("lock", LOCKS, ids=short)
def test_a_lock_is_a_list_of_exact_versions_that_holds_on_every_machine(lock):
    lines = lock.read_text().splitlines()
    assert [line for line in lines if not line.startswith("#") and not LINE.fullmatch(line)] == []
    comments = [line for line in lines if line.startswith("#")]
    assert comments[1] == "#    tox -e lock"
    assert len(comments) == 2


@pytest.mark.parametrize(
    "line",
    [
        "torch==2.13.0+cpu",
        "numpy>=2",
        "numpy",
        "--find-links wheels",
        "-e .",
        "a @ file:///a",
        "a==1 --hash=x",
    ],
)
def test_what_only_one_machine_has_is_no_line_of_a_lock(line):
    assert not LINE.fullmatch(line)


@pytest.mark.parametrize("lock", LOCKS, ids=short)
def test_a_distribution_stands_twice_only_for_different_machines(lock):
    for name, versions in pins(lock).items():
        markers = [requirement.marker for requirement in versions]
        assert len(versions) == 1 or (None not in markers and len(set(map(str, markers))) == len(markers)), (
            name
        )


def fulfilled(wanted, lock):
    """Whether every version that the lock has of a distribution is one that was asked for."""
    versions = pins(lock).get(canonicalize_name(wanted.name), [])
    exact = [specifier.version for requirement in versions for specifier in requirement.specifier]
    return bool(exact) and all(wanted.specifier.contains(version, prereleases=True) for version in exact)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_pins_of_an_adapter_stand_in_its_lock(framework):
    folder = ROOT / "adapters" / framework
    for line in (folder / "requirements.txt").read_text().splitlines():
        requirement = Requirement(line.partition(" #")[0])
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), line
        assert fulfilled(requirement, folder / "lock.txt"), line


@pytest.mark.parametrize("name", ["matrix", "tests", "lint", "py312", "py313"])
def test_what_an_environment_of_the_host_asks_for_stands_in_its_lock(name):
    settings = dict(environments())[name]
    extras = TOX["testenv:tests"]["extras"] if "extras" in settings else ""
    wanted = [*PROJECT["project"]["dependencies"]]
    for extra in filter(None, extras.split(", ")):
        wanted += PROJECT["project"]["optional-dependencies"][extra]
    if "dependency_groups" in settings:
        wanted += PROJECT["dependency-groups"][settings["dependency_groups"]]
    assert [text for text in wanted if not fulfilled(Requirement(text), lock_of(name))] == []


@pytest.mark.parametrize("group", ["build", "tox", "lock"])
def test_what_makes_the_environments_stands_in_a_lock(group):
    wanted = PROJECT["dependency-groups"][group]
    lock = ROOT / ".ci" / "locks" / f"{group}.txt"
    assert [text for text in wanted if not fulfilled(Requirement(text), lock)] == []


def test_the_build_system_is_what_the_lock_is_made_for():
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["dependency-groups"]["build"])


def test_the_package_itself_holds_nobody_to_one_version():
    extras = PROJECT["project"]["optional-dependencies"].values()
    everything = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in extra)]
    assert [text for text in everything if "==" in text] == []


@pytest.mark.parametrize("page", ["README.md", "docs/scale.md", ".github/workflows/conformance.yml"])
def test_where_a_machine_is_set_up_it_is_by_the_locks(page):
    commands = [found["what"] for found in SHELL_INSTALL.finditer((ROOT / page).read_text())]
    set_up = [what for what in commands if what.strip() and what.strip() != "-e ."]
    assert set_up
    assert [what for what in set_up if ".ci/locks/" not in what] == []
