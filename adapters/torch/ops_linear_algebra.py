"""Norms, distances, and what is made of matrices."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it


def rfft(x: torch.Tensor, *, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    found = torch.fft.rfft(x, dim=axis)
    return found.real, found.imag


OPS: dict[str, Callable[..., Any]] = {
    "norm": lambda x, *, p, axis, keepdims: torch.linalg.vector_norm(x, ord=p, dim=axis, keepdim=keepdims),
    # of many vectors torch would expand the squares of the differences, unless told otherwise: another formula
    "cdist": lambda x, y, *, p: torch.cdist(x, y, p=p, compute_mode="donot_use_mm_for_euclid_dist"),
    "one_hot": lambda labels, *, classes, dtype: F.one_hot(labels, classes).to(getattr(torch, dtype)),
    "inv": torch.linalg.inv,
    "solve": torch.linalg.solve,
    "det": torch.linalg.det,
    "slogdet": lambda a: tuple(torch.linalg.slogdet(a)),
    "cholesky": torch.linalg.cholesky,
    "rfft": rfft,
    "irfft": lambda re, im, *, n, axis: torch.fft.irfft(torch.complex(re, im), n=n, dim=axis),
}
