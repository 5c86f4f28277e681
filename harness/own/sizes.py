"""One case for several sizes: a module that was exported at each, as one program in which the sizes stand.

`make(batch=2)` and `make(batch=7)` give programs that differ in numbers alone. Each of these numbers becomes an
expression of the sizes that has its value at every one of them; a program that differs in more is refused, with its line.
What is written is read again, and is what was exported at each size.
"""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from ..case.document import Document, Input
from ..case.variant import Case
from ..reading.elements import Array
from .cases import OTHERS, drawn
from .errors import OwnError
from .exported import Exported, program_of

Sizes = Mapping[str, int]
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")
MASK = 2
"""So many different floats are those of a mask: no range is drawn from."""
FEWEST = 2
"""Sizes at which a module is exported: of one nothing can be told."""


def sizes_of(texts: Sequence[str]) -> list[Sizes]:
    """Every combination of `batch=1,2,7`. Raises OwnError."""
    every: dict[str, list[int]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        words = values.split(",")
        if not (equals and name.isidentifier() and all(word.isdecimal() for word in words)):
            raise OwnError(f"--sizes {text}: should be NAME=INTEGER,INTEGER, as batch=1,2,7")
        numbers = sorted({int(word) for word in words})
        if len(numbers) < FEWEST or name in every:
            raise OwnError(f"--sizes {text}: each size is named once, with {FEWEST} values or more")
        every[name] = numbers
    return [dict(zip(every, values, strict=True)) for values in itertools.product(*every.values())]


def swept(document: Document, exports: Sequence[Exported], sizes: Sequence[Sizes]) -> Document:
    """The document of the first export with the sizes in it. Raises OwnError where the exports differ in more than numbers."""
    if not sizes[0]:
        return document
    names = {name for made in exports for s in made.statements for name in s["outs"]} | set(exports[0].kinds)
    for name in sizes[0]:
        if name in names:
            raise OwnError(f"--sizes {name}: the program has a tensor of that name; call the size otherwise")
    text = replace(exports[0], statements=list(_statements(exports, sizes))).text
    shown = {name: sorted({at[name] for at in sizes}) for name in sizes[0]}
    tensors, constants = (
        {name: _tensor(name, tensor, exports, sizes) for name, tensor in there.items()}
        for there in (document.tensors, document.constants)
    )
    return msgspec.structs.replace(document, program=text, sweep=shown, tensors=tensors, constants=constants)


def check_swept(case: Case, exports: Sequence[Exported], sizes: Sequence[Sizes]) -> None:
    """Raises OwnError unless each variant of a swept case is the program that was exported at its sizes."""
    if not sizes[0]:
        return
    found = {tuple(sorted(v.bindings.items())): v for v in case.variants}
    for made, at in zip(exports, sizes, strict=True):
        variant = found[tuple(sorted(at.items()))]
        shapes = {name: variant.specs[name].shape for name in made.kinds}
        exported = {name: a.shape for name, a in made.tensors.items()}
        if variant.program.calls != program_of(made).calls or shapes != exported:
            raise OwnError(f"with {_words(at)} the case would not be what was exported; nothing was written")


def _statements(exports: Sequence[Exported], sizes: Sequence[Sizes]) -> Iterator[dict[str, Any]]:
    counts = [len(made.statements) for made in exports]
    for other, count in zip(sizes, counts, strict=True):
        if count != counts[0]:
            raise OwnError(
                f"the program depends on the size: {counts[0]} statements with {_words(sizes[0])}, {count} with {_words(other)}"
            )
    for lines in zip(*(made.statements for made in exports), strict=True):
        texts = [line["text"] for line in lines]
        for text, at, line in zip(texts, sizes, lines, strict=True):
            if NUMBER.split(text) != NUMBER.split(texts[0]) or line["outs"] != lines[0]["outs"]:
                raise OwnError(
                    f"the program depends on the size, {lines[0]['place'] or 'in no line that is known'}: "
                    f"{texts[0]} with {_words(sizes[0])}, {text} with {_words(at)}"
                )
        yield {**lines[0], "text": _with_sizes(texts, sizes, lines[0]["place"])}


def _with_sizes(texts: Sequence[str], sizes: Sequence[Sizes], place: str) -> str:
    numbers = zip(*(NUMBER.findall(text) for text in texts), strict=True)
    said = [
        words[0] if len(set(words)) == 1 else _expression(list(map(_number, words)), sizes, place)
        for words in numbers
    ]
    between = NUMBER.split(texts[0])
    found = between[0]
    for word, rest in zip(said, between[1:], strict=True):
        alone = found.rstrip().endswith(("(", "[", ",", "=")) and rest.startswith((",", ")", "]"))
        found += (word.strip("()") if alone else word) + rest
    return found


def _number(word: str) -> float:
    number = float(word)
    return int(word) if word.isdecimal() else int(number) if number.is_integer() else number


def _expression(numbers: Sequence[float], sizes: Sequence[Sizes], place: str) -> str:
    """What has these values at the sizes: a multiple of one of them or of a product, and a number; or a number divided by one.

    Raises OwnError where nothing so simple has.
    """
    for names in (c for n in range(1, len(sizes[0]) + 1) for c in itertools.combinations(sizes[0], n)):
        products = [math.prod(at[name] for name in names) for at in sizes]
        word = " * ".join(names)
        if all(isinstance(number, int) for number in numbers):
            factor, rest = _line(products, [int(number) for number in numbers])
            if factor:
                times = word if factor == 1 else f"{factor} * {word}"
                return times if not rest and " " not in times else f"({times}{f' + {rest}' * bool(rest)})"
        above = numbers[0] * products[0]
        if all(above / product == number for product, number in zip(products, numbers, strict=True)):
            return f"({above!r} / ({word}))" if " " in word else f"({above!r} / {word})"
    told = ", ".join(f"{number} with {_words(at)}" for number, at in zip(numbers, sizes, strict=True))
    raise OwnError(f"{place or 'a line that is not known'}: no expression of the sizes is {told}")


def _line(products: Sequence[int], numbers: Sequence[int]) -> tuple[int, int]:
    """The factor and the rest of numbers on a line of integers; a factor of 0 where there is none."""
    low, high = (f(range(len(products)), key=products.__getitem__) for f in (min, max))
    if products[low] == products[high]:
        return 0, 0
    factor, left = divmod(numbers[high] - numbers[low], products[high] - products[low])
    rest = numbers[low] - factor * products[low]
    fits = all(factor * p + rest == n for p, n in zip(products, numbers, strict=True))
    return (factor, rest) if fits and not left and factor > 0 and rest >= 0 else (0, 0)


def _tensor(name: str, tensor: Input, exports: Sequence[Exported], sizes: Sequence[Sizes]) -> Input:
    """As it is where it is the same at every size; of another shape at each, as it can be made there."""
    arrays = [made.tensors[name] for made in exports]
    kind = exports[0].kinds[name]
    shapes = [a.shape for a in arrays]
    if len(set(shapes)) == 1:
        if kind in ("parameter", "constant") and not all(np.array_equal(a, arrays[0]) for a in arrays):
            raise OwnError(
                f"{name} has other numbers with {_words(sizes[-1])} than with {_words(sizes[0])}: a {kind} has to be the same; "
                "give the function that makes it a seed"
            )
        return tensor
    if kind == "parameter" or len({len(shape) for shape in shapes}) > 1:
        raise OwnError(
            f"{name}, a {kind}, has shape {list(shapes[0])} with {_words(sizes[0])} and {list(shapes[-1])} with {_words(sizes[-1])}"
        )
    largest = max(arrays, key=np.size)
    made = _patterned(name, arrays, sizes) if kind == "constant" else _given(largest)
    dimensions = zip(*shapes, strict=True)
    shape: list[int | str] = [
        own[0] if len(set(own)) == 1 else _expression(own, sizes, name).strip("()") for own in dimensions
    ]
    return msgspec.structs.replace(made, shape=shape)


def _given(a: Array) -> Input:
    """Another draw of what is given or drawn: of the numbers that are there where there are two, as in a mask."""
    more = OTHERS.get(a.dtype.kind, {})
    if not more and len(np.unique(a)) > MASK:
        made = drawn(a)
        several = made.generator != "values"
        return made if several else Input(uniform=(float(a.min()), float(a.max())), shape=list(a.shape))
    return msgspec.convert({"choice": np.unique(a).tolist(), "shape": list(a.shape), **more}, Input)


def _patterned(name: str, arrays: Sequence[Array], sizes: Sequence[Sizes]) -> Input:
    """A constant that is made from its shape. Raises OwnError where nothing that a case can say makes it."""
    more = OTHERS.get(arrays[0].dtype.kind, {})
    first = next((a.flat[0].item() for a in arrays if a.size), 0)
    second = next((a.flat[1].item() for a in arrays if a.size > 1), first)
    step = second - first if math.isfinite(second - first) else 0
    for pattern, value, make in (
        ("full", first, lambda a: np.full(a.shape, first)),
        ("tril", first, lambda a: np.tril(np.full(a.shape, first)) if a.ndim > 1 else np.empty(0)),
        ("arange", [first, step], lambda a: (first + step * np.arange(a.size)).reshape(a.shape)),
    ):
        if all(np.array_equal(make(a), a) for a in arrays):
            return msgspec.convert({pattern: value, "shape": list(arrays[0].shape), **more}, Input)
    raise OwnError(
        f"the constant {name} has shape {list(arrays[0].shape)} with {_words(sizes[0])}, and is neither full, triangular nor evenly spaced: "
        "give it as an input of the module"
    )


def _words(at: Sizes) -> str:
    return ", ".join(f"{name}={value}" for name, value in at.items())
