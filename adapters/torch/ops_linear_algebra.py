"""Norms, distances, and what is made of matrices."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from worker import Unsupported


def rfft(x: torch.Tensor, *, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = torch.fft.rfft(x, dim=axis)
    return found.real, found.imag


def grouped_matmul(x: torch.Tensor, W: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    if x.dtype == torch.float64:
        raise Unsupported("F.grouped_mm takes no float64")
    if any(n * x.element_size() % 16 for n in W.shape[1:]):
        raise Unsupported("F.grouped_mm takes only rows of a multiple of 16 bytes")
    return F.grouped_mm(x, W, offs=torch.cumsum(sizes, 0).to(torch.int32))


OPS: dict[str, Callable[..., Any]] = {
    "norm": lambda x, *, p, axis, keepdims: torch.linalg.vector_norm(x, ord=p, dim=axis, keepdim=keepdims),
    # of many vectors torch would expand the squares of the differences, unless told otherwise: another formula
    "cdist": lambda x, y, *, p: torch.cdist(x, y, p=p, compute_mode="donot_use_mm_for_euclid_dist"),
    "one_hot": lambda labels, *, classes, dtype: F.one_hot(labels, classes).to(getattr(torch, dtype)),
    "grouped_matmul": grouped_matmul,
    "inv": torch.linalg.inv,
    "solve": torch.linalg.solve,
    "det": torch.linalg.det,
    "slogdet": lambda a: tuple(torch.linalg.slogdet(a)),
    "cholesky": torch.linalg.cholesky,
    "rfft": rfft,
    "irfft": lambda re, im, *, n, axis: torch.fft.irfft(torch.complex(re, im), n=n, dim=axis),
}
