"""Losses of pairs of numbers: optax's."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from adapter import REDUCE
from worker import Unsupported


def bce(p: jax.Array, t: jax.Array, w: Any = None, *, reduction: str) -> jax.Array:
    loss = -(t * jnp.log(p) + (1 - t) * jnp.log1p(-p))
    return REDUCE[reduction](loss if w is None else w * loss)


def bce_with_logits(
    z: jax.Array, t: jax.Array, w: Any = None, pos_weight: Any = None, *, reduction: str
) -> jax.Array:
    if w is not None or pos_weight is not None:
        raise Unsupported("optax.sigmoid_binary_cross_entropy has no weights")
    return REDUCE[reduction](optax.sigmoid_binary_cross_entropy(z, t))


def ctc_loss(
    z: jax.Array,
    labels: jax.Array,
    lengths: Any = None,
    label_lengths: Any = None,
    *,
    blank: int,
    reduction: str,
) -> jax.Array:
    """It has the batch first, is told what is padding, and counts in float64 where there is one."""

    def beyond(counts: Any, most: int) -> jax.Array:
        given = jnp.full(labels.shape[0], most) if counts is None else counts
        return (jnp.arange(most) >= given[:, None]).astype(z.dtype)

    paddings = beyond(lengths, z.shape[0]), beyond(label_lengths, labels.shape[1])
    losses = optax.ctc_loss(z.swapaxes(0, 1), paddings[0], labels, paddings[1], blank_id=blank)
    return REDUCE[reduction](losses.astype(z.dtype))


# cosine_embedding: there are similarities alone. gaussian_nll, poisson_nll, squared_hinge, hinge_embedding, margin_ranking, soft_margin: optax has none of them.
# triplet_margin: optax adds its eps to the squared distance.
FORMULAS = {"bce", "mae"}
OPS = {
    "bce": bce,
    "bce_with_logits": bce_with_logits,
    "mae": lambda p, t, *, reduction: REDUCE[reduction](jnp.abs(p - t)),
    "huber": lambda p, t, *, delta, reduction: REDUCE[reduction](optax.huber_loss(p, t, delta=delta)),
    "smooth_l1": lambda p, t, *, beta, reduction: REDUCE[reduction](
        optax.huber_loss(p, t, delta=beta) / beta
    ),
    "hinge": lambda x, y, *, reduction: REDUCE[reduction](optax.hinge_loss(x, y)),
    "ctc_loss": ctc_loss,
    # Its epsilon is the least square of a norm; its page says the least norm.
    "cosine_similarity": lambda x, y, *, axis, epsilon: optax.cosine_similarity(
        x, y, epsilon=epsilon**2, axis=axis
    ),
}
