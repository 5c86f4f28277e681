"""Losses of pairs of numbers: Gluon's. Most are written in operators that take the older arrays alone."""

from collections.abc import Callable
from typing import Any

import mxnet as mx
import numpy as onp  # noqa: ICN001 - np is MXNet's own
from adapter import REDUCE, per_element
from mxnet import np
from mxnet.gluon import loss as losses
from worker import Unsupported


def older(loss: Any) -> Callable[..., Any]:
    """A loss, element by element, through the arrays that it takes."""

    def call(prediction: Any, target: Any, *, reduction: str) -> Any:
        pair = [a.reshape(-1, 1).as_nd_ndarray() for a in (prediction, target)]
        with mx.util.np_array(False):
            samples = loss(*pair)
        return REDUCE[reduction](samples.as_np_ndarray().reshape(prediction.shape))

    return call


def bce(p: Any, t: Any, w: Any = None, *, reduction: str) -> Any:
    """Gluon takes log(p + 1e-12), log(1 - p + 1e-12)."""
    return of_elements(losses.SigmoidBCELoss(from_sigmoid=True), p, t, w, None, reduction)


def bce_with_logits(z: Any, t: Any, w: Any = None, pos_weight: Any = None, *, reduction: str) -> Any:
    return of_elements(losses.SigmoidBCELoss(), z, t, w, pos_weight, reduction)


def of_elements(loss: Any, x: Any, t: Any, w: Any, pos_weight: Any, reduction: str) -> Any:
    """Each element is a sample, and has its weights."""
    columns = (a if a is None else (a * np.ones_like(x)).reshape(-1, 1) for a in (w, pos_weight))
    return REDUCE[reduction](loss(x.reshape(-1, 1), t.reshape(-1, 1), *columns).reshape(x.shape))


def huber(p: Any, t: Any, *, delta: float, reduction: str) -> Any:
    """HuberLoss is smooth_l1."""
    return older(losses.HuberLoss(rho=delta, weight=delta))(p, t, reduction=reduction)


def smooth_l1(p: Any, t: Any, *, beta: float, reduction: str) -> Any:
    return older(losses.HuberLoss(rho=beta))(p, t, reduction=reduction)


def kl_div(x: Any, t: Any, *, reduction: str) -> Any:
    """KLDivLoss takes log(t + 1e-12)."""
    loss = older(losses.KLDivLoss())
    if reduction == "batchmean":
        return loss(x, t, reduction="sum") / len(x)
    return loss(x, t, reduction=reduction)


def soft_margin(x: Any, y: Any, *, reduction: str) -> Any:
    return older(losses.LogisticLoss())(x, y.astype(x.dtype), reduction=reduction)


def poisson_nll(x: Any, t: Any, *, log_input: bool, epsilon: float, reduction: str) -> Any:
    if reduction != "mean":
        raise Unsupported("PoissonNLLLoss of Gluon is a mean over everything")
    if not log_input and onp.float32(epsilon) != onp.float32(1e-8):
        raise Unsupported("the epsilon of PoissonNLLLoss is 1e-8")
    pair = [a.as_nd_ndarray() for a in (x, t)]
    with mx.util.np_array(False):
        loss = losses.PoissonNLLLoss(from_logits=log_input)(*pair)
    return loss.as_np_ndarray().reshape(())


def ctc_loss(
    z: Any, labels: Any, lengths: Any = None, label_lengths: Any = None, *, blank: int, reduction: str
) -> Any:
    steps, batch, classes = z.shape
    if z.dtype != onp.float32:
        raise Unsupported("CTCLoss of MXNet has float32 alone")
    if blank not in (0, classes - 1):
        raise Unsupported("CTCLoss of MXNet has the first or the last class for its blank")
    given = [
        np.full((batch,), most) if counts is None else counts
        for counts, most in ((lengths, steps), (label_lengths, labels.shape[1]))
    ]
    found = mx.nd.CTCLoss(
        *(a.astype(z.dtype).as_nd_ndarray() for a in (z, labels, *given)),
        use_data_lengths=True,
        use_label_lengths=True,
        blank_label="last" if blank else "first",
    )
    return REDUCE[reduction](found.as_np_ndarray())


def cosine_embedding(x: Any, y: Any, label: Any, *, margin: float, epsilon: float, reduction: str) -> Any:
    """It holds the product of both lengths to 1e-12 at least, and adds nothing to it."""
    if x.ndim != 2 or epsilon != 0:
        raise Unsupported(
            "CosineEmbeddingLoss of Gluon is of one batch of vectors, and adds nothing to their squares"
        )
    if x.dtype != onp.float32:
        raise Unsupported("CosineEmbeddingLoss of Gluon has float32 alone")
    given = [a.as_nd_ndarray() for a in (x, y, label.astype(x.dtype))]
    with mx.util.np_array(False):
        found = losses.CosineEmbeddingLoss(margin=margin)(*given)
    return REDUCE[reduction](found.as_np_ndarray().reshape(-1))


# gaussian_nll, hinge_embedding, margin_ranking: Gluon has none of them. cosine_similarity: CosineEmbeddingLoss has it
# inside alone. triplet_margin: TripletLoss is of squared distances.
OPS = {
    "ctc_loss": ctc_loss,
    "cosine_embedding": cosine_embedding,
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "mae": per_element(losses.L1Loss()),
    "huber": huber,
    "smooth_l1": smooth_l1,
    "kl_div": kl_div,
    "poisson_nll": poisson_nll,
    "hinge": older(losses.HingeLoss()),
    "squared_hinge": older(losses.SquaredHingeLoss()),
    "soft_margin": soft_margin,
}
