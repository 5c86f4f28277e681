"""Holds the reference to numbers printed elsewhere, at the inputs as written.

Printed digits are held to half a unit of their last one, compared exactly, as fractions: nothing is lost in the
comparison. A fraction such as "1/5" has no last digit; it is held to the reference's own error in float64.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import UNSET

from ..reading.locate import Path
from ..reading.text import allowed_names
from .document import Document, Expect
from .mistakes import Doubt, Mistake, Mistakes, Places
from .tensors import leaves, nested_shape
from .variant import Expectation

if TYPE_CHECKING:
    from .variant import Variant


MAX_DIGITS = 60
MAX_EXPONENT = 400
"""Beyond what any float64 is: so that a printed exponent cannot ask for memory."""


# Loading


def expectations(
    document: Document,
    variants: Sequence["Variant"],
    places: Places,
    mistakes: Mistakes,
    doubt: Doubt,
    vague: Mapping[str, Collection[str]],
) -> tuple[Expectation, ...]:
    """The [[expect]] entries, checked against every variant of which they speak; of names that are `vague` there, little."""
    checking = _Checking(document, variants, places, mistakes, vague, doubt)
    return tuple([checking.expectation(i, entry) for i, entry in enumerate(document.expect) if entry])


@dataclass(frozen=True)
class _Checking:
    document: Document
    variants: Sequence["Variant"]
    places: Places
    mistakes: Mistakes
    vague: Mapping[str, Collection[str]]
    doubt: Doubt

    def expectation(self, i: int, entry: Expect) -> Expectation:
        path = ("expect", i)
        line = self.places.locator.key(path)
        made = Expectation(
            what=entry.what,
            name=str(getattr(entry, entry.what)),
            at=None if entry.at is UNSET else tuple(entry.at),
            after_step=entry.after_step,
            variant=None if entry.variant is UNSET else entry.variant,
            printed=entry.printed,
            place=f"{self.places.file}:{line[0]}" if line else self.places.file,
        )
        self.mistakes.attempt(_check_numbers, made, path)
        spoken_of = [variant for variant in self.variants if made.applies(variant)]
        if not spoken_of and not self.doubt.sizes and self.variants:
            ids = [variant.id for variant in self.variants if variant.id]
            message = f'no variant "{made.variant}"; {allowed_names(str(made.variant), ids)}'
            self.mistakes.tell(Mistake(message, (*path, "variant")))
        for variant in spoken_of:
            if made.name not in self.vague.get(variant.id, ()) and "training" not in self.doubt.keys:
                self.mistakes.attempt(_check_within, made, entry, variant, path)
        return made


def _check_within(made: Expectation, entry: Expect, variant: "Variant", path: Path) -> None:
    _check_subject(made, variant, path)
    _check_shape(made, entry, variant, path)
    _check_step(made, variant, path)


def _check_numbers(made: Expectation, path: Path) -> None:
    for text in leaves(made.printed):
        if len(text) > MAX_DIGITS or ("/" not in text and abs(Decimal(text).adjusted()) > MAX_EXPONENT):
            raise Mistake(f'"{text[:MAX_DIGITS]}" is beyond what a float64 holds', (*path, "is"))
    if made.has_fractions and made.after_step:
        message = (
            "a fraction is held to the reference's own error, which is not known after a step; print digits"
        )
        raise Mistake(message, (*path, "is"))


def _check_subject(made: Expectation, variant: "Variant", path: Path) -> None:
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


def _check_shape(made: Expectation, entry: Expect, variant: "Variant", path: Path) -> None:
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


def _check_step(made: Expectation, variant: "Variant", path: Path) -> None:
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
