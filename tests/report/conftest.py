"""A folder with a case root and a ledger, in which reports are made."""

import pytest
import runs


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: needs Debian's chromium and chromium-driver, and selenium")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory of a small project."""
    for name, text in (
        ("cases/notebooks/hostile.toml", runs.CASE),
        ("adapters/mxnet/deviations.toml", runs.LEDGER),
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path
