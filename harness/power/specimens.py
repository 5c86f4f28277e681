"""The programs into which faults are put."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import HarnessError
from .networks import network

SHIPPED = ("notebooks", "published")
LARGE_LOGITS = 8
PENALISED = 8


# What is measured


@dataclass(frozen=True)
class Subject:
    """A case file to put faults into: a shipped one, or a random network in one of its kinds."""

    kind: str
    name: str
    text: str = ""
    root: str = ""


def subjects(networks: int, seed: int, root: Path) -> list[Subject]:
    """The shipped cases below `root`, random networks, and some with large logits and with a penalty."""
    if not any((root / theme).is_dir() for theme in SHIPPED):
        raise HarnessError(f"{root}: none of {', '.join(SHIPPED)} is here; `harness power` needs a checkout")
    shipped = [
        Subject("shipped", path.relative_to(root).as_posix(), root=str(root))
        for theme in SHIPPED
        for path in sorted((root / theme).glob("*.toml"))
    ]
    seeds = range(seed, seed + networks)
    return [
        *shipped,
        *(Subject("random", f"network_{s}", network(s)) for s in seeds),
        *_some(LARGE_LOGITS, networks, seed, "large_logits", large_logits),
        *_some(PENALISED, networks, seed, "penalised", penalised),
    ]


def _some(
    count: int, networks: int, seed: int, kind: str, change: Callable[[str], str | None]
) -> Iterator[Subject]:
    """The first changed networks after the random ones, of moderate size; at most as many as those."""
    found, s = 0, seed + networks
    while found < min(count, networks):
        text = change(network(s))
        if text is not None and int(re.findall(r"width (\d+)", text)[0]) <= 128:
            found += 1
            yield Subject(kind, f"{kind}_{s}", text)
        s += 1


def large_logits(text: str) -> str | None:
    """The network with logits of the order of 1000, whose exp no dtype holds; None where its loss has no logits."""
    if not re.search(r"^loss = (cross_entropy|bce_with_logits)\(", text, re.MULTILINE):
        return None
    return re.sub(r"^z = (.*)$", r"s = \1\nz = 1000 * s", text, flags=re.MULTILINE)


def penalised(text: str) -> str:
    """The network with an L2 penalty on its weights."""
    weights = re.findall(r"^(W\w+) = \{", text, re.MULTILINE)
    squares = " + ".join(f"sum_squares({w})" for w in weights)
    return re.sub(
        r"^loss = (.*)$", rf"data_loss = \1\nloss = data_loss + 0.5 * 0.01 * ({squares})", text, flags=re.MULTILINE
    )  # fmt: skip
