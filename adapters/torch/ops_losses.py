"""Losses of pairs of numbers, and of vectors."""

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everybody writes it
from adapter import like
from worker import Unsupported


def constants(x: torch.Tensor, **weights: Any) -> dict[str, torch.Tensor]:
    """Weights that are there, which torch takes as constants."""
    there = {name: like(w, x) for name, w in weights.items() if w is not None}
    if any(w.requires_grad for w in there.values()):
        raise Unsupported("torch has no derivative towards the weights of a cross-entropy")
    return there


def bce(p: torch.Tensor, t: torch.Tensor, w: Any = None, *, reduction: str) -> torch.Tensor:
    return F.binary_cross_entropy(p, t, reduction=reduction, **constants(p, weight=w))


def bce_with_logits(
    z: torch.Tensor, t: torch.Tensor, w: Any = None, pos_weight: Any = None, *, reduction: str
) -> torch.Tensor:
    weights = constants(z, weight=w, pos_weight=pos_weight)
    return F.binary_cross_entropy_with_logits(z, t, reduction=reduction, **weights)


def soft_margin(x: torch.Tensor, y: torch.Tensor, *, reduction: str) -> torch.Tensor:
    return F.soft_margin_loss(x, y.to(x.dtype), reduction=reduction)


def cosine_embedding(
    x: torch.Tensor, y: torch.Tensor, label: torch.Tensor, *, margin: float, epsilon: float, reduction: str
) -> torch.Tensor:
    if x.ndim != 2 or not math.isclose(epsilon, 1e-12, rel_tol=1e-7):
        raise Unsupported(
            "F.cosine_embedding_loss is of one batch of vectors, and adds 1e-12 to their squares"
        )
    return F.cosine_embedding_loss(x, y, label, margin, reduction=reduction)


def ctc_loss(
    z: torch.Tensor,
    labels: torch.Tensor,
    lengths: Any = None,
    label_lengths: Any = None,
    *,
    blank: int,
    reduction: str,
) -> torch.Tensor:
    """Its own mean divides every loss by the number of its labels."""
    steps, batch, _ = z.shape
    ends = torch.full((batch,), steps) if lengths is None else lengths
    counts = torch.full((batch,), labels.shape[1]) if label_lengths is None else label_lengths
    losses = F.ctc_loss(F.log_softmax(z, -1), labels, ends, counts, blank, reduction="none")
    return {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}[reduction]()


# hinge, squared_hinge: the margin losses of torch are of classes or of distances.
OPS = {
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
    "smooth_l1": F.smooth_l1_loss,
    "gaussian_nll": lambda x, t, var, *, full, reduction: F.gaussian_nll_loss(
        x, t, var, full=full, eps=0.0, reduction=reduction
    ),
    "poisson_nll": lambda x, t, *, log_input, epsilon, reduction: F.poisson_nll_loss(
        x, t, log_input=log_input, eps=epsilon, reduction=reduction
    ),
    "hinge_embedding": F.hinge_embedding_loss,
    "margin_ranking": F.margin_ranking_loss,
    "soft_margin": soft_margin,
    "ctc_loss": ctc_loss,
    "cosine_embedding": cosine_embedding,
    "cosine_similarity": lambda x, y, *, axis, epsilon: F.cosine_similarity(x, y, dim=axis, eps=epsilon),
    "triplet_margin": lambda a, p, n, *, margin, epsilon, reduction: F.triplet_margin_loss(
        a, p, n, margin=margin, eps=epsilon, reduction=reduction
    ),
}
