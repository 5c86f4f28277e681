"""How many faults are caught, and how often a correct implementation is called wrong: measured, for us and for others.

Faults are small changes of a correct NumPy implementation (`tests/faults`). Each is put into every cell in which it
applies: evaluated exactly, it moves some compared element by more than u of its tensor's scale. "Exactly" is float64
for a float32 cell; for a float64 cell it is float64 where the movement is beyond its rounding errors by far, and
longdouble (64 bits of significand on x86-64) where it is not.

The reference and its tolerances are worked out once a cell; every fault, and the correct implementation itself, is then
judged by every rule on the same arrays. With `by_calls` a fault is caught where a call of its trace is wrong by itself, or
the whole is. So those that the whole catches need no trace, but in some cells every fault is traced to see what is blamed.
"""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ...reference.formats import FORMATS
from ...reference.optimizers import OPTIMIZERS
from ...reference.rounding import expected, seed_of
from ..case.variant import Variant
from ..judging.comparing import compare
from ..references.row import References, scales
from ..references.variant import Array, VariantReference
from ..roles import Key
from ..verdict import Verdict
from .faults import load_faults
from .rules import CALLS, OURS, RULES, SCHEMES, rule_rejects
from .specimens import Specimen
from .traced import Placement, placement, traced

CERTAIN = 1e-13
"""A movement beyond this share of the scale is no rounding error of a float64 evaluation."""
Answer = Mapping[Key, Array]


@dataclass
class CellResult:
    """What every rule says of one cell: of the correct implementation, and of each fault that applies."""

    name: str
    kind: str
    dtype: str
    depth: int
    width: int
    unusable: str = ""
    used: float = 0.0
    used_at: str = ""
    inconclusive: bool = False
    correct_rejected: dict[str, bool] = field(default_factory=dict)
    caught: dict[str, dict[str, bool]] = field(default_factory=dict)
    fault_used: dict[str, float] = field(default_factory=dict)
    correct_alarms: int = 0
    """Calls of the correct implementation that are said to be wrong by themselves."""
    placed: dict[str, Placement] = field(default_factory=dict)
    """What is blamed for each fault that was judged call by call."""
    every_fault: bool = False
    """Whether all were, also those that the whole catches."""

    @property
    def deep_and_wide(self) -> bool:
        return self.depth >= 6 and self.width > 200


def measure(specimen: Specimen, faults: Path, by_calls: bool = False) -> list[CellResult]:
    """Every cell of a specimen."""
    implementation = load_faults(faults)
    variants = specimen.case().variants
    return [
        result
        for variant in variants
        for result in _Measured(variant, specimen, implementation, by_calls).cells()
    ]


class _Measured:
    """A variant with its reference: the faults' answers are shared by its cells where they can be."""

    def __init__(
        self, variant: Variant, specimen: Specimen, implementation: Any, by_calls: bool = False
    ) -> None:
        self.variant, self.specimen, self.implementation = variant, specimen, implementation
        self.by_calls = by_calls
        self.wanted = VariantReference(variant)
        self.inputs = self.wanted.inputs_at(0, {})
        self.ops = {node.op for node in variant.program.nodes}

    def cells(self) -> Iterator[CellResult]:
        for dtype in self.variant.dtypes:
            yield self.cell(dtype)

    def cell(self, dtype: str) -> CellResult:
        depth, width = _size(self.variant)
        name = f"{self.variant.case_name}::{self.variant.id}"
        result = CellResult(name, self.specimen.kind, dtype, depth, width)
        result.every_fault = self.by_calls and self.specimen.placed
        due = self.wanted.at(self.inputs, self.variant.values, self.variant.gradients, dtype)
        if not np.isfinite(due.tolerance(dtype)).all():
            result.unusable = "a tolerance is not finite"
            return result
        with np.errstate(all="ignore"):
            _Cell(self, due, dtype, result).fill()
        return result

    def problem(self, dtype: str, parameters: Mapping[str, Array] | None = None) -> Any:
        v = self.variant
        lr = v.training.options["lr"] if v.training else self.implementation.LR
        return self.implementation.Problem(
            self.wanted.program.nodes, {**self.inputs, **(parameters or {})},
            self.wanted.cotangents, v.values, v.gradients, dtype, lr,
        )  # fmt: skip

    @property
    def parameters(self) -> dict[str, Array]:
        """What an optimizer would step."""
        trained = self.variant.training.parameters if self.variant.training else self.variant.gradients
        return {n: self.inputs[n] for n in trained if n in self.inputs}


def _size(variant: Variant) -> tuple[int, int]:
    """Depth and width of a random network, from its hidden layers x1, x2, ...; zeros for another case."""
    hidden = [int(name[1:]) for name in variant.specs if re.fullmatch(r"x[1-9]\d*", name)]
    return (max(hidden), variant.specs["x1"].shape[-1]) if hidden else (0, 0)


class _Cell:
    """One cell: the correct implementation first, then each fault."""

    def __init__(self, measured: _Measured, due: References, dtype: str, result: CellResult) -> None:
        self.m, self.due, self.dtype, self.result = measured, due, dtype, result
        self.problem = measured.problem(dtype)
        self.evaluate = measured.implementation.evaluate
        self.correct = self.evaluate(self.problem, dtype)
        self.truth = self.correct if dtype == "float64" else self.evaluate(self.problem, "float64")
        self.closer: Answer | None = None

    def fill(self) -> None:
        step = _Step(self)
        gradients = Judged(self.due, self.correct, self.dtype)
        parameters = Judged(step.due, step.answer(None, self.dtype), self.dtype)
        self.judge_correct(gradients, parameters)
        for fault in self.m.implementation.FAULTS.values():
            if self.dtype not in fault.dtypes or (fault.ops and not fault.ops & self.m.ops):
                continue
            optimizer = fault.kind == "optimizer"
            answer = step.faulty(fault) if optimizer else self.faulty(fault)
            if answer is not None:
                judged = parameters if optimizer else gradients
                self.result.caught[fault.name], self.result.fault_used[fault.name] = judged.rejected(answer)
                if self.m.by_calls:
                    self.judge_calls(fault, optimizer)

    def judge_calls(self, fault: Any, optimizer: bool) -> None:
        """The same call by call; an optimizer's update is a call that the whole judges by itself already."""
        result = self.result
        caught = result.caught[fault.name]
        if not optimizer and (result.every_fault or not caught[OURS]):
            result.placed[fault.name] = self.placement(fault)
        found = result.placed.get(fault.name)
        caught[CALLS] = caught[OURS] or (found is not None and found.alarms > 0)

    def placement(self, *faults: Any) -> Placement:
        return placement(traced(self.m.implementation, self.problem, self.m.variant, faults))

    def judge_correct(self, *judged: "Judged") -> None:
        result = self.result
        result.correct_rejected = {s: any(j.any_rejected(s) for j in judged) for s in SCHEMES}
        result.used, result.used_at = max(j.worst for j in judged)
        result.inconclusive = any(j.inconclusive for j in judged)
        if self.m.by_calls:
            result.correct_alarms = self.placement().alarms
            result.correct_rejected[CALLS] = result.correct_alarms > 0 or result.correct_rejected[OURS]

    def faulty(self, fault: Any) -> Answer | None:
        """The faulty implementation's answer, or None where the fault does not apply."""
        exact = self.evaluate(self.problem, "float64", fault)
        moved, u = movement(self.truth, exact), FORMATS[self.dtype].u
        if self.dtype == "float64" and 0 < moved < CERTAIN:
            if self.closer is None:
                self.closer = self.evaluate(self.problem, "longdouble")
            moved = movement(self.closer, self.evaluate(self.problem, "longdouble", fault))
        if moved <= u:
            return None
        answer: Answer = exact if self.dtype == "float64" else self.evaluate(self.problem, self.dtype, fault)
        return answer


class _Step:
    """Two steps of SGD with momentum, made by the correct implementation up to the last update of its parameters."""

    def __init__(self, cell: _Cell) -> None:
        self.cell, m = cell, cell.m
        before = m.parameters
        first = self.gradients(cell.correct, before)
        self.parameters = {n: a for (_, n), a in self.step(before, [first], cell.dtype, None).items()}
        second = cell.evaluate(m.problem(cell.dtype, self.parameters), cell.dtype)
        self.history = [first, self.gradients(second, before)]
        options = {
            "lr": float(np.float32(cell.problem.lr)),
            "momentum": float(np.float32(m.implementation.MOMENTUM)),
        }

        def compute(c: Any) -> dict[Key, Array]:
            wide = {n: [g[n].astype(np.float64) for g in self.history] for n in before}
            return {
                ("parameter", n): OPTIMIZERS["sgd"].moved(c, [p.astype(np.float64)] * 2, wide[n], **options)
                for n, p in self.parameters.items()
            }

        size = sum(p.size for p in before.values())
        self.due = References.of(
            expected(compute, size, seed_of(*(p.tobytes() for p in self.parameters.values())))
        )

    def gradients(self, answer: Answer, parameters: Iterable[str]) -> dict[str, Array]:
        return {n: answer["gradient", n] for n in parameters}

    def step(self, parameters: Mapping[str, Array], history: list[Any], dtype: str, fault: Any) -> Answer:
        answer: Answer = self.cell.m.implementation.step(self.cell.problem, dtype, parameters, history, fault)
        return answer

    def answer(self, fault: Any, dtype: str) -> Answer:
        return self.step(self.parameters, self.history, dtype, fault)

    def faulty(self, fault: Any) -> Answer | None:
        moved = movement(self.answer(None, "longdouble"), self.answer(fault, "longdouble"))
        return self.answer(fault, self.cell.dtype) if moved > FORMATS[self.cell.dtype].u else None


def movement(truth: Answer, moved: Answer) -> float:
    """The largest movement of any element as a share of its tensor's scale; a number lost is moved infinitely."""
    scale = scales({key: _magnitude(a) for key, a in truth.items()})
    return max(_moved(a, moved[key], scale[key]) for key, a in truth.items())


def _magnitude(a: Array) -> float:
    return float(np.max(np.abs(a), initial=0.0))


def _moved(truth: Array, moved: Array, scale: float) -> float:
    if moved.shape != truth.shape:
        return np.inf
    difference = _magnitude(np.where(truth == moved, 0, moved - truth))
    if not difference:
        return 0.0
    return difference / scale if np.isfinite(difference) and scale else np.inf


class Judged:
    """What every rule says of the correct answer, tensor by tensor, and then of faulty ones."""

    def __init__(self, due: References, correct: Answer, dtype: str) -> None:
        self.due, self.correct, self.dtype = due, correct, dtype
        tensors = compare(due, correct, dtype, due.scales)
        self.inconclusive = any(t.verdict is Verdict.INCONCLUSIVE for t in tensors)
        self.worst = max((t.used, f"{t.role} {t.name}") for t in tensors)
        self.used = {(t.role, t.name): t.used for t in tensors}
        self.other = {
            rule: {k: rule_rejects(rule, correct[k], e.value, dtype) for k, e in due.items()}
            for rule in RULES
        }

    def any_rejected(self, scheme: str) -> bool:
        return self.worst[0] > 1 if scheme == OURS else any(self.other[scheme].values())

    def rejected(self, answer: Answer) -> tuple[dict[str, bool], float]:
        """For each rule whether it calls the answer wrong, and the largest used = error / tolerance."""
        used, found = 0.0, dict.fromkeys(RULES, False)
        for key, e in self.due.items():
            got = answer[key]
            same = np.array_equal(got, self.correct[key])
            ours = self.used[key] if same else self._used(key, got)
            used = max(used, ours)
            for rule in (r for r, seen in found.items() if not seen):
                found[rule] = self.other[rule][key] if same else rule_rejects(rule, got, e.value, self.dtype)
        return {OURS: used > 1, **found}, used

    def _used(self, key: Key, got: Array) -> float:
        [tensor] = compare(self.due.only([key]), {key: got}, self.dtype)
        return tensor.used


# All of them


def measure_all(
    what: list[Specimen], faults: Path, processes: int = 2, *, by_calls: bool = False
) -> list[CellResult]:
    """Measure every specimen, side by side; progress goes to stderr."""
    load_faults(faults)
    return side_by_side({one.name: (measure, one, faults, by_calls) for one in what}, processes)


def side_by_side(tasks: Mapping[str, tuple[Any, ...]], processes: int = 2) -> list[CellResult]:
    """What each task, a function and its arguments, gives, in their order."""
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    begun, results = time.monotonic(), dict[str, list[CellResult]]()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(*task): name for name, task in tasks.items()}
        for done in as_completed(futures):
            name = futures[done]
            results[name] = done.result()
            sys.stderr.write(f"{len(results)}/{len(tasks)}  {time.monotonic() - begun:.0f} s  {name}\n")
    return [cell for name in tasks for cell in results[name]]
