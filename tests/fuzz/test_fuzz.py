"""The fuzz targets, run shortly and always alike: seeds, and what was once found, and a few seconds of mutations.

The long form, guided by coverage, is `campaign.py`; README.md has what came of it.
"""

import importlib
import sys
import time
import tomllib
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
SEED = 20261124
INPUTS = {
    "case": 150,
    "program": 1_500,
    "run": 1_500,
    "contents": 800,
    "ledger": 500,
    "expression": 1_500,
    "message": 2_500,
    "npy": 400,
    "kept": 800,
}


@pytest.fixture(scope="module")
def targets() -> Any:
    """The module, found beside this file as the campaign finds it."""
    sys.path.insert(0, str(HERE))
    try:
        yield importlib.import_module("targets")
    finally:
        sys.path.remove(str(HERE))


def test_every_target_is_run_here_and_has_its_share_of_a_campaign(targets: ModuleType) -> None:
    assert set(INPUTS) == set(targets.TARGETS)
    assert sum(target.share for target in targets.TARGETS.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", INPUTS)
def test_nothing_but_our_own_errors_comes_out(targets: ModuleType, name: str) -> None:
    target, random = targets.TARGETS[name], Random(SEED)
    corpus = target.seeds()
    for _ in range(INPUTS[name]):
        data = target.mutated(random.choice(corpus), random)
        try:
            target(data)
        except Exception as error:
            error.add_note(f"input: {data!r}")
            raise
        if random.random() < 0.05:
            corpus.append(data)


@pytest.mark.parametrize("name", INPUTS)
def test_the_seeds_are_read(targets: ModuleType, name: str) -> None:
    """From a seed that is refused at the first byte nothing is learnt."""
    seeds = targets.TARGETS[name].seeds()
    for data in seeds[:: max(1, len(seeds) // 10)]:
        targets.TARGETS[name](data)


@pytest.mark.parametrize("name", INPUTS)
def test_a_target_finds_what_escapes_and_what_takes_too_long(targets: ModuleType, name: str) -> None:
    """Otherwise it would find nothing in a reader that is broken."""

    def escapes(data: bytes) -> None:
        raise KeyError(data)

    def slow(data: bytes) -> None:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    given = targets.TARGETS[name]
    with pytest.raises(KeyError):
        targets.Target(escapes, given.seeds, given.change, given.share)(b"x")
    with pytest.raises(targets.TooSlow):
        targets.Target(slow, given.seeds, given.change, given.share, seconds=0.01)(b"x")


def test_a_changed_case_is_still_toml_and_often_a_case(targets: ModuleType) -> None:
    """The changes reach what lies behind the parser."""
    from gradient_conformance.harness.case.loading import load
    from gradient_conformance.harness.errors import CaseError

    random, found = Random(SEED), {"toml": 0, "case": 0}
    shipped = sorted((HERE.parents[1] / "cases").rglob("*.toml"))
    seeds = [data for path in shipped if b"exact = true" not in (data := path.read_bytes())]
    for _ in range(100):
        try:
            changed = targets.change_case(random.choice(seeds), random)
            tomllib.loads(changed.decode())
            found["toml"] += 1
            with targets.file("x.toml", changed) as path, targets.less_is_allowed():
                load(path, path.parent)
            found["case"] += 1
        except (ValueError, CaseError):
            continue
    assert found["toml"] > 60
    assert found["case"] > 5
