"""The one comparison: tensors against their references, element by element.

Nothing is masked before it, nothing is broadcast by it. There is one number, used = error / tolerance.
"""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from ...reference.formats import FORMATS
from ...reference.recording import floor
from ...reference.rounding import K, Reference
from ..reading.elements import Array
from ..references.row import References
from ..roles import Key, in_words
from ..run.lines import LARGEST, Compared
from ..verdict import Verdict

INCONCLUSIVE = 1e-2
"""An element whose tolerance is a larger share of its own tensor's largest isn't judged; a tensor most of which isn't is inconclusive."""


def compare(
    due: References,
    answer: Mapping[Key, Array],
    dtype: str,
    scales: Sequence[float] | None = None,
    step: int | None = None,
    *,
    strict: bool = False,
) -> list[Compared]:
    """Every tensor of `due`: structure first, then each element against its own tolerance.

    `scales` are what the tensors' errors and tolerances are shares of, 1 where none are given.
    """
    tolerance = due.tolerance(dtype)
    problems = {
        key: _structure(answer.get(key), span.shape, dtype, strict) for key, span in due.spans.items()
    }
    turned = (
        key for key, found in problems.items() if found and _is_turned(answer.get(key), due[key], dtype)
    )
    problems |= {key: f"{problems[key]}: it is the transpose of what it should be" for key in turned}
    scales, whole = scales or [1.0] * len(due), due
    if any(problems.values()):
        scales = [scale for scale, problem in zip(scales, problems.values(), strict=True) if not problem]
        whole = due.only([key for key, problem in problems.items() if not problem])
        tolerance = whole.tolerance(dtype)
    found = _compared(whole, whole.row_of(answer), tolerance, dtype, scales, step)
    return [
        next(found)
        if not problem
        else not_shown(key, step)
        if problem == UNSHOWN
        else _broken(key, step, problem)
        for key, problem in problems.items()
    ]


def compare_discrete(
    due: Mapping[Key, Array], answer: Mapping[Key, Array], step: int | None = None, *, strict: bool = False
) -> list[Compared]:
    """Integers, and what is true or false: each element is right or wrong.

    Where not strictly asked, whole numbers of another dtype are taken by value.
    """
    return [_discrete(key, a, answer.get(key), step, strict) for key, a in due.items()]


def _discrete(key: Key, due: Array, got: Array | None, step: int | None, strict: bool) -> Compared:
    problem = _shape_problem(got, due.shape, strict)
    if problem == UNSHOWN:
        return not_shown(key, step)
    if problem or got is None:
        return _broken(key, step, problem)
    if strict and got.dtype != due.dtype:
        return _broken(key, step, f"has dtype {got.dtype}, should be {due.dtype}")
    wrong = np.flatnonzero(got != due)
    if not due.size:
        return NOTHING_WRONG(role=key[0], name=key[1], step=step)
    at = int(wrong[0]) if wrong.size else 0
    found, want = float(got.flat[at]), float(due.flat[at])
    used, error = LARGEST * bool(wrong.size), abs(found - want)
    return Compared(
        role=key[0], name=key[1], step=step, error=error if math.isfinite(error) else LARGEST, tolerance=0.0,
        used=used, ratio=used, width=0.0, ulp=None, relative=wrong.size / due.size, where=_index(at, due.shape),
        got=f"{found:.17g}", want=f"{want:.17g}", verdict=Verdict.DISAGREE if wrong.size else Verdict.AGREE,
    )  # fmt: skip


def _compared(
    due: References, got: Array, tolerance: Array, dtype: str, scales: Sequence[float], step: int | None
) -> Iterator[Compared]:
    """The numbers of each tensor are those of its element with the largest used = error / tolerance."""
    if got.size:
        with np.errstate(all="ignore"):  # what is not finite is dealt with, not warned of
            error = distance(got, due.value, dtype)
            unjudged = ~np.isfinite(tolerance)
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


UNSHOWN = "was not shown"


def _structure(got: Array | None, shape: tuple[int, ...], dtype: str, strict: bool) -> str:
    """What is wrong before any element is looked at, or an empty text."""
    if problem := _shape_problem(got, shape, strict):
        return problem
    assert got is not None
    as_asked = got.dtype == dtype or (not strict and has_digits(str(got.dtype), dtype))
    return "" if as_asked else f"has dtype {got.dtype}, should be {dtype}"


def _shape_problem(got: Array | None, shape: tuple[int, ...], strict: bool) -> str:
    if got is None:
        return "did not come back" if strict else UNSHOWN
    return "" if got.shape == shape else f"has shape {got.shape}, should be {shape}"


def _is_turned(got: Array | None, due: Reference, dtype: str) -> bool:
    """Whether what came back in another shape is right when its axes are reversed."""
    if got is None or not got.size or got.shape == due.value.shape or got.T.shape != due.value.shape:
        return False
    with np.errstate(all="ignore"):
        return bool(np.all(distance(got.T, due.value, dtype) <= due.tolerance(dtype)))


def has_digits(own: str, dtype: str) -> bool:
    """Whether a dtype has all the digits and the range of the asked one."""
    return (
        own in FORMATS
        and FORMATS[own].digits >= FORMATS[dtype].digits
        and FORMATS[own].highest >= FORMATS[dtype].highest
    )


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


def not_shown(key: Key, step: int | None) -> Compared:
    return msgspec.structs.replace(
        NOTHING_WRONG(role=key[0], name=key[1], step=step),
        verdict=Verdict.NOT_SHOWN,
        problem=UNSHOWN,
        unshown=1,
    )


def unasked(key: Key, step: int | None) -> Compared:
    return _broken(key, step, "was not asked for")


def describe(tensors: Iterable[Compared], verdict: Verdict) -> str:
    """One line for each tensor that has the cell's verdict; empty where all agree, or none was shown."""
    if verdict in (Verdict.AGREE, Verdict.NOT_SHOWN):
        return ""
    return "\n".join(line_of(t) for t in tensors if t.verdict is verdict)


def line_of(t: Compared) -> str:
    """A tensor in words: what was found, and what was allowed."""
    name = in_words((t.role, t.name), t.where, t.step)
    if t.problem:
        return f"{name} {t.problem}"
    if t.ulp is None and not t.tolerance:
        return f"{name} = {t.got}, should be {t.want}"
    if t.verdict is Verdict.INCONCLUSIVE and t.tolerance == LARGEST:
        return f"{name} can't be judged, nor can half of the tensor: a correct run need not be finite there"
    if t.verdict is Verdict.INCONCLUSIVE:
        return f"{name}: the tolerance, {t.tolerance:.2g} at {t.want}, is too wide to say anything"
    return f"{name} = {t.got}, should be {short(t.want, t.tolerance)} ± {t.tolerance:.2g}   ({times(t.used, t.got)})"


def is_number(got: str) -> bool:
    """Whether what was found is a finite number, or nothing."""
    return not got or math.isfinite(float(got))


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
