"""Are the calls named that are faulty, one fault or two at once? The sixty faults in small random networks.

    python -m benchmarks.studies.faults_by_calls                  # ten networks, six pairs of faults a cell
    python -m benchmarks.studies.faults_by_calls 30 --pairs 20

One fault: every alarm has to name one part that is faulty, and all parts that are plainly so. Two: where each is visible
alone, both have to be named together. It may be that one fault undoes the other: no part of it errs any more, since a
cotangent has become 0 or both replace one function. Those pairs are counted apart.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.power.faults import load_faults
from gradient_conformance.harness.power.networks import network
from gradient_conformance.harness.power.specimens import penalised
from gradient_conformance.harness.power.traced import Traced, placement, traced
from gradient_conformance.harness.references.variant import VariantReference

from .. import common

FAULTS = Path(__file__).parents[2] / "tests" / "faults"
ELEMENTS = 12_000
"""Of all names of a network, at most."""
PENALISED = 3
"""Every third network has a penalty on its weights."""


@dataclass(frozen=True)
class Pair:
    """Two faults in one cell, each alone and both together."""

    names: tuple[str, str]
    alone: tuple[Traced, Traced]
    together: Traced

    @property
    def visible(self) -> list[bool]:
        """Which of them is named when it is alone."""
        return [one.names(one.faulty.keys()) for one in self.alone]

    @property
    def named(self) -> list[bool]:
        """Which of them is named beside the other."""
        return [self.together.names(one.faulty.keys()) for one in self.alone]

    @property
    def undone(self) -> bool:
        """Whether one of them does nothing beside the other."""
        return any(one.faulty.keys().isdisjoint(self.together.faulty.keys()) for one in self.alone)


class Faults:
    """The faults in one cell, each traced when it is first asked for."""

    def __init__(self, implementation: Any, variant: Variant, dtype: str) -> None:
        self.implementation, self.variant = implementation, variant
        wanted = VariantReference(variant)
        self.problem = implementation.Problem(
            wanted.program.nodes, wanted.inputs_at(0, {}), wanted.cotangents, variant.values,
            variant.gradients, dtype,
        )  # fmt: skip
        ops = {node.op for node in variant.program.nodes}
        self.names = [
            name
            for name, fault in implementation.FAULTS.items()
            if dtype in fault.dtypes and fault.kind != "optimizer" and (not fault.ops or fault.ops & ops)
        ]
        self._alone: dict[str, Traced] = {}

    def traced(self, *names: str) -> Traced:
        faults = [self.implementation.FAULTS[name] for name in names]
        return traced(self.implementation, self.problem, self.variant, faults)

    def alone(self, name: str) -> Traced:
        if name not in self._alone:
            self._alone[name] = self.traced(name)
        return self._alone[name]

    def pairs(self, count: int, rng: random.Random) -> Iterator[Pair]:
        for _ in range(count):
            one, other = rng.sample(self.names, 2)
            yield Pair((one, other), (self.alone(one), self.alone(other)), self.traced(one, other))


def variants(count: int, first: int = 0) -> Iterator[Variant]:
    """The first small networks, some of them with a penalty."""
    seed = first
    while count:
        made = network(seed)
        [variant] = parse(
            (penalised(made) if seed % PENALISED == 0 else made).text, f"network_{seed}"
        ).variants
        seed += 1
        if sum(math.prod(spec.shape) for spec in variant.specs.values()) <= ELEMENTS:
            count -= 1
            yield variant


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("networks", type=int, nargs="?", default=10, help="how many (default: 10)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--pairs", type=int, default=6, help="pairs of faults a cell (default: 6)")
    arguments = parser.parse_args()
    implementation, rng = load_faults(FAULTS), random.Random(1)  # noqa: S311 (reproducible, not secret)
    chosen = list(variants(1 if arguments.quick else arguments.networks, arguments.first))
    cells = [Faults(implementation, variant, dtype) for variant in chosen for dtype in variant.dtypes]
    with common.kept("faults_by_calls", "benchmarks.studies.faults_by_calls", arguments.write):
        print(f"{common.machine()}\n{len(chosen)} networks, {len(cells)} cells")
        found = [pair for cell in cells for pair in cell.pairs(arguments.pairs, rng)]
        print("\n".join((*singles(cells), *of_pairs(found))))


def singles(cells: Sequence[Faults]) -> Iterator[str]:
    """How one fault is placed, and that a correct implementation has no alarm."""
    counts: Counter[str] = Counter()
    for cell in cells:
        counts["alarms in correct cells"] += len(cell.traced().judged.alarms)
        for name in cell.names:
            found = placement(cell.alone(name))
            counts["alarms"] += found.alarms
            counts["false alarms"] += len(found.false)
            counts["faults that a call shows"] += bool(found.alarms or found.unnamed)
            counts["placed exactly"] += bool(found.alarms) and found.exact
            if not found.exact:
                yield f"  {cell.variant.case_name} {cell.problem.dtype} {name}: {found}"
    yield "one fault: " + ", ".join(f"{n} {what}" for what, n in counts.items())


def of_pairs(pairs: Sequence[Pair]) -> Iterator[str]:
    """Of how many pairs both are named where both are visible, and which are not."""
    visible = [pair for pair in pairs if all(pair.visible)]
    both = [pair for pair in visible if all(pair.named)]
    left = [pair for pair in visible if not all(pair.named)]
    undone = [pair for pair in left if pair.undone]
    alarms = sum(len(pair.together.judged.alarms) for pair in pairs)
    false = sum(len(placement(pair.together).false) for pair in pairs)
    yield f"two faults: {len(pairs)} pairs, both visible alone in {len(visible)}; together both named in {len(both)}"
    yield f"  of the rest {len(undone)} in which one undoes the other; {false} of {alarms} alarms false"
    for pair in left:
        told = "one undoes the other" if pair.undone else "both err"
        yield f"  {' + '.join(pair.names)} {pair.together.trace.dtype}: {told}"


if __name__ == "__main__":
    main()
