"""Judging: an array from a subject against the reference, element by element.

There is one comparison, `compare`, and one number, used = error / tolerance. Nothing is masked before it, nothing is
broadcast by it, and every tensor that was asked for is judged whether or not it came back.

What isn't finite concerns its elements. Where the reference is infinite or NaN, right is the same; where the reference
is finite and its tolerance is not, nobody can judge the element, and a tensor with half its elements so is inconclusive.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from ...reference.formats import FORMATS
from ...reference.rounding import K, Reference, floor
from ..references.ranges import OutOfRange
from ..references.row import References
from ..references.training import Walk
from ..references.variant import Array, VariantReference
from ..roles import Answered, Key, in_words, of_step
from ..run.lines import LARGEST, Compared
from ..verdict import Verdict, worst

INCONCLUSIVE = 1e-2
"""An element whose tolerance is a larger share of its own tensor's largest isn't judged; a tensor most of which isn't is inconclusive."""


@dataclass(frozen=True)
class Judgement:
    """A cell's verdict, its tensors (the worst step of each), and what to say of it."""

    verdict: Verdict
    tensors: tuple[Compared, ...]
    message: str
    steps: Mapping[int | None, float] = field(default_factory=dict)
    """The largest error / tolerance of the values and gradients of each step."""
    updates: tuple["Update", ...] = ()
    """The optimizer's steps that are wrong."""
    silent: tuple[str, ...] = ()
    """Names whose gradient is exactly 0 in every element and every step: being 0 too says little."""

    @property
    def wrong_numbers(self) -> list[Compared]:
        """The tensors that came back as they should, but with elements outside their tolerances."""
        return [t for t in self.tensors if t.verdict is Verdict.DISAGREE and not t.problem]


def judge(wanted: VariantReference, dtype: str, arrays: Answered) -> Judgement:
    """Judge all that a subject answered for one cell."""
    if wanted.variant.training is None:
        found, due = _Found(), wanted.single(dtype)
        tensors = _judge_together(due, dtype, of_step(arrays, None), None)
        found.add(due, tensors, _excused(tensors, functools.partial(wanted.out_of_range, dtype)))
    else:
        found = _judge_steps(wanted, dtype, arrays)
    judged = _of_something(list(found.tensors.values()), wanted.variant.output)
    verdict = worst(t.verdict for t in judged)
    useful = wanted.program.ancestors([wanted.variant.output]) - found.informative
    silent = tuple(
        t.name for t in judged if t.role == "gradient" and t.where is not None and t.name in useful
    )
    return Judgement(
        verdict, tuple(judged), describe(judged, verdict), found.steps, tuple(found.updates), silent
    )


@dataclass
class _Found:
    """What the steps of a cell gave, one after the other; without training it is one."""

    tensors: dict[Key, Compared] = field(default_factory=dict)
    steps: dict[int | None, float] = field(default_factory=dict)
    updates: list["Update"] = field(default_factory=list)
    informative: set[str] = field(default_factory=set)
    """Names whose gradient is not 0 everywhere."""

    def add(self, due: References, tensors: Iterable[Compared], excused: Iterable[Compared]) -> None:
        """One step: what it must be, what was judged of it, and the same where the range excuses something."""
        magnitudes = zip(due, due.magnitudes, strict=True)
        self.informative.update(name for (role, name), m in magnitudes if role == "gradient" and m > 0)
        for tensor, told in zip(tensors, excused, strict=True):
            key = (tensor.role, tensor.name)
            self.tensors[key] = _worse(self.tensors.get(key, told), told)
            if tensor.role != "parameter" and not tensor.problem:
                self.steps[tensor.step] = max(self.steps.get(tensor.step, 0.0), tensor.used)


def _of_something(tensors: Sequence[Compared], output: str) -> list[Compared]:
    """The same, inconclusive where nothing was judged: no elements, or the output's own cotangent alone."""
    judged = [
        t for t in tensors if t.problem or (t.where is not None and (t.role, t.name) != ("gradient", output))
    ]
    if judged:
        return list(tensors)
    why = "has nothing to judge: no elements, or only the output's own cotangent"
    return [msgspec.structs.replace(t, verdict=Verdict.INCONCLUSIVE, problem=why) for t in tensors]


@dataclass(frozen=True)
class Update:
    """A step of an optimizer that is wrong: what it was given, what it made of it, and what it should have."""

    compared: Compared
    parameters: tuple[Array, ...]
    """The parameter before each step until this one, and below its gradients."""
    gradients: tuple[Array, ...]
    got: Array
    due: Reference
    tolerance: Array

    @property
    def before(self) -> Array:
        return self.parameters[-1]

    @property
    def gradient(self) -> Array:
        return self.gradients[-1]


def _judge_steps(wanted: VariantReference, dtype: str, arrays: Answered) -> _Found:
    """Judge each training step in two parts: gradients at the subject's parameters, then its update of them.

    A subject that loses a parameter cannot be followed further; its remaining steps are not judged in its favour:
    the missing parameter is a disagreement.
    """
    variant = wanted.variant
    assert variant.training is not None
    walk, found = wanted.walk(), _Found()
    for step in range(variant.training.steps):
        answer = of_step(arrays, step)
        inputs = walk.inputs()
        due = wanted.at(inputs, variant.values, variant.gradients, dtype)
        before = {n: history[-1] for n, history in walk.parameters.items()}
        walk.took({n: _usable(answer.get(("gradient", n)), a) for n, a in before.items()})
        moved = wanted.update(walk, dtype)
        together = References.of({**due, **moved})
        tensors = _judge_together(together, dtype, answer, step)
        excused = _excused(tensors, functools.partial(wanted.out_of_range, dtype, inputs))
        found.add(due, tensors, excused)
        wrong = (t for t in excused if t.role == "parameter" and t.used > 1 and not t.problem)
        found.updates += [_update(t, walk, answer, together[t.role, t.name], dtype) for t in wrong]
        following = {n: answer.get(("parameter", n)) for n in before}
        if any(not _same_shape(p, before[n]) for n, p in following.items()):
            break
        walk.go_on({n: _usable(p, before[n]) for n, p in following.items()})
    return found


def _update(tensor: Compared, walk: Walk, answer: Mapping[Key, Array], due: Reference, dtype: str) -> Update:
    name = tensor.name
    got = np.asarray(answer[tensor.role, name], dtype=np.float64)
    histories = tuple(walk.parameters[name]), tuple(walk.gradients[name])
    return Update(tensor, *histories, got, due, due.tolerance(dtype))


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


def _worse(one: Compared, other: Compared) -> Compared:
    """The worse of two steps, with the largest ratio and width of both: all that another K needs to know."""
    width = max(one.width or 0.0, other.width or 0.0)
    worse = max(one, other, key=_badness)
    return msgspec.structs.replace(
        worse,
        ratio=max(one.ratio, other.ratio),
        width=width,
        unjudged=max(one.unjudged, other.unjudged),
    )


def _badness(tensor: Compared) -> tuple[int, float]:
    return tensor.verdict.severity, tensor.used


def _same_shape(array: Array | None, like: Array) -> bool:
    return array is not None and array.shape == like.shape


def _usable(array: Array | None, like: Array) -> Array:
    """A subject's own array where it can be computed with; a broken one has been judged already."""
    if array is None or array.shape != like.shape:
        return np.zeros(like.shape)
    return np.nan_to_num(array.astype(np.float64))


def _judge_together(
    due: References, dtype: str, answer: Mapping[Key, Array], step: int | None
) -> list[Compared]:
    return compare(due, answer, dtype, due.scales, step) + [
        _unasked(key, step) for key in answer if key not in due
    ]


def compare(
    due: References,
    answer: Mapping[Key, Array],
    dtype: str,
    scales: Sequence[float] | None = None,
    step: int | None = None,
) -> list[Compared]:
    """Every tensor of `due`: structure first, then each element against its own tolerance.

    `scales` are what the tensors' errors and tolerances are shares of, 1 where none are given.
    """
    tolerance = due.tolerance(dtype)
    problems = {key: _structure(answer.get(key), span.shape, dtype) for key, span in due.spans.items()}
    scales, whole = scales or [1.0] * len(due), due
    if any(problems.values()):
        scales = [scale for scale, problem in zip(scales, problems.values(), strict=True) if not problem]
        whole = due.only([key for key, problem in problems.items() if not problem])
        tolerance = whole.tolerance(dtype)
    found = _compared(whole, whole.row_of(answer), tolerance, dtype, scales, step)
    return [_broken(key, step, problem) if problem else next(found) for key, problem in problems.items()]


def _compared(
    due: References, got: Array, tolerance: Array, dtype: str, scales: Sequence[float], step: int | None
) -> Iterator[Compared]:
    """The numbers of each tensor are those of its element with the largest used = error / tolerance."""
    if got.size:
        with np.errstate(all="ignore"):  # what is not finite is dealt with, not warned of
            error = distance(got, due.value, dtype)
            unjudged = np.isfinite(due.value) & ~np.isfinite(tolerance)
            error = np.where(unjudged, 0.0, error)
            used = np.where(unjudged, 0.0, _ratio(error, tolerance))
    else:
        error = used = unjudged = tolerance
    medians, errors, own = due.median_tolerance(dtype), due.largest(error), due.magnitudes
    told = zip(due.spans.items(), scales, own, medians, errors, strict=True)
    for (key, span), scale, magnitude, median, largest in told:
        shape, start, stop = span
        if start == stop:
            yield NOTHING_WRONG(role=key[0], name=key[1], step=step)
            continue
        width = _width(median, magnitude, dtype)
        place = int(used[start:stop].argmax())
        if width == math.inf and used[start + place] <= 1:
            place = int(unjudged[start:stop].argmax())
        at = start + place
        worst_error, worst_used, want = error.item(at), used.item(at), due.value.item(at)
        yield Compared(
            role=key[0],
            name=key[1],
            step=step,
            error=_bounded(worst_error),
            tolerance=_bounded(tolerance.item(at)),
            used=_bounded(worst_used),
            ratio=_bounded(worst_used * K),
            width=_bounded(width),
            ulp=_bounded(worst_error / FORMATS[dtype].spacing(want)),
            relative=_bounded(_share(largest, scale)),
            unjudged=_unjudged(tolerance[start:stop], magnitude, dtype),
            where=_index(place, shape),
            got=str(got[at]),
            want=repr(want),
            verdict=verdict_of(worst_used, width),
        )


def _bounded(distance: float) -> float:
    """A distance as the run file has it: JSON has no infinity."""
    return min(distance, LARGEST)


def _largest(a: Array) -> float:
    """The largest element, NaN if any is: `argmax` is several times faster than `max` for a small array."""
    return float(a.item(int(a.argmax())))


def _index(at: int, shape: tuple[int, ...]) -> list[int]:
    """The index of the element at place `at` in C order."""
    index = []
    for size in reversed(shape):
        at, i = divmod(at, size)
        index.append(i)
    return index[::-1]


def _share(part: float, scale: float) -> float:
    return part / scale if scale else float(part > 0) * LARGEST


def _width(median: float, scale: float, dtype: str) -> float:
    """The median tolerance as a share of the tensor's largest; of zeros alone the least that there is says enough."""
    least = K * FORMATS[dtype].scale * floor("float32")
    return 0.0 if not scale and median <= least else _share(median, scale)


def _unjudged(tolerance: Array, magnitude: float, dtype: str) -> int:
    """How many elements have a tolerance so wide that being within it says nothing."""
    least = K * FORMATS[dtype].scale * floor("float32")
    return int(np.count_nonzero(tolerance > max(INCONCLUSIVE * magnitude, least)))


def verdict_of(used: float, width: float) -> Verdict:
    """What becomes of a tensor: its largest error / tolerance, and its median tolerance / scale, say all."""
    if not used <= 1:  # so written, what is no number never agrees
        return Verdict.DISAGREE
    return Verdict.AGREE if width <= INCONCLUSIVE else Verdict.INCONCLUSIVE


def _structure(got: Array | None, shape: tuple[int, ...], dtype: str) -> str:
    """What is wrong before any element is looked at, or an empty text."""
    if got is None:
        return "did not come back"
    if got.shape != shape:
        return f"has shape {got.shape}, should be {shape}"
    return "" if got.dtype == dtype else f"has dtype {got.dtype}, should be {dtype}"


def distance(got: Array, want: Array, dtype: str) -> Array:
    """|got - want|; infinite where one of them alone is NaN or infinite, but for an overflow of the dtype."""
    error = np.asarray(np.abs(got - want))
    return error if math.isfinite(_largest(error)) else _error_beyond(got, want, dtype)


def _error_beyond(got: Array, want: Array, dtype: str) -> Array:
    """`distance` where something is NaN or infinite."""
    largest = FORMATS[dtype].largest
    wide = np.asarray(got, dtype=np.float64)
    finite = np.clip(wide, -largest, largest)
    overflowed = np.isinf(wide) & (np.sign(wide) == np.sign(want)) & (np.abs(want) > largest)
    error = np.where(overflowed, 0.0, np.abs(finite - want))
    same = (wide == want) | (np.isnan(wide) & np.isnan(want))
    return np.where(same, 0.0, np.where(np.isnan(wide) | ~np.isfinite(want), np.inf, error))


def _ratio(error: Array, tolerance: Array) -> Array:
    """Error / tolerance, with 0 / 0 = 0: an exact tensor is either hit or missed."""
    used = np.asarray(error / tolerance)
    return used if math.isfinite(_largest(used)) else np.where(error == 0, 0.0, used)


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("error", "tolerance", "used", "ratio", "ulp", "relative", "width"), 0.0),
    "where": None,
    "got": "",
    "want": "",
}
NOTHING_WRONG = functools.partial(Compared, verdict=Verdict.AGREE, **_NOTHING)
"""What is told of a tensor without elements."""

BROKEN = functools.partial(
    Compared,
    verdict=Verdict.DISAGREE,
    **_NOTHING | dict.fromkeys(("error", "used", "ratio", "ulp", "relative"), LARGEST),
)
"""What is told of a tensor whose elements can't be compared; `problem` says why."""


def _broken(key: Key, step: int | None, problem: str) -> Compared:
    return BROKEN(role=key[0], name=key[1], step=step, problem=problem)


def _unasked(key: Key, step: int | None) -> Compared:
    return _broken(key, step, "was not asked for")


def describe(tensors: Iterable[Compared], verdict: Verdict) -> str:
    """One line for each tensor that has the cell's verdict; empty where all agree."""
    if verdict is Verdict.AGREE:
        return ""
    return "\n".join(line_of(t) for t in tensors if t.verdict is verdict)


def line_of(t: Compared) -> str:
    """A tensor in words: what was found, and what was allowed."""
    name = in_words((t.role, t.name), t.where, t.step)
    if t.problem:
        return f"{name} {t.problem}"
    if t.verdict is Verdict.INCONCLUSIVE and t.width == LARGEST:
        return f"{name} can't be judged, nor can half of the tensor: a correct run need not be finite there"
    if t.verdict is Verdict.INCONCLUSIVE:
        return f"{name}: the tolerance, {t.tolerance:.2g} at {t.want}, is too wide to say anything"
    return f"{name} = {t.got}, should be {short(t.want, t.tolerance)} ± {t.tolerance:.2g}   ({times(t.used, t.got)})"


def times(used: float, got: str) -> str:
    """Error / tolerance in words: of what is no number that it is none; the largest double stands for infinity in run files."""
    if got == "nan":
        return "NaN"
    return ("∞" if used >= LARGEST else f"{used:.3g}") + " × tolerance"


def short(want: str, tolerance: float) -> str:
    """The reference with two digits more than the tolerance leaves certain."""
    value = float(want)
    if not value or not tolerance or not math.isfinite(value):
        return want
    digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(tolerance)) + 2
    return f"{value:.{min(max(digits, 1), 17)}g}"
