"""Runs with real workers, and nothing of them is left."""

import time
import uuid

import pytest
from house import (
    ADAPTER,
    AT_THE_START,
    CASE,
    FAKES,
    IN_THE_CELL,
    MARKER,
    SOON,
    STRUCK,
    Run,
    assert_nothing_lives,
)


@pytest.fixture
def marker(monkeypatch):
    """Put into the environment of whatever is started, so that what is left of it is found."""
    value = uuid.uuid4().hex
    monkeypatch.setenv(MARKER, value)
    return value


@pytest.fixture
def house(tmp_path):
    """A folder with a case and adapters, which may have a fault; gives `(case root, adapter folder)`."""

    def build(*faults, start=(), sizes=(1, STRUCK, 4)):
        case = tmp_path / "cases" / "tiny" / "layer.toml"
        case.parent.mkdir(parents=True)
        case.write_text(CASE.format(sizes=list(sizes)))
        for name in ("faultless", *faults, *start):
            folder = tmp_path / "adapters" / name
            folder.mkdir(parents=True)
            body = {"faultless": "from numpy_adapter import differentiate\n"}.get(
                name, AT_THE_START if name in start else IN_THE_CELL
            )
            (folder / "adapter.py").write_text(ADAPTER.format(fakes=str(FAKES)) + body.format(name=name))
            (folder / "requirements.txt").write_text(
                "numpy\na-distribution-that-nobody-has==1.0\npytest==0.1\n"
            )
        return tmp_path / "cases", tmp_path / "adapters"

    return build


@pytest.fixture
def running(house, marker):
    """Makes a Run; at the end it is closed in bounded time, and nothing of it lives."""
    runs = []

    def start(*faults, timeout=SOON, interpreters=(), at_start=(), sizes=(1, STRUCK, 4), **more):
        root, adapters = house(*faults, start=at_start, sizes=sizes)
        runs.append(Run(root, adapters, interpreters=dict(interpreters), timeout=timeout, **more))
        return runs[-1]

    yield start
    for run in runs:
        begin = time.monotonic()
        run.engine.close()
        assert time.monotonic() - begin < 6
    assert_nothing_lives(marker)
