"""Faults of attention, of embeddings and of recurrent layers."""

import math

import numpy as np
from gradient_conformance.harness.power.layers import layer


def scores(f, q, k, scale):
    swapped = (*range(k.ndim - 2), k.ndim - 1, k.ndim - 2)
    return (q @ f.transpose(k, axes=swapped)) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)


def heads(f, a, order):
    """The heads (axis -3) in another order."""
    return f.concat(
        *(f.index(a, index=("...", (i, i + 1), (None, None), (None, None))) for i in order), axis=-3
    )


@layer("attention_unscaled", "attention")
def attention_unscaled(f, q, k, v, mask=None, *, scale, **kw):
    """Scores aren't divided by the root of the size of a head."""
    return f.right(q, k, v, mask, scale=1.0, **kw)


@layer("attention_over_size", "attention")
def attention_over_size(f, q, k, v, mask=None, *, scale, **kw):
    """Scores are divided by the size of a head, not by its root."""
    return f.right(q, k, v, mask, scale=1.0 / q.shape[-1], **kw)


@layer("attention_scale_of_model", "attention")
def attention_scale_of_model(f, q, k, v, mask=None, *, scale, **kw):
    """Scores are divided by the root of the size of all heads together."""
    count = q.shape[-3] if q.ndim > 2 else 1
    return f.right(q, k, v, mask, scale=1 / math.sqrt(q.shape[-1] * count), **kw)


@layer("attention_mask_after_softmax", "attention")
def attention_mask_after_softmax(f, q, k, v, mask=None, *, causal, scale, groups):
    """Masked weights become zero after the softmax, and the others don't sum to 1."""
    if mask is None or groups != 1 or mask.value.dtype != np.bool_ or causal:
        return f.right(q, k, v, mask, causal=causal, scale=scale, groups=groups)
    return f.where(mask, f.softmax(scores(f, q, k, scale), axis=-1), 0.0) @ v


@layer("attention_causal_shifted", "attention")
def attention_causal_shifted(f, q, k, v, mask=None, *, causal, **kw):
    """A causal mask lets each query see one key of the future."""
    if not causal or mask is not None:
        return f.right(q, k, v, mask, causal=causal, **kw)
    visible = np.tril(np.ones((q.shape[-2], k.shape[-2]), bool), 1)
    return f.right(q, k, v, visible, causal=False, **kw)


@layer("attention_causal_forgotten", "attention")
def attention_causal_forgotten(f, q, k, v, mask=None, *, causal, **kw):
    """There is no causal mask."""
    return f.right(q, k, v, mask, causal=False, **kw)


@layer("attention_groups_tiled", "attention")
def attention_groups_tiled(f, q, k, v, mask=None, *, groups, **kw):
    """Shared heads of keys and values are repeated one after the other, a, b, a, b, and not a, a, b, b."""
    if groups == 1:
        return f.right(q, k, v, mask, groups=groups, **kw)
    order = [*range(k.shape[-3])] * groups
    return f.right(q, heads(f, k, order), heads(f, v, order), mask, groups=1, **kw)


@layer("attention_softmax_over_queries", "attention")
def attention_softmax_over_queries(f, q, k, v, mask=None, *, causal, scale, groups):
    """Weights sum to 1 over the queries."""
    if mask is not None or groups != 1 or causal:
        return f.right(q, k, v, mask, causal=causal, scale=scale, groups=groups)
    return f.softmax(scores(f, q, k, scale), axis=-2) @ v


@layer("attention_keys_no_gradient", "attention")
def attention_keys_no_gradient(f, q, k, v, mask=None, **kw):
    """Weights are constants to the keys."""
    return f.right(q, f.stop_gradient(k), v, mask, **kw)


@layer("masked_softmax_unnormalized", "masked_softmax")
def masked_softmax_unnormalized(f, x, mask, *, axis):
    """The mask is put on after the softmax."""
    return f.where(mask, f.softmax(x, axis=axis), 0.0)


@layer("embedding_padding_gradient", "embedding")
def embedding_padding_gradient(f, ids, W, *, padding_idx):
    """The row of padding_idx gets a gradient."""
    return f.right(ids, W, padding_idx=None)


@layer("embedding_repeated_once", "embedding")
def embedding_repeated_once(f, ids, W, *, padding_idx):
    """Of an id that is there several times the last gradient stays, where they should add up."""
    right = f.right(ids, W, padding_idx=padding_idx)
    flat = ids.value.ravel()
    last = np.array([i == len(flat) - 1 - flat[::-1].tolist().index(id) for i, id in enumerate(flat)])
    kept = last.reshape(*ids.shape, 1)
    return f.where(kept, right, f.stop_gradient(right))


@layer("rnn_direction", "rnn", "gru", "lstm")
def rnn_direction(f, x, h, *rest, reverse, **kw):
    """The sequence is read from its other end."""
    return f.right(x, h, *rest, reverse=not reverse, **kw)


@layer("rnn_bias_once", "rnn")
def rnn_bias_once(f, x, h, W_ih, W_hh, b_ih=None, b_hh=None, **kw):
    """The second bias is left out."""
    return f.right(x, h, W_ih, W_hh, b_ih, None if b_hh is None else 0.0 * b_hh, **kw)


@layer("gru_gate_order", "gru")
def gru_gate_order(f, x, h, W_ih, W_hh, b_ih=None, b_hh=None, *, gates, **kw):
    """The rows of the reset gate and of the update gate are swapped."""
    return f.right(x, h, W_ih, W_hh, b_ih, b_hh, gates=gates.translate(str.maketrans("rz", "zr")), **kw)


@layer("gru_reset_place", "gru")
def gru_reset_place(f, x, h, W_ih, W_hh, b_ih=None, b_hh=None, *, linear_before_reset, **kw):
    """The reset gate stands before the product where it should be behind it, or the other way."""
    return f.right(x, h, W_ih, W_hh, b_ih, b_hh, linear_before_reset=not linear_before_reset, **kw)


@layer("lstm_gate_order", "lstm")
def lstm_gate_order(f, x, h, c, W_ih, W_hh, b_ih=None, b_hh=None, *, gates, **kw):
    """The rows of the cell and of the output gate are swapped: i, f, o, g in the place of i, f, g, o."""
    return f.right(x, h, c, W_ih, W_hh, b_ih, b_hh, gates=gates.translate(str.maketrans("go", "og")), **kw)


@layer("lstm_forget_bias", "lstm")
def lstm_forget_bias(f, x, h, c, W_ih, W_hh, b_ih=None, b_hh=None, *, gates, **kw):
    """1 is added to the forget gate's bias."""
    n, at = h.shape[-1], gates.index("f")
    one = np.repeat(np.arange(4) == at, n) * 1.0
    return f.right(x, h, c, W_ih, W_hh, one if b_ih is None else b_ih + one, b_hh, gates=gates, **kw)
