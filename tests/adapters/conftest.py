"""Where the frameworks' interpreters are found; one worker each for all tests that share it."""

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode leaves helpers beside a test out

from client import ADAPTERS, Client

FRAMEWORKS = sorted(folder.parent.name for folder in ADAPTERS.glob("*/adapter.py"))


def interpreter(name: str) -> list[str]:
    """The argv of that framework's interpreter; without one the test is skipped, or fails if required."""
    variable, tox = f"HARNESS_{name.upper()}", Path(".tox") / name / "bin" / "python"
    if variable in os.environ:
        return shlex.split(os.environ[variable])
    if (ADAPTERS.parent / tox).exists():
        return [str(ADAPTERS.parent / tox)]
    reason = f"no interpreter with {name}: {variable} is not set and {tox} does not exist (tox run -e {name})"
    if os.environ.get("HARNESS_REQUIRE") == "all":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A worker of one framework."""
    name = request.param
    client = Client(interpreter(name), ADAPTERS / name / "adapter.py")
    assert client.ready["type"] == "ready", client.ready["error"]
    yield client
    assert client.close() == 0, client.logged()
