"""Whole programs held to numerical derivatives with 50 digits."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...reference.ops import OPS
from ...reference.program import Node, Program
from ...reference.rounding import Reference
from ..case.variant import Variant
from ..references.variant import VariantReference
from .derivatives import digits_for, is_float, steps_at, tensors
from .numbers import MP, MpArray, exact, objects
from .ops import TRUTH
from .rows import SMALLEST_NORMAL, U

SIDES, FAR = 8, 1e4
"""So many points around one at a kink are looked at, so many steps of a difference away."""
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
    program: Program,
    inputs: Mapping[str, Any],
    probes: Mapping[str, Any] | None = None,
    held: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every value of the program by name, inputs included; labels, places and conditions are integers and bools.

    `probes` are added to the values that they name, inputs and intermediates alike. What is held (by calls that hold their
    arguments, and an embedding's row for padding) is as `held` has it, the values without probes: no derivative sees it move.
    """
    probes = probes or {}
    environment: dict[str, Any] = {}

    def bind(name: str, value: Any) -> None:
        environment[name] = objects(value + exact(probes[name])) if name in probes else value

    for name, value in inputs.items():
        bind(name, exact(value) if is_float(value) else np.asarray(value))
    for node in program.nodes:
        arguments = [environment[arg] if isinstance(arg, str) else arg for arg in node.args]
        outputs = _held(node, arguments, held or environment)
        outputs = outputs or tensors(TRUTH[node.op].forward(*arguments, **node.kw))
        for name, value, dtype in zip(node.outs, outputs, OPS[node.op].given(len(outputs)), strict=True):
            bind(name, value if dtype == "float" else np.asarray(value).astype(dtype))
    return environment


def _held(node: Node, arguments: list[Any], before: Mapping[str, Any]) -> tuple[Any, ...]:
    """The outputs of a call that holds its argument, or a part of it; none of any other."""
    truth = TRUTH[node.op]
    if truth.held:
        held = (before[arg] if isinstance(arg, str) else arg for arg in node.args)
        return tensors(truth.forward(*held, **node.kw))
    if node.op == "embedding" and node.kw["padding_idx"] is not None:
        labels, table = arguments
        rows, padding = table.copy(), node.kw["padding_idx"]
        rows[padding] = before[str(node.args[1])][padding]
        return (truth.forward(labels, rows),)
    return ()


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
        self.cotangents = {name: exact(g) for name, g in wanted.cotangents.items()}
        assigned = [name for node in self.program.nodes for name in node.outs]
        self.values = [name for name in assigned if variant.specs[name].dtype == "float"]
        floats = [n for n, a in self.inputs.items() if a.dtype.kind == "f"]
        self.due = wanted.at(self.inputs, self.values, floats, "float64")
        self.gradients = [n for n in floats if n in variant.gradients or self._is_finite(("gradient", n))]
        """Those that are compared, and all others that there are: towards t, that of t log(0) is infinite."""

    def certificate(self, name: str) -> ProgramCertificate:
        asked = [*(("value", n) for n in self.values), *(("gradient", n) for n in self.gradients)]
        if strange := [key for key in asked if not self._is_finite(key)]:
            problem = f"{name}: {strange[0][0]} of {strange[0][1]} or its tolerance is not finite, of which 50 digits say nothing"
            return ProgramCertificate(name, 0, 0, math.nan, math.nan, math.nan, (problem,))
        with MP.workdps(digits_for(evaluate_program(self.program, self.inputs).values())):
            truth = evaluate_program(self.program, self.inputs)
            values = [self._against(("value", n), dict(np.ndenumerate(truth[n]))) for n in self.values]
            places = {n: self._places(n) for n in self.gradients}
            slopes = {n: {p: self._slope(n, p, truth) for p in places[n]} for n in self.gradients}
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

    def _is_finite(self, key: tuple[str, str]) -> bool:
        return bool(np.isfinite([self.due[key].value, self.due[key].sigma]).all())

    def _places(self, name: str) -> list[tuple[int, ...]]:
        """Those at which derivatives are taken: what is infinite can't be moved."""
        places = [tuple(map(int, place)) for place in np.argwhere(np.isfinite(self.inputs[name]))]
        total = max(sum(self.inputs[n].size for n in self.gradients), 1)
        most = min(DIFFERENTIATED, EVALUATED // total)
        if total <= most:
            return places
        count = min(len(places), max(most // len(self.gradients), 2))
        chosen = np.random.default_rng(3).choice(len(places), count, replace=False)
        return [places[i] for i in chosen]

    def _slope(self, name: str, place: tuple[int, ...], truth: Mapping[str, Any]) -> Any:
        """The derivative of sum(cotangent * output): at a kink, between those of all sides the one nearest to ours.

        The caller sets the working digits, and gives the values at the inputs themselves.
        """
        step = steps_at(exact(self.inputs[name]))[place]
        due: Reference = self.due["gradient", name]
        ours, allowed = exact(due.value[place])[()], exact(due.tolerance("float64")[place])[()]

        def slope(step: Any, beside: Mapping[str, MpArray], start: Mapping[str, Any]) -> Any:
            probe = beside.get(name, exact(np.zeros(self.inputs[name].shape))).copy()
            probe[place] += step
            moved = evaluate_program(self.program, self.inputs, {**beside, name: probe}, truth)
            return (self._total(moved) - self._total(start)) / step

        sides = [slope(step, {}, truth), slope(-step, {}, truth)]
        if not min(sides) - allowed <= ours <= max(sides) + allowed:
            for beside in self._beside():
                start = evaluate_program(self.program, self.inputs, beside, truth)
                sides.append(slope(step, beside, start))
        return min(max(ours, min(sides)), max(sides))

    def _total(self, values: Mapping[str, Any]) -> Any:
        return sum(np.sum(g * values[name]) for name, g in self.cotangents.items())

    def _beside(self) -> Iterator[dict[str, MpArray]]:
        """What moves the inputs to either side of every kink that they are at, and nowhere else: three equal numbers have six orders."""
        random = np.random.default_rng(5)
        finite = {n: a for n, a in self.inputs.items() if a.dtype.kind == "f" and np.isfinite(a).all()}
        for _ in range(SIDES):
            yield {
                n: objects(FAR * steps_at(exact(a)) * exact(random.uniform(-1, 1, a.shape)))
                for n, a in finite.items()
            }

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
