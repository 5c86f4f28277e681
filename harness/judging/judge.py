"""Judging: an array from a subject against the reference, element by element.

Every tensor that was asked for is judged whether or not it came back.

Frameworks are asked strictly: what does not come back, or in another dtype, is a disagreement. What somebody's own code
does not show isn't held against it, and numbers of more digits than the cell's dtype are as good.

What isn't finite concerns its elements. Where the reference is infinite or NaN, right is the same; where the tolerance
isn't finite, nobody can judge the element, and a tensor with half its elements so is inconclusive.
"""

import functools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from ...reference.contexts import EXACT
from ...reference.optimizers import at_step
from ...reference.rounding import Reference
from ..references.ranges import OutOfRange
from ..references.row import References
from ..references.training import Walk
from ..references.variant import Array, VariantReference
from ..roles import Answered, Key, by_step
from ..run.lines import Compared
from ..verdict import Verdict, worst
from .comparing import compare, compare_discrete, describe, has_digits, is_number, not_shown, unasked


@dataclass(frozen=True)
class Judgement:
    """A cell's verdict, its tensors (the worst step of each, or the first wrong one where the worst is no number), and what to say of it."""

    verdict: Verdict
    tensors: tuple[Compared, ...]
    message: str
    steps: Mapping[int | None, float] = field(default_factory=dict)
    """The largest error / tolerance of the values and gradients of each step."""
    updates: tuple["Update", ...] = ()
    """The optimizer's steps that are wrong."""
    first_wrong: str = ""
    """Of a training of several steps: which agree, and which is the first that is wrong."""
    notes: tuple[str, ...] = ()
    """What is to be said of the subject whatever the verdict."""
    silent: tuple[str, ...] = ()
    """Names whose gradient is exactly 0 in every element and every step: being 0 too says little."""

    @property
    def wrong_numbers(self) -> list[Compared]:
        """The tensors that came back as they should, but with elements outside their tolerances."""
        return [t for t in self.tensors if t.verdict is Verdict.DISAGREE and not t.problem]


Reached = Callable[[int, int], None]
"""Is told which step of how many is judged now: a long training takes minutes."""


def judge(
    wanted: VariantReference,
    dtype: str,
    arrays: Answered,
    *,
    strict: bool = True,
    reached: Reached = lambda _step, _steps: None,
) -> Judgement:
    """Judge all that a subject answered for one cell; `strict` as frameworks are."""
    if wanted.variant.training is None:
        found, due = _Found(), wanted.single(dtype)
        discrete = wanted.discrete_at(wanted.inputs)
        found.due(due, discrete)
        tensors = _judge_together(due, discrete, dtype, by_step(arrays)[None], None, strict)
        found.add(due, tensors, _excused(tensors, functools.partial(wanted.out_of_range, dtype)))
    else:
        found = _judge_steps(wanted, dtype, arrays, strict, reached)
    judged = _of_something(list(found.telling), _seeds_alone(wanted), found.numbers)
    verdict = worst(t.verdict for t in judged)
    useful = wanted.program.ancestors(wanted.variant.outputs) - found.informative
    silent = tuple(
        t.name for t in judged if t.role == "gradient" and t.where is not None and t.name in useful
    )
    notes = () if strict else tuple(_wider(arrays, dtype, wanted.variant.discrete))
    about = describe(judged, verdict)
    return Judgement(
        verdict, tuple(judged), about, found.steps, tuple(found.updates), found.first_wrong, notes, silent
    )


def _wider(arrays: Answered, dtype: str, discrete: Collection[str]) -> Iterator[str]:
    """What is said once of numbers that have more digits than were asked for."""
    numbers = (a for (role, name, _), a in arrays.items() if role != "value" or name not in discrete)
    for own in dict.fromkeys(str(a.dtype) for a in numbers if a.dtype != dtype):
        if has_digits(own, dtype):
            yield f"it computes in {own}: in {dtype} cells it is judged by {dtype}'s tolerances"


@dataclass
class _Found:
    """What the steps of a cell gave, one after the other; without training it is one."""

    tensors: dict[Key, Compared] = field(default_factory=dict)
    steps: dict[int | None, float] = field(default_factory=dict)
    updates: list["Update"] = field(default_factory=list)
    informative: set[str] = field(default_factory=set)
    """Names whose gradient is not 0 everywhere."""
    numbers: set[Key] = field(default_factory=set)
    """Tensors that have to be something else than NaN somewhere."""
    wrong: dict[int, bool] = field(default_factory=dict)
    """Whether a step of a training is wrong, of those that were judged."""
    first: dict[Key, Compared] = field(default_factory=dict)
    """Of each tensor the first step that is wrong."""

    def due(self, due: References, discrete: Collection[Key]) -> None:
        """What is to be judged of a step."""
        self.numbers.update(discrete, (key for key in due if not np.isnan(due[key].value).all()))

    def add(self, due: References, tensors: Iterable[Compared], excused: Iterable[Compared]) -> None:
        """One step: what it must be, what was judged of it, and the same where the range excuses something."""
        magnitudes = zip(due, due.magnitudes, strict=True)
        self.informative.update(name for (role, name), m in magnitudes if role == "gradient" and m > 0)
        for tensor, told in zip(tensors, excused, strict=True):
            key = (tensor.role, tensor.name)
            self.tensors[key] = worse(self.tensors[key], told) if key in self.tensors else told
            if told.verdict is Verdict.DISAGREE:
                self.first.setdefault(key, told)
            if told.step is not None:
                self.wrong[told.step] = self.wrong.get(told.step, False) or told.verdict is Verdict.DISAGREE
            if tensor.role != "parameter" and not tensor.problem:
                self.steps[tensor.step] = max(self.steps.get(tensor.step, 0.0), tensor.used)

    @property
    def telling(self) -> Iterator[Compared]:
        """Each tensor: a training that diverges ends in what is no number, which tells nothing; where it began does."""
        for key, tensor in self.tensors.items():
            yield tensor if is_number(tensor.got) else in_place_of(tensor, self.first.get(key, tensor))

    def unshown(self, steps: int) -> None:
        """So many steps more were not shown."""
        for key, tensor in self.tensors.items():
            self.tensors[key] = msgspec.structs.replace(tensor, unshown=tensor.unshown + steps)

    @property
    def first_wrong(self) -> str:
        """`steps 0 and 1 agree; from step 2 on all are wrong`; empty where there is one step, or none is wrong."""
        bad = [step for step, wrong in self.wrong.items() if wrong]
        if not bad or len(self.wrong) == 1:
            return ""
        agree = {0: "", 1: "step 0 agrees; ", 2: "steps 0 and 1 agree; "}
        before = agree.get(bad[0], f"steps 0 to {bad[0] - 1} agree; ")
        rest = len(self.wrong) - bad[0]
        if len(bad) == rest > 1:
            return f"{before}from step {bad[0]} on all are wrong"
        more = f", and {len(bad) - 1} of the {rest - 1} behind it" * (len(bad) > 1)
        return f"{before}step {bad[0]} is the first that is wrong{more}"


def _seeds_alone(wanted: VariantReference) -> set[str]:
    """The outputs whose gradient is the cotangent that was given and no more: no other output comes of them."""
    outputs = set(wanted.variant.outputs)
    return {n for n in outputs if wanted.program.descendants([n]).isdisjoint(outputs - {n})}


def _of_something(
    tensors: Sequence[Compared], given: Collection[str], numbers: Collection[Key]
) -> list[Compared]:
    """The same, where nothing was judged inconclusive, or not shown.

    Nothing is what has no elements, cotangents that were `given`, and what need not be a number.
    """
    shown = [t for t in tensors if t.verdict is not Verdict.NOT_SHOWN]
    judged = [
        t
        for t in shown
        if t.problem
        or (
            t.where is not None
            and not (t.role == "gradient" and t.name in given)
            and (t.verdict is Verdict.DISAGREE or (t.role, t.name) in numbers)
        )
    ]
    if judged or not shown:
        return list(tensors)
    if len(shown) < len(tensors):
        return [t if t.verdict is Verdict.NOT_SHOWN else not_shown((t.role, t.name), t.step) for t in tensors]
    why = "has nothing to judge: no elements, only an output's own cotangent, or nothing but NaN"
    return [msgspec.structs.replace(t, verdict=Verdict.INCONCLUSIVE, problem=why) for t in tensors]


@dataclass(frozen=True)
class Update:
    """A step of an optimizer that is wrong: what it was given, what it made of it, and what it should have."""

    compared: Compared
    parameters_of: Mapping[str, Sequence[Array]]
    """Each parameter of the training, in its order, before each step until this one: an optimizer may mix them up."""
    gradients_of: Mapping[str, Sequence[Array]]
    """Their gradients, as the steps are given them."""
    got: Array
    due: Reference
    tolerance: Array
    derived: bool = False
    """Whether the gradient is the reference's own, since none was told."""
    unclipped: tuple[Array, ...] = ()
    """This parameter's gradients as they were told, where they are clipped before each step."""

    @property
    def parameters(self) -> Sequence[Array]:
        return self.parameters_of[self.compared.name]

    @property
    def gradients(self) -> Sequence[Array]:
        return self.gradients_of[self.compared.name]

    def options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The optimizer's options as they are in this step."""
        return at_step(given, len(self.parameters))

    @property
    def before(self) -> Array:
        return self.parameters[-1]

    @property
    def gradient(self) -> Array:
        return self.gradients[-1]


def _judge_steps(
    wanted: VariantReference, dtype: str, arrays: Answered, strict: bool, reached: Reached
) -> _Found:
    """Judge each training step in two parts: gradients at the subject's parameters, then its update of them.

    An update by a gradient that it does not show is judged as a step from these parameters. A subject that loses a
    parameter or the next step's state, or has one that is infinite or NaN, cannot be followed further: its remaining
    steps are not shown, and where that is strictly asked what is missing is a disagreement.
    """
    variant = wanted.variant
    assert variant.training is not None
    walk, found, answers = wanted.walk(), _Found(), by_step(arrays)
    for step in range(variant.training.steps):
        reached(step, variant.training.steps)
        answer = answers[step]
        inputs = walk.inputs()
        due = wanted.at(inputs, variant.values, variant.gradients, dtype)
        before = {n: history[-1] for n, history in walk.parameters.items()}
        hidden = [n for n, a in before.items() if not _same_shape(answer.get(("gradient", n)), a)]
        shown = {n: answer["gradient", n].astype(np.float64) for n in before if n not in hidden}
        walk.took({**shown, **wanted.gradients_at(inputs, hidden)}, derived=hidden)
        together = References.of({**due, **_moved(wanted, walk, due, dtype, answer)})
        discrete = wanted.discrete_at(inputs)
        found.due(together, discrete)
        tensors = _judge_together(together, discrete, dtype, answer, step, strict)
        excused = _excused(tensors, functools.partial(wanted.out_of_range, dtype, inputs))
        found.add(due, tensors, excused)
        wrong = (t for t in excused if t.role == "parameter" and t.used > 1 and not t.problem)
        found.updates += [_update(t, walk, answer, together[t.role, t.name], dtype) for t in wrong]
        parameters = _followed(answer, "parameter", before)
        values = _followed(answer, "value", {walk.becomes[n]: h[-1] for n, h in walk.state.items()})
        if parameters is None or values is None:
            found.unshown(variant.training.steps - step - 1)
            break
        walk.go_on(parameters, values)
    return found


def _followed(answer: Mapping[Key, Array], role: str, like: Mapping[str, Array]) -> dict[str, Array] | None:
    """What the next step begins with, of these names and shapes; None where it can't be worked out from the answer."""
    told = {n: answer.get((role, n)) for n in like}
    found = {n: a.astype(np.float64) for n, a in told.items() if a is not None and _goes_on(a, like[n])}
    return found if len(found) == len(like) else None


def _moved(
    wanted: VariantReference, walk: Walk, due: References, dtype: str, answer: Mapping[Key, Array]
) -> Mapping[Key, Reference]:
    """The parameters after the step: from the gradients that were told, or, where one was told wrongly and not used, without it."""
    moved = wanted.update(walk, dtype)
    off = {t.name for t in compare(moved, answer, dtype) if t.used > 1}
    if not off:
        return moved
    doubtful = [
        t.name for t in compare(due, answer, dtype) if t.role == "gradient" and t.used > 1 and t.name in off
    ]
    if not doubtful:
        return moved
    told = walk.retold(wanted.gradients_at(walk.inputs(), doubtful), doubtful)
    other = wanted.update(walk, dtype)
    unused = {t.name for t in compare(other, answer, dtype) if t.used <= 1}
    walk.retold({n: a for n, a in told.items() if n not in unused})
    return {**moved, **{("parameter", n): other["parameter", n] for n in unused.intersection(doubtful)}}


def _update(tensor: Compared, walk: Walk, answer: Mapping[Key, Array], due: Reference, dtype: str) -> Update:
    name = tensor.name
    got = np.asarray(answer[tensor.role, name], dtype=np.float64)
    told, clipped = walk.gradients[name], walk.clipped(EXACT)
    return Update(
        tensor,
        {n: tuple(history) for n, history in walk.parameters.items()},
        {n: tuple(clipped[n]) for n in walk.parameters},
        got,
        due,
        due.tolerance(dtype),
        name in walk.derived[-1],
        tuple(told) if walk.clips else (),
    )


def _excused(tensors: list[Compared], left: Callable[..., OutOfRange | None]) -> list[Compared]:
    """The same, but that no number is held against a subject where the exact walk is beyond the range of its dtype.

    Whether each of its calls is right at its own numbers is another question. What is too small for the dtype is an
    error that tolerances have; it tells why one is too wide.
    """
    found = list(tensors)
    for doubtful, small in ((Verdict.DISAGREE, False), (Verdict.INCONCLUSIVE, True)):
        told = [i for i, t in enumerate(found) if t.verdict is doubtful and not t.problem]
        place = left(small=small) if told else None
        for i in told if place is not None else ():
            why = f"can't be judged, {place}"
            found[i] = msgspec.structs.replace(found[i], verdict=Verdict.INCONCLUSIVE, problem=why)
    return found


def worse(one: Compared, other: Compared) -> Compared:
    """The worse of two steps, with the largest ratio and width of both: all that another K needs to know."""
    both = msgspec.structs.replace(
        one,
        unshown=one.unshown + other.unshown,
        ratio=max(one.ratio, other.ratio),
        width=max(one.width or 0.0, other.width or 0.0),
        unjudged=max(one.unjudged, other.unjudged),
    )
    return in_place_of(both, max(one, other, key=_badness))


def in_place_of(every: Compared, step: Compared) -> Compared:
    """One step of a tensor, with what is known of all of them."""
    return msgspec.structs.replace(
        step, unshown=every.unshown, ratio=every.ratio, width=every.width, unjudged=every.unjudged
    )


def _badness(tensor: Compared) -> tuple[bool, int, float]:
    """A step that was shown says more than one that was not."""
    return tensor.verdict is not Verdict.NOT_SHOWN, tensor.verdict.severity, tensor.used


def _same_shape(array: Array | None, like: Array) -> bool:
    return array is not None and array.shape == like.shape


def _goes_on(array: Array, like: Array) -> bool:
    """Whether a next step can be worked out from it."""
    return array.shape == like.shape and bool(np.isfinite(array).all())


def _judge_together(
    due: References,
    discrete: Mapping[Key, Array],
    dtype: str,
    answer: Mapping[Key, Array],
    step: int | None,
    strict: bool,
) -> list[Compared]:
    found = compare(due, answer, dtype, due.scales, step, strict=strict)
    found += compare_discrete(discrete, answer, step, strict=strict)
    return found + [unasked(key, step) for key in answer if key not in due and key not in discrete]
