"""Samples: the inputs and attributes of one call, drawn where the call is defined.

Each sample has a stream of its own, whose seed is the name of what is called and the sample's own text. So a sample
that is added, wherever it stands, moves no number of any other. Drawn numbers have all their 53 bits: products of
them are rounded.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TINY = np.array([5e-324, -3e-323, 1.7e-310, -2.2250738585072014e-308, 1e-300, -1e-160])
HUGE = np.array([3e307, -1e300, 1e160, -1e16, 123456789.1, -(2.0**53 - 1)])
BRANCH = np.array([5e-324, -5e-324, 1e-30, -1e-30, 2**-53, -(2**-53)])
"""Beside 0, where relu and its relatives turn."""
SPREAD = np.array([-745.0, -40.0, -1e-3, 1e-10, 1e-3, 40.0, 700.0])
WIDE = np.array([300.0, -300.0, 299.5, 0.0])


class Drawn(NamedTuple):
    """An input that is still to be drawn, and how it would be typed."""

    text: str
    make: Callable[[np.random.Generator], Array]
    ordinary: bool = True

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Sample:
    """One call: tensors and numbers by position, attributes by name."""

    inputs: tuple[Any, ...]
    kw: dict[str, Any]
    plain: bool = False
    """Whether every float tensor of it is drawn, of ordinary size: any formula gets it right, in float32 too."""

    @property
    def text(self) -> str:
        """As it is typed: `draw(2, 3), 0.7, axis=1`."""
        inputs = (repr(x.tolist()) if isinstance(x, np.ndarray) else repr(x) for x in self.inputs)
        return ", ".join([*inputs, *(f"{key}={value!r}" for key, value in self.kw.items())])

    def drawn(self, name: str) -> "Sample":
        """The sample with numbers in place of all that is to be drawn, for what has this name."""
        seed = hashlib.sha256(f"{name}({self.text})".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(seed))
        inputs = tuple(x.make(rng) if isinstance(x, Drawn) else x for x in self.inputs)
        return Sample(inputs, self.kw, not any(map(_special, self.inputs)))


def _special(x: Any) -> bool:
    """Whether an input is one of chosen floats, or drawn of a size that isn't ordinary."""
    return not x.ordinary if isinstance(x, Drawn) else isinstance(x, np.ndarray) and x.dtype == np.float64


def of(*inputs: Any, **kw: Any) -> Sample:
    """A call, with `Drawn` inputs among others."""
    return Sample(inputs, kw)


def all_drawn(name: str, samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The samples of one name, drawn; two of one text would be the same numbers twice, and are refused."""
    given = list(samples)
    texts = [sample.text for sample in given]
    if twice := sorted({text for text in texts if texts.count(text) > 1}):
        raise ValueError(f"{name} has the sample {twice[0]} twice")
    return tuple(sample.drawn(name) for sample in given)


# Inputs


def row(*numbers: float) -> NDArray[np.float64]:
    """Numbers as they are."""
    return np.array(numbers, dtype=np.float64)


def draw(*shape: int, low: float = -2, high: float = 2) -> Drawn:
    return Drawn(f"draw({shape}, {low}, {high})", lambda rng: np.asarray(rng.uniform(low, high, shape)))


def scaled(scale: float, *shape: int) -> Drawn:
    """Numbers up to twice that size."""
    text = f"scaled({scale}, {shape})"
    return Drawn(text, lambda rng: np.asarray(scale * rng.uniform(-2, 2, shape)), ordinary=False)


def positive(*shape: int) -> Drawn:
    return draw(*shape, low=0.1, high=3)


def probabilities(*shape: int) -> Drawn:
    return draw(*shape, low=0.05, high=0.95)


def distribution(*shape: int, axis: int = -1) -> Drawn:
    def make(rng: np.random.Generator) -> Array:
        weights = rng.uniform(0.1, 3, shape)
        return np.asarray(weights / weights.sum(axis, keepdims=True))

    return Drawn(f"distribution({shape}, {axis})", make)


def weights(*shape: int) -> Drawn:
    """Targets that don't sum to one. TensorFlow documents that its gradient is then another."""
    return positive(*shape)._replace(text=f"weights({shape})", ordinary=False)


def labels(classes: int, *shape: int) -> Drawn:
    return Drawn(f"labels({classes}, {shape})", lambda rng: np.asarray(rng.integers(0, classes, shape)))


def bools(*shape: int) -> Drawn:
    return Drawn(f"bools({shape})", lambda rng: np.asarray(rng.integers(0, 2, shape).astype(bool)))
