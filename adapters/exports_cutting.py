"""Inputs made smaller: as small as a module still runs with, and learns of as before."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

FEWEST = 2
"""Elements that an axis keeps: of one alone nothing shows by which axis something is added."""
FAINT = 1e-10
"""Of the largest gradient of all, in float64: what is less may be what rounding leaves of terms that cancel."""

Shapes = Sequence[tuple[int, ...]]
Axis = tuple[int, int]
"""Of which array, and which."""
Largest = Callable[[Sequence[Any]], Mapping[str, float]]
"""Of the arrays, cut: the largest |gradient| of every parameter and input of floats, by name. Raises whatever a module raises."""


def shrunk(
    names: Sequence[str], arrays: Sequence[Any], largest: Largest, faint: float = FAINT
) -> tuple[Shapes, list[str]]:
    """The shapes to which the arrays can be cut, and what is smaller then, in words.

    Axes of one size are made smaller together, the first array's first axis, the batch, before others and long ones before
    short ones; where they can't be, those of one number alone. A size is halved as long as the module runs and no gradient
    vanishes that didn't before; sizes that differ stay different, so that an axis taken for another still shows.
    Raises SystemExit where the module doesn't run with what it is given.
    """
    shapes, said = [tuple(a.shape) for a in arrays], []
    try:
        before = levels(largest(arrays), faint)
    except Exception as error:  # noqa: BLE001 - whatever somebody's own module raises
        text = " ".join(str(error).split())[:500]
        raise SystemExit(
            f"--shrink: with its own inputs it can't be differentiated: {type(error).__name__}: {text}"
        ) from None

    def holds(tried: Shapes) -> bool:
        try:
            found = levels(largest(cut(arrays, tried)), faint)
        except Exception:  # noqa: BLE001 - the size is needed
            return False
        return all(found.get(name, -1) >= level for name, level in before.items())

    done: set[Axis] = set()
    for axes in together(shapes):
        if done.isdisjoint(axes):
            size, found = size_of(shapes, axes), smallest(shapes, axes, holds)
            if found is not shapes:
                shapes, done = found, done | set(axes)
                places = ", ".join(f"axis {axis} of {names[i]}" for i, axis in axes)
                said.append(f"{size} to {size_of(shapes, axes)} ({places})")
    return shapes, said


def levels(largest: Mapping[str, float], faint: float) -> dict[str, int]:
    """Of each gradient whether it is no number (-1), 0, faint beside the largest of all, or more."""
    most = max((a for a in largest.values() if math.isfinite(a)), default=0.0)
    return {name: (a > 0) + (a > faint * most) if math.isfinite(a) else -1 for name, a in largest.items()}


def together(shapes: Shapes) -> Iterator[list[Axis]]:
    """The axes that are made smaller at once: all of one size, or else those that have one number too."""
    axes: dict[int, list[Axis]] = {}
    for i, shape in enumerate(shapes):
        for axis, size in enumerate(shape):
            axes.setdefault(size, []).append((i, axis))
    batch = next((shape[0] for shape in shapes if shape), 0)
    for size in sorted(axes, key=lambda size: (size != batch, -size)):
        yield axes[size]
        for number in sorted({axis for _, axis in axes[size]}):
            yield [place for place in axes[size] if place[1] == number]


def size_of(shapes: Shapes, axes: Sequence[Axis]) -> int:
    i, axis = axes[0]
    return shapes[i][axis]


def smallest(shapes: Shapes, axes: Sequence[Axis], holds: Callable[[Shapes], bool]) -> Shapes:
    """The shapes with these axes halved as often as it holds; the very same where it never does."""
    others = {
        size for i, shape in enumerate(shapes) for axis, size in enumerate(shape) if (i, axis) not in axes
    }
    size = size_of(shapes, axes)
    while (size := size // 2) >= FEWEST:
        if size in others:
            continue
        tried = [
            tuple(size if (i, axis) in axes else own for axis, own in enumerate(shape))
            for i, shape in enumerate(shapes)
        ]
        if not holds(tried):
            break
        shapes = tried
    return shapes


def cut(arrays: Sequence[Any], shapes: Shapes) -> list[Any]:
    """Each array's first elements, so many along each axis."""
    return [a[(*map(slice, shape), ...)] for a, shape in zip(arrays, shapes, strict=True)]
