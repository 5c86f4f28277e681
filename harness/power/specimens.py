"""The programs into which faults are put."""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..case.loading import load, parse
from ..case.variant import Case
from ..errors import HarnessError
from .networks import DEEP_AND_WIDE, Network, network

SHIPPED = ("notebooks", "published")
LARGE_LOGITS = 8
PENALISED = 8
DEEP_WIDE = 10
PLACED, PLACED_ELEMENTS = 10, 20_000
"""So many random networks, of at most so many numbers, in which every fault is judged call by call: a minute each."""
WIDEST = 128
"""Of the networks that are changed."""


@dataclass(frozen=True)
class Specimen:
    """A case to put faults into: a shipped one below `root`, or the text of a random network in one of its kinds."""

    kind: str
    name: str
    text: str = ""
    root: Path = Path()
    placed: bool = False
    """Whether every fault is judged call by call, to see what is blamed: those too that the whole catches already."""

    def case(self) -> Case:
        return parse(self.text, self.name) if self.text else load(self.root / f"{self.name}.toml", self.root)


def specimens(networks: int, seed: int, root: Path, ops: Collection[str]) -> list[Specimen]:
    """The shipped cases below `root` that consist of these ops, random networks, and some with large logits, with a penalty, deep and wide.

    `ops` are those that the implementation with the faults has.
    """
    if not any((root / theme).is_dir() for theme in SHIPPED):
        raise HarnessError(f"{root}: none of {', '.join(SHIPPED)} is here; `harness power` needs a checkout")
    shipped = [
        Specimen("shipped", path.relative_to(root).with_suffix("").as_posix(), root=root)
        for theme in SHIPPED
        for path in sorted((root / theme).glob("*.toml"))
    ]
    return [
        *(one for one in shipped if _ops(one.case()) <= set(ops)),
        *_random(range(seed, seed + networks)),
        *_some(LARGE_LOGITS, networks, seed, "large_logits", large_logits),
        *_some(PENALISED, networks, seed, "penalised", penalised),
        *(
            Specimen("deep_wide", f"deep_wide_{s}", network(s, DEEP_AND_WIDE).text)
            for s in range(seed, seed + min(DEEP_WIDE, networks))
        ),
    ]


def _ops(case: Case) -> set[str]:
    return {node.op for variant in case.variants for node in variant.program.nodes}


def _random(seeds: range) -> Iterator[Specimen]:
    """Random networks, the first small ones among them to be looked into."""
    left = PLACED
    for s in seeds:
        made = network(s)
        size = sum(math.prod(tensor["shape"]) for tensor in made.tensors.values())
        small = left > 0 and size <= PLACED_ELEMENTS
        left -= small
        yield Specimen("random", f"network_{s}", made.text, placed=small)


def _some(
    count: int, networks: int, seed: int, kind: str, change: Callable[[Network], Network | None]
) -> Iterator[Specimen]:
    """The first changed networks after the random ones, of moderate size; at most as many as those."""
    found, s = 0, seed + networks
    while found < min(count, networks):
        changed = change(network(s))
        if changed is not None and changed.width <= WIDEST:
            found += 1
            yield Specimen(kind, f"{kind}_{s}", changed.text)
        s += 1


def large_logits(given: Network) -> Network | None:
    """The network with logits of the order of 1000, whose exp no dtype holds; None where its loss has no logits."""
    if not given.program["loss"].startswith(("cross_entropy(", "bce_with_logits(")):
        return None
    return _with(given, "z", {"s": given.program["z"], "z": "1000 * s"})


def penalised(given: Network) -> Network:
    """The network with an L2 penalty on its weights."""
    squares = " + ".join(f"sum_squares({name})" for name in given.tensors if name.startswith("W"))
    loss = f"data_loss + 0.5 * 0.01 * ({squares})"
    return _with(given, "loss", {"data_loss": given.program["loss"], "loss": loss})


def _with(given: Network, name: str, new: dict[str, str]) -> Network:
    """The network with several assignments in place of one."""
    program: dict[str, str] = {}
    for known, expression in given.program.items():
        program |= new if known == name else {known: expression}
    return replace(given, program=program)
