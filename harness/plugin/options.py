"""Options of ours: each feature names its own, with what else has to be known of them."""

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ..errors import HarnessError


@dataclass(frozen=True)
class Option:
    """An option of pytest; `given` is what argparse wants to know of it besides."""

    name: str
    help: str
    given: dict[str, Any] = field(default_factory=dict)
    path: bool = False
    """It takes a path: where that stands as a word of its own, pytest looks for its ini file near it."""
    carried: bool = False
    """Without it a cell of the run can't be repeated."""
    selects: bool = False
    """It says what is to be run, so there have to be cases."""

    @property
    def alone(self) -> bool:
        """Whether it is a word without a value."""
        return self.given.get("action") == "store_true"

    @property
    def field(self) -> str:
        """As pytest's own table of options has it."""
        return self.name.lstrip("-").replace("-", "_")


def seconds(text: str) -> float:
    """A time to wait: with one that isn't finite, such as nan, nobody would ever stop waiting."""
    found = float(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: must be a positive number of seconds, such as 120")
    return found


def count(text: str) -> int:
    """How many, at least one."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: must be a number of at least 1, such as 4")
    return int(text)


def several(metavar: str) -> dict[str, Any]:
    """Of an option that may be given more than once."""
    return {"action": "append", "default": [], "metavar": metavar}


def add(parser: pytest.Parser, options: Iterable[Option]) -> None:
    group = parser.getgroup("gradient conformance")
    for option in options:
        group.addoption(option.name, help=option.help, **option.given)


def check_given(config: pytest.Config, options: Iterable[Option]) -> None:
    """Raises HarnessError where an option was given an empty text, such as an unset variable of a shell."""
    for option in options:
        value = getattr(config.option, option.field)
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and not text.strip() for text in texts):
            raise HarnessError(f"{option.name}: was given an empty text; leave it out, or say what is meant")


PYTESTS = ("-c", "--config-file", "--rootdir", "-o", "--override-ini")
"""Options of pytest's own without which it may find other roots, adapters or interpreters."""


def carried(args: Sequence[str], options: Sequence[Option], here: Path) -> list[str]:
    """Those words of a command that one of its cells needs too, each option with its value in one word.

    A path that lies below the working directory `here` is told from there.
    """
    paths = {option.name for option in options if option.path}
    names = {*PYTESTS, *(option.name for option in options if option.carried)}
    alone = {option.name for option in options if option.alone}
    kept: list[str] = []
    for word, following in zip(args, [*args[1:], ""], strict=True):
        name, equals, _ = word.partition("=")
        if name in names:
            joined = following if equals else f"{name}{'=' * name.startswith('--')}{following}"
            told = word if equals or name in alone else joined
            kept.append(_from(here, told) if name in paths else told)
    return list(dict.fromkeys(kept))


def _from(here: Path, word: str) -> str:
    """`--option=PATH`, with what is left of the path from `here` where it lies below."""
    name, _, path = word.partition("=")
    return f"{name}={Path(path).relative_to(here)}" if Path(path).is_relative_to(here) else word
