"""Holds the reference to numbers printed elsewhere, at the inputs as written.

Printed digits are held to half a unit of their last one, compared exactly, as fractions: nothing is lost in the
comparison. A fraction such as "1/5" has no last digit; it is held to the reference's own error in float64.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import UNSET

from harness.document import Document, Expect, Mistake
from harness.errors import HarnessError, allowed_names
from harness.locate import Locator
from harness.tensors import Array, leaves, nested_shape
from reference.backprop import backprop
from reference.optimizers import OPTIMIZERS
from reference.rounding import EXACT, Exact, expected, seed_of

if TYPE_CHECKING:
    from harness.case import Case, Variant

MAX_DIGITS = 60
MAX_EXPONENT = 400
"""Beyond what any float64 is: so that a printed exponent cannot ask for memory."""

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One [[expect]]: `what` is value, gradient or parameter; `printed` a string or a nested list of strings.

    `variant` is None where it holds for all. `place` is its file and line.
    """

    what: str
    name: str
    at: tuple[int, ...] | None
    after_step: int
    variant: str | None
    printed: Any
    place: str

    @property
    def key(self) -> Key:
        """What has to be computed for it."""
        return self.what, self.name, self.after_step

    @property
    def has_fractions(self) -> bool:
        """Whether the reference's own error is needed."""
        return any("/" in text for text in leaves(self.printed))

    def applies(self, variant: "Variant") -> bool:
        """Whether it speaks of this variant."""
        return self.variant in (None, variant.id)

    def elements(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Each number that it prints, with its place in the tensor."""
        if self.at is not None:
            yield self.at, self.printed
        else:
            yield from zip(np.ndindex(nested_shape(self.printed)), leaves(self.printed), strict=True)


@dataclass(frozen=True, slots=True)
class ExpectFailure:
    """A number of the reference that is not the printed one; `message` says which, where and by how much."""

    message: str
    variant: str
    expectation: Expectation


class NothingExpectedError(HarnessError):
    """Nothing was compared, which must never look like agreement."""


def check(case: "Case") -> list[ExpectFailure]:
    """Every printed number of the case that the reference misses. Raises NothingExpectedError if it prints none."""
    if not case.expects:
        raise NothingExpectedError(
            f"{case.name} has no [[expect]]: there is nothing to hold the reference to"
        )
    checked = [variant for variant in case.variants if any(e.applies(variant) for e in case.expects)]
    return [failure for variant in checked for failure in check_variant(variant, case.expects)]


def check_variant(variant: "Variant", expects: Sequence[Expectation]) -> list[ExpectFailure]:
    """The same for one variant. Raises NothingExpectedError if no expectation speaks of it."""
    mine = [expectation for expectation in expects if expectation.applies(variant)]
    if not mine:
        raise NothingExpectedError(f"{variant.case_name} expects nothing of variant {variant.id!r}")
    failures, compared = [], 0
    with np.errstate(all="ignore"):  # a number that is not finite is a failure with a message of its own
        found, own_error = compute(variant, mine, EXACT), own_errors(variant, mine)
    for expectation in mine:
        for place, text in expectation.elements():
            compared += 1
            allowed = (
                half_unit(text) if "/" not in text else Fraction(float(own_error[expectation.key][place]))
            )
            value = float(found[expectation.key][place])
            if not _within(value, text, allowed):
                message = _message(expectation, place, value, text, allowed, variant)
                failures.append(ExpectFailure(message, variant.id, expectation))
    if not compared:
        raise NothingExpectedError(f"{variant.case_name}: no number of variant {variant.id!r} was compared")
    return failures


# The reference


def compute(variant: "Variant", expects: Sequence[Expectation], c: Exact) -> dict[Key, Array]:
    """What the expectations speak of: values and gradients at the parameters after so many steps, and those."""
    inputs, parameters = variant.draw(), dict[str, Array]()
    upstream = variant.cotangent()
    cotangents = {variant.output: np.ones(()) if upstream is None else upstream}
    trained = variant.training.parameters if variant.training else ()
    wanted = dict.fromkeys([*trained, *(e.name for e in expects if e.what == "gradient")])
    last = max(e.after_step for e in expects)
    found: dict[Key, Array] = {}
    for step in range(last + 1):
        now = [e for e in expects if e.after_step == step]
        found.update((e.key, parameters.get(e.name, inputs[e.name])) for e in now if e.what == "parameter")
        if step == last and all(e.what == "parameter" for e in now):
            break
        given = {**_at_step(variant, inputs, step), **parameters}
        env, gradients = backprop(variant.program, given, wanted, cotangents, c)
        found.update((e.key, env[e.name]) for e in now if e.what == "value")
        found.update((e.key, gradients[e.name]) for e in now if e.what == "gradient")
        if step < last:
            parameters = _moved(variant, given, gradients, c)
    return found


def _at_step(variant: "Variant", inputs: Mapping[str, Array], step: int) -> dict[str, Array]:
    """The inputs of one step."""
    each = {name for name, source in variant.sources.items() if source.steps is not None}
    return {name: np.asarray(a[step]) if name in each else a for name, a in inputs.items()}


def _moved(
    variant: "Variant", given: Mapping[str, Array], gradients: Mapping[str, Array], c: Exact
) -> dict[str, Array]:
    """The parameters after a step."""
    training = variant.training
    if training is None:
        raise ValueError("a case without [training] takes no step")
    step = OPTIMIZERS[training.optimizer]
    return {name: step(c, given[name], gradients[name], **training.options) for name in training.parameters}


def own_errors(variant: "Variant", expects: Sequence[Expectation]) -> dict[Key, Array]:
    """How far the reference may be off in float64, for expectations that print fractions."""
    fractions = [expectation for expectation in expects if expectation.has_fractions]
    if not fractions:
        return {}
    size = sum(source.size for source in variant.sources.values())
    seed = seed_of(variant.case_name.encode(), variant.id.encode())
    certified = expected(lambda c: compute(variant, fractions, c), size, seed)
    return {key: e.tolerance("float64") for key, e in certified.items()}


# Printed numbers


def half_unit(text: str) -> Fraction:
    """Half a unit of the last printed digit."""
    exponent = Decimal(text).as_tuple().exponent
    return Fraction(10) ** int(exponent) / 2


def _within(value: float, text: str, allowed: Fraction) -> bool:
    return math.isfinite(value) and abs(Fraction(value) - Fraction(text)) <= allowed


def _message(
    expectation: Expectation,
    place: tuple[int, ...],
    value: float,
    text: str,
    allowed: Fraction,
    variant: "Variant",
) -> str:
    where = f"[{', '.join(map(str, place))}]" if place else ""
    step = f" after step {expectation.after_step}" if expectation.after_step else ""
    shown = f"{value:.{_digits(text) + 1}g}"
    if math.isfinite(value) and _within(float(shown), text, allowed):
        shown = repr(value)
    of = f" in variant {variant.id}" if variant.id else ""
    subject = f"{expectation.what} of {expectation.name}{where}{step}"
    return (
        f"{subject} is {shown}, but the case expects {text} ± {float(allowed):.0e}{of} ({expectation.place})"
    )


def _digits(text: str) -> int:
    """Significant digits of a printed number."""
    return 16 if "/" in text else len(Decimal(text).as_tuple().digits)


# Loading


def expectations(
    document: Document, variants: Sequence["Variant"], locator: Locator | None, file: str
) -> tuple[Expectation, ...]:
    """The [[expect]] entries, checked against every variant of which they speak. Raises Mistake."""
    return tuple(_expectation(document, i, variants, locator, file) for i in range(len(document.expect)))


def _expectation(
    document: Document, i: int, variants: Sequence["Variant"], locator: Locator | None, file: str
) -> Expectation:
    entry = document.expect[i]
    path = ("expect", i)
    line = (locator or Locator("")).key(path)
    made = Expectation(
        what=entry.what,
        name=str(getattr(entry, entry.what)),
        at=None if entry.at is UNSET else tuple(entry.at),
        after_step=entry.after_step,
        variant=None if entry.variant is UNSET else entry.variant,
        printed=entry.printed,
        place=f"{file}:{line[0]}" if line else file,
    )
    spoken_of = [variant for variant in variants if made.applies(variant)]
    if not spoken_of:
        ids = [variant.id for variant in variants if variant.id]
        raise Mistake(
            f'no variant "{made.variant}"; {allowed_names(str(made.variant), ids)}', (*path, "variant")
        )
    _check_numbers(made, path)
    for variant in spoken_of:
        _check_subject(made, variant, path)
        _check_shape(made, entry, variant, path)
        _check_step(made, variant, path)
    return made


def _check_numbers(made: Expectation, path: tuple[str | int, ...]) -> None:
    for text in leaves(made.printed):
        if len(text) > MAX_DIGITS or ("/" not in text and abs(Decimal(text).adjusted()) > MAX_EXPONENT):
            raise Mistake(f'"{text[:MAX_DIGITS]}" is beyond what a float64 holds', (*path, "is"))
    if made.has_fractions and made.after_step:
        message = (
            "a fraction is held to the reference's own error, which is not known after a step; print digits"
        )
        raise Mistake(message, (*path, "is"))


def _check_subject(made: Expectation, variant: "Variant", path: tuple[str | int, ...]) -> None:
    def right(name: str) -> bool:
        if made.what == "parameter":
            return variant.training is not None and name in variant.training.parameters
        return variant.specs[name].dtype == "float" and (
            made.what == "gradient" or name not in variant.sources
        )

    if made.name not in variant.specs or not right(made.name):
        allowed = [name for name in variant.specs if right(name)]
        message = f'there is no {made.what} "{made.name}" here; {allowed_names(made.name, allowed)}'
        raise Mistake(message, (*path, made.what))


def _check_shape(made: Expectation, entry: Expect, variant: "Variant", path: tuple[str | int, ...]) -> None:
    shape, found = variant.specs[made.name].shape, nested_shape(entry.printed)
    if made.at is None:
        if found != shape:
            hint = "; at = [...] names one element" if found == () else ""
            raise Mistake(
                f"{made.name} has shape {shape}, but what it is has shape {found}{hint}", (*path, "is")
            )
    elif len(made.at) != len(shape) or any(i >= size for i, size in zip(made.at, shape, strict=True)):
        raise Mistake(f"{list(made.at)} is no element of {made.name}, which has shape {shape}", (*path, "at"))
    elif found != ():
        raise Mistake("one element is one number, not a list", (*path, "is"))
    if math.prod(found) == 0:
        raise Mistake(f"{made.name} is empty: there is nothing to compare", (*path, "is"))


def _check_step(made: Expectation, variant: "Variant", path: tuple[str | int, ...]) -> None:
    steps = variant.training.steps if variant.training else 0
    drawn_anew = any(source.steps is not None for source in variant.sources.values())
    most = steps - 1 if drawn_anew and made.what != "parameter" else steps
    if made.after_step > most:
        raise Mistake(
            f"after_step is {made.after_step}, but may be at most {most} here", (*path, "after_step")
        )
    if made.what == "parameter" and made.after_step == 0:
        raise Mistake(
            "a parameter needs after_step = 1 or more: before it is what the case says", path, on_key=True
        )
