"""`port`: the original exported to a case, both models run at the same numbers, and what differs told."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from ....reference.backprop import forward
from ....reference.contexts import EXACT
from ...case.variant import Variant
from ...frameworks.found import Framework, shipped_adapters
from ...judging.trace import argument_name
from ...reading.elements import Array
from ...references.training import Walk
from ...references.variant import VariantReference
from ..checking import MODE
from ..errors import OwnError
from ..exported import Exported
from .differing import Compares, Sources, compares
from .door import Described, Model
from .layouts import Parameter
from .pairing import Pairing, paired
from .told import Laid, Reader, Told, laid

COLUMN = Framework("theirs", shipped_adapters(), (MODE,), frozenset({MODE}), shipped_adapters(), strict=False)
"""The column of a port: what it doesn't show isn't held against it."""


def pairs_of(file: Path) -> dict[str, dict[str, str]]:
    """The pairs of a file: by the port's path the original's name, or a table with `of` and `layout`. Raises OwnError."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8")).get("pairs", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OwnError(f"--pairs {file}: {error}") from None
    pairs = {path: {"of": said} if isinstance(said, str) else said for path, said in found.items()}
    for path, said in pairs.items():
        if not (isinstance(said, dict) and "of" in said and set(said) <= {"of", "layout"}):
            raise OwnError(
                f'--pairs {file}: {path}: should be "NAME", or {{ of = "NAME", layout = "transposed" }}'
            )
    if not pairs:
        raise OwnError(f'--pairs {file}: has no pairs: [pairs], and below it "dense/kernel" = "first.weight"')
    return pairs


@dataclass(frozen=True)
class Porting:
    """An original and its port, with their parameters paired."""

    exported: Exported
    reference: VariantReference
    original: Described
    port: Model
    theirs: Described
    pairing: Pairing
    told: dict[int | None, Told] = field(default_factory=dict)
    """By training step, once it has run."""

    @classmethod
    def of(
        cls,
        exported: Exported,
        variant: Variant,
        original: Described,
        port: Model,
        given: Mapping[str, Mapping[str, str]],
    ) -> Self:
        """Paired; `given` are the pairs that the person says. Raises OwnError where the two can't be compared."""
        _check_drawn(exported)
        own = parameters_of(exported, variant, original)
        if any(not np.array_equal(exported.tensors[p.name], original.parameters[p.path]) for p in own):
            raise OwnError("the original has other numbers each time that it is made: seed what it draws")
        theirs = port.described()
        shapes = {path: a.shape for path, a in theirs.parameters.items()}
        pairing = paired(own, theirs.places, shapes, given)
        return cls(exported, VariantReference(variant), original, port, theirs, pairing)

    def check_paired(self) -> None:
        """Raises OwnError for parameters of the port whose numbers nobody knows; those of one number, as of a bias, may stay."""
        pairing, parameters = self.pairing, self.theirs.parameters
        unknown = {p: a for p, a in parameters.items() if p in pairing.left_of_port and np.ptp(a) > 0}
        if unknown:
            ours = ", ".join(f"{p.name} {list(p.shape)}" for p in pairing.left) or "nothing"
            left = ", ".join(f"{path} {list(a.shape)}" for path, a in unknown.items())
            raise OwnError(
                f"not paired: of the port {left}; of the original {ours}\n"
                'say which is which with --pairs FILE.toml: [pairs], and a line each, "PORT\'S PATH" = "ORIGINAL\'S NAME"'
            )

    def compares(self) -> Compares:
        """Run the port, in each step of a training with the parameters that its own gradients lead to, and judge it."""
        moved: dict[tuple[str, int], Array] = {}
        variant = self.reference.variant
        if variant.training is None:
            self.told[None] = self._at(self.reference.inputs)
        else:
            walk = self.reference.walk()
            for step in range(variant.training.steps):
                self.told[step] = self._at(walk.inputs())
                moved |= {(name, step): a for name, a in self._moved(walk, self.told[step]).items()}
        dtype = str(np.result_type(*(a.dtype for told in self.told.values() for a in told.values.values())))
        return compares(
            self.reference, COLUMN, self.told, moved, dtype if dtype in variant.dtypes else "float64"
        )

    def _moved(self, walk: Walk, told: Told) -> dict[str, Array]:
        """The parameters after a step of the case's optimizer by the port's gradients."""
        hidden = [n for n in walk.parameters if n not in told.gradients]
        shown = {n: np.asarray(told.gradients[n], np.float64) for n in walk.parameters if n not in hidden}
        walk.took({**shown, **self.reference.gradients_at(walk.inputs(), hidden)}, derived=hidden)
        found = walk.moved(EXACT)
        walk.go_on(found, self.reference.values_at(walk.inputs(), walk.becomes.values()))
        return found

    def _at(self, inputs: Mapping[str, Array]) -> Told:
        """What the port gives at the case's inputs."""
        own = {p.name: np.asarray(inputs[p.name]) for p in self.pairing.original}
        parameters = [
            self.pairing.theirs(own, path) if path in self.pairing.pairs else a
            for path, a in self.theirs.parameters.items()
        ]
        wide = [
            a if name is None else np.asarray(inputs[name])
            for name, a in zip(self._laid.names, self.original.inputs, strict=True)
        ]
        reference = self.reference
        cotangent = reference.cotangents[self.exported.output] if reference.variant.upstream else None
        gave = self.port.run(
            parameters, self._laid.given(wide), cotangent, training=bool(self.exported.training)
        )
        with np.errstate(all="ignore"):
            right = forward(self.reference.program, dict(inputs))
        return Reader(self.exported, self.pairing, self._laid, self.theirs, right).told(gave)

    @cached_property
    def _laid(self) -> Laid:
        names = [name for name, kind in self.exported.kinds.items() if kind == "input"]
        return laid(self.original, self.theirs, names)

    @property
    def sources(self) -> Sources:
        """Both sides' lines, of the first step."""
        nodes = self.reference.program.nodes
        held = {
            name: self.theirs.places[path] for path, pair in self.pairing.pairs.items() for name in pair.ours
        }
        return Sources(self.exported, nodes, next(iter(self.told.values())), held)


def _check_drawn(exported: Exported) -> None:
    drawn = (name for name, kind in exported.kinds.items() if kind == "data")
    if any(re.fullmatch(r"kept(_\d+)?|rand\w*", name) for name in drawn):
        raise OwnError(
            "the original draws random numbers, as dropout does, and its port would draw others: set the rate to 0, or call eval()"
        )


def parameters_of(exported: Exported, variant: Variant, original: Described) -> list[Parameter]:
    """The original's parameters and running statistics that the case has, with the call that reads each."""
    reads: dict[str, tuple[str, str]] = {}
    for node in variant.program.nodes:
        for k, a in enumerate(node.args):
            if isinstance(a, str):
                reads.setdefault(a, (node.op, argument_name(node, k)))
    found = []
    for path, array in original.parameters.items():
        bare = re.sub(r"\W", "_", path)
        name = next((n for n in (bare, f"b_{bare}") if n in exported.kinds), None)
        if name is not None and exported.tensors[name].shape == array.shape:
            found.append(Parameter(name, array.shape, path, *reads.get(name, ("", ""))))
    return found
