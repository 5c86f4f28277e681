"""Fourier transforms of real numbers, by the sum that defines them."""

from typing import Any

import numpy as np

from ..drawing import draw, of
from ..numbers import MP, MpArray, exact
from .table import define


def _sums(x: MpArray, wave: Any, count: int, axis: int) -> MpArray:
    """The sums over j of x[j] * wave(j, k), for so many k."""
    lines = np.moveaxis(x, axis, -1)
    found = [
        sum((lines[..., j] * wave(j, k) for j in range(lines.shape[-1])), np.full(lines.shape[:-1], MP.zero))
        for k in range(count)
    ]
    return np.stack([np.asarray(a, dtype=object) for a in found], axis=axis)


def rfft(x: Any, *, axis: int = -1) -> tuple[MpArray, MpArray]:
    n = np.shape(x)[axis]
    re = _sums(exact(x), lambda j, k: MP.cospi(MP.mpf(2 * j * k) / n), n // 2 + 1, axis)
    im = _sums(exact(x), lambda j, k: -MP.sinpi(MP.mpf(2 * j * k) / n), n // 2 + 1, axis)
    return re, im


def irfft(re: Any, im: Any, *, n: int | None = None, axis: int = -1) -> MpArray:
    """The mean over all n frequencies, of which those above the middle are the mirrored ones' conjugates."""
    m = np.shape(re)[axis]
    length = 2 * (m - 1) if n is None else n

    def twice(k: int) -> int:
        return 1 if k == 0 or 2 * k == length else 2

    cosines = _sums(exact(re), lambda k, j: twice(k) * MP.cospi(MP.mpf(2 * j * k) / length), length, axis)
    sines = _sums(exact(im), lambda k, j: twice(k) * MP.sinpi(MP.mpf(2 * j * k) / length), length, axis)
    return np.asarray((cosines - sines) / length, dtype=object)


def _numpy_rfft(x: Any, *, axis: int = -1) -> tuple[Any, Any]:
    found = np.fft.rfft(x, axis=axis)
    return found.real, found.imag


define(
    "rfft",
    rfft,
    numpy=_numpy_rfft,
    relative_to="terms",
    samples=[
        of(draw(8)),
        of(draw(5)),
        of(draw(2, 6)),
        of(draw(4, 3), axis=0),
        of(draw(2, 3, 2), axis=1),
        of(draw(2, 1)),
    ],
)
define(
    "irfft",
    irfft,
    numpy=lambda re, im, *, n=None, axis=-1: np.fft.irfft(re + 1j * im, n, axis=axis),
    relative_to="terms",
    samples=[
        of(draw(5), draw(5)),
        of(draw(3), draw(3), n=5),
        of(draw(2, 4), draw(2, 4)),
        of(draw(3, 2), draw(3, 2), axis=0),
        of(draw(2, 2, 2), draw(2, 2, 2), n=3, axis=1),
    ],
)
