"""Whole programs held to numerical derivatives with 50 digits."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.program import Program
from ...reference.rounding import Reference
from ..case.variant import Variant
from ..references.variant import VariantReference
from .derivatives import digits_for, is_float, tensors
from .numbers import MP, MpArray, exact, objects
from .ops import TRUTH
from .rows import SMALLEST_NORMAL, U

OWN_SHARE = 1 / math.sqrt(2)
"""Of the float64 tolerance: its root of 2 is the reference's own rounding beside the framework's."""
UNCERTAIN = MP.mpf("1e-20")
"""Relative to a tensor's scale: nearer than this a program's one-sided slopes aren't known."""
SMALL = 400
"""Input elements of a program that is certified unasked."""
DIFFERENTIATED = 90
"""Gradient elements that are differentiated in each program, at most: two evaluations with 50 digits each."""
EVALUATED = 36_000
"""Of these so many that, times the program's input elements, they stay below this: larger programs take longer."""
LARGEST = 20_000
"""Input elements of a program that can be evaluated with 50 digits in reasonable time."""


@dataclass(frozen=True)
class ProgramCertificate:
    """One case variant: the largest errors over all tensors, in u of a tensor's scale and as share of its tolerance."""

    name: str
    checked: int
    elements: int
    value: float
    gradient: float
    share: float
    problems: tuple[str, ...]


def evaluate_program(
    program: Program, inputs: Mapping[str, Any], probes: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Every value of the program by name, inputs included; labels and conditions stay integers and bools.

    `probes` are added to the values that they name, inputs and intermediates alike.
    """
    probes = probes or {}
    environment: dict[str, Any] = {}

    def bind(name: str, value: Any) -> None:
        environment[name] = objects(value + exact(probes[name])) if name in probes else value

    for name, value in inputs.items():
        bind(name, exact(value) if is_float(value) else np.asarray(value))
    for node in program.nodes:
        arguments = [environment[arg] if isinstance(arg, str) else arg for arg in node.args]
        outputs = tensors(TRUTH[node.op].forward(*arguments, **node.kw))
        for name, value in zip(node.outs, outputs, strict=True):
            bind(name, value)
    return environment


def is_small(variant: Variant) -> bool:
    """Whether a program is certified unasked."""
    return _size(variant) <= SMALL


def _size(variant: Variant) -> int:
    return sum(source.size for source in variant.sources.values())


def certify_program(variant: Variant) -> ProgramCertificate:
    """Every value, and every gradient of a float tensor, at the inputs of the case (the first step of a training).

    Above `DIFFERENTIATED` gradient elements, so many are drawn at random, of each tensor its part.
    """
    name = f"{variant.case_name}::{variant.id}".removesuffix("::")
    if _size(variant) > LARGEST:
        problem = f"{name}: {_size(variant)} input elements are too many for 50 digits; at most {LARGEST}"
        return ProgramCertificate(name, 0, 0, math.nan, math.nan, math.nan, (problem,))
    return _Program(variant).certificate(name)


class _Program:
    """A variant's reference beside its truth, at the inputs of its first step."""

    def __init__(self, variant: Variant) -> None:
        wanted = VariantReference(variant)
        parameters = variant.training.parameters if variant.training else ()
        self.variant, self.program = variant, wanted.program
        self.inputs = wanted.inputs_at(0, {n: wanted.inputs[n] for n in parameters})
        self.cotangent = exact(1.0 if wanted.cotangent is None else wanted.cotangent)
        self.values = [name for node in self.program.nodes for name in node.outs]
        self.gradients = [n for n, a in self.inputs.items() if a.dtype.kind == "f"]
        self.due = wanted.at(self.inputs, self.values, self.gradients, "float64")

    def certificate(self, name: str) -> ProgramCertificate:
        if strange := [key for key, e in self.due.items() if not np.isfinite([e.value, e.sigma]).all()]:
            problem = f"{name}: {strange[0][0]} of {strange[0][1]} or its tolerance is not finite, of which 50 digits say nothing"
            return ProgramCertificate(name, 0, 0, math.nan, math.nan, math.nan, (problem,))
        with MP.workdps(digits_for(evaluate_program(self.program, self.inputs).values())):
            truth = evaluate_program(self.program, self.inputs)
            values = [self._against(("value", n), dict(np.ndenumerate(truth[n]))) for n in self.values]
            places = {n: self._places(n) for n in self.gradients}
            start = self._sum({})
            slopes = {n: {p: self._slope(n, p, start) for p in places[n]} for n in self.gradients}
            gradients = [self._against(("gradient", n), slopes[n]) for n in self.gradients]
        found = [*values, *gradients]
        return ProgramCertificate(
            name,
            sum(map(len, places.values())),
            sum(self.inputs[n].size for n in self.gradients),
            max((u for u, _, _ in values), default=0.0),
            max((u for u, _, _ in gradients), default=0.0),
            max(share for _, share, _ in found),
            tuple(f"{name}: {text}" for _, share, text in found if not share <= OWN_SHARE),
        )

    def _places(self, name: str) -> list[tuple[int, ...]]:
        places = list(np.ndindex(self.inputs[name].shape))
        total = max(sum(self.inputs[n].size for n in self.gradients), 1)
        most = min(DIFFERENTIATED, EVALUATED // total)
        if total <= most:
            return places
        count = min(len(places), max(most // len(self.gradients), 2))
        chosen = np.random.default_rng(3).choice(len(places), count, replace=False)
        return [places[i] for i in chosen]

    def _slope(self, name: str, place: tuple[int, ...], start: Any) -> Any:
        """The derivative of sum(cotangent * output): at a kink, between those of both sides the one nearest to ours.

        The caller sets the working digits, and gives the sum at the inputs themselves.
        """
        x = self.inputs[name]
        h = MP.mpf("1e-25") * abs(exact(x[place])[()] or 1)
        probe = exact(np.zeros(x.shape))
        sides = []
        for step in (h, -h):
            probe[place] = step
            sides.append((self._sum({name: probe}) - start) / step)
        return min(max(exact(self.due["gradient", name].value[place])[()], min(sides)), max(sides))

    def _sum(self, probes: Mapping[str, MpArray]) -> Any:
        return np.sum(
            self.cotangent * evaluate_program(self.program, self.inputs, probes)[self.variant.output]
        )

    def _against(
        self, key: tuple[str, str], truth: Mapping[tuple[int, ...], Any]
    ) -> tuple[float, float, str]:
        """The largest error in u of the tensor's scale, as a share of the tolerance, and what to say of it."""
        due: Reference = self.due[key]
        tolerance = due.tolerance("float64")
        scale = max((abs(v) for v in truth.values()), default=MP.zero)
        worst = 0.0, 0.0, ""
        for place, right in truth.items():
            error = float(abs(exact(due.value[place])[()] - right))
            error = error if error > UNCERTAIN * scale else 0.0
            share = error / float(tolerance[place]) if error and tolerance[place] else math.inf * bool(error)
            text = (
                f"{key[0]} of {key[1]}{list(place)} is {due.value[place]!r}, should be {MP.nstr(right, 20)}: "
                f"{share:.3g} of its float64 tolerance, {OWN_SHARE:.2f} allowed"
            )
            units = float(error / (U * max(scale, SMALLEST_NORMAL)))
            worst = max(worst[0], units), *max(worst[1:], (share, text))
        return worst
