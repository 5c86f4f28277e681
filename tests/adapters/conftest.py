"""One worker for each framework, for all tests that share it."""

from collections.abc import Iterator

import pytest
from client import ADAPTERS, Client, interpreter

FRAMEWORKS = sorted(folder.parent.name for folder in ADAPTERS.glob("*/adapter.py"))


@pytest.fixture(scope="session", params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A worker of one framework."""
    name = request.param
    client = Client(interpreter(name), ADAPTERS / name / "adapter.py")
    assert client.ready["type"] == "ready", client.ready["error"]
    yield client
    assert client.close(told=True) == 0, client.logged()
