"""What all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case
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
