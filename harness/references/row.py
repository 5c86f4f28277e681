"""What every tensor of an answer must be, its elements side by side."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from ...reference.formats import FORMATS
from ...reference.rounding import K, Reference, tolerance
from ..roles import Key

Array = np.ndarray[Any, Any]


ROLE_SCALE = 1e-3
"""A tensor's scale is at least this share of the largest of its role, so that a zero by cancellation is judged."""


def scales(magnitudes: Mapping[Key, float]) -> dict[Key, float]:
    """What errors and tolerances of tensors are shares of, from the largest magnitude of each."""
    largest: dict[str, float] = {}
    for (role, _), magnitude in magnitudes.items():
        largest[role] = max(largest.get(role, 0.0), magnitude)
    return {key: max(magnitude, ROLE_SCALE * largest[key[0]]) for key, magnitude in magnitudes.items()}


class Span(NamedTuple):
    """Where the elements of one tensor stand, in C order, in the row of them all."""

    shape: tuple[int, ...]
    start: int
    stop: int


class References(Mapping[Any, Reference]):
    """What every tensor of an answer must be, by key; their elements stand side by side in one row.

    So they are kept, read and judged in one go, however many tensors there are.
    """

    def __init__(
        self, shapes: Mapping[Any, tuple[int, ...]], value: Array, sigma: Array, alike: bool = True
    ) -> None:
        """`value` and `sigma` have one dimension. Raises ValueError where the shapes do not add up to their size.

        `alike`: whether they serve every dtype; else they are of the range of the one that was asked for.
        """
        self.value, self.sigma, self.alike = value, sigma, alike
        self.spans: dict[Any, Span] = {}
        stop = 0
        for key, shape in shapes.items():
            start, stop = stop, stop + math.prod(shape)
            self.spans[key] = Span(shape, start, stop)
        if value.shape != (stop,) or sigma.shape != (stop,):
            raise ValueError(f"{stop} elements are described, {value.shape} and {sigma.shape} are there")

    @classmethod
    def of(cls, tensors: Mapping[Any, Reference], alike: bool = True) -> Self:
        """The same tensors side by side."""
        if isinstance(tensors, cls):
            return tensors
        shapes = {key: np.shape(e.value) for key, e in tensors.items()}
        value, sigma = (_row(getattr(e, part) for e in tensors.values()) for part in ("value", "sigma"))
        return cls(shapes, value, sigma, alike)

    def only(self, keys: Container[Any]) -> "References":
        """Those of its tensors that are among the keys."""
        return References.of({key: self[key] for key in self if key in keys})

    def __getitem__(self, key: Any) -> Reference:
        shape, start, stop = self.spans[key]
        return Reference(self.value[start:stop].reshape(shape), self.sigma[start:stop].reshape(shape))

    def __contains__(self, key: object) -> bool:
        return key in self.spans

    def __iter__(self) -> Iterator[Any]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    def row_of(self, arrays: Mapping[Any, Array]) -> Array:
        """These arrays, which have the tensors' keys and shapes, as a row like `value`."""
        return np.concatenate([arrays[key].reshape(-1) for key in self.spans] or [self.value])

    def tolerance(self, dtype: str) -> Array:
        """K sigma of every element in `dtype`; infinite where an element can't be judged."""
        allowed: Array = tolerance(self.sigma, dtype)
        return allowed

    def median_tolerance(self, dtype: str) -> list[float]:
        """For each tensor the tolerance that half of its finite elements have, or less; 0 of no elements."""
        return [K * FORMATS[dtype].scale * median for median in self._median_sigma]

    # Each is asked for once for every framework and dtype.

    @cached_property
    def magnitudes(self) -> list[float]:
        """For each tensor the largest |value| that is finite; 0 of no elements."""
        return self.largest(np.where(np.isfinite(self.value), np.abs(self.value), 0))

    @cached_property
    def scales(self) -> list[float]:
        """For each tensor what its errors and tolerances are shares of."""
        return list(scales(dict(zip(self, self.magnitudes, strict=True))).values())

    @cached_property
    def _median_sigma(self) -> list[float]:
        told = np.isfinite(self.value) | ~np.isfinite(self.sigma)
        return [_median(self.sigma[start:stop][told[start:stop]]) for _, start, stop in self.spans.values()]

    @cached_property
    def _starts(self) -> list[int]:
        return [start for _, start, stop in self.spans.values() if start < stop]

    def largest(self, row: Array) -> list[float]:
        """For each tensor the largest of its elements of a row like `value`, in which is no NaN; 0 of no elements."""
        found = iter(np.maximum.reduceat(row, self._starts).tolist() if self._starts else ())
        return [next(found) if start < stop else 0.0 for _, start, stop in self.spans.values()]


def _row(arrays: Iterable[Array]) -> Array:
    return np.concatenate([np.empty(0), *(np.reshape(a, -1) for a in arrays)])


def _median(a: Array) -> float:
    if not a.size:
        return 0.0
    ordered = np.sort(a)
    return float(ordered.item((ordered.size - 1) // 2) + ordered.item(ordered.size // 2)) / 2
