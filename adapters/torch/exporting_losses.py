"""Rules for losses and recurrent layers."""

# ruff: noqa: ARG001 - torch's schemas say what a rule is given

from collections.abc import Sequence
from typing import Any

import torch
from exporting_rules import REDUCTION, given, number, shape
from exports import Cannot, called, rule
from torch._subclasses.fake_impls import register_op_impl
from torch.fx import Node

# Losses


@rule("mse_loss.default", "l1_loss.default")
def pair_loss(m: Any, node: Node, p: Any, t: Any, reduction: int = 1) -> str:
    op = {"mse_loss": "mse", "l1_loss": "mae"}[str(node.target).split(".")[1]]
    return called(op, m.arg(p), m.arg(t), reduction=REDUCTION[reduction])


@rule("binary_cross_entropy.default")
def bce(m: Any, _: Node, p: Any, t: Any, weight: Any = None, reduction: int = 1) -> str:
    return called("bce", *given(m, p, t, weight), reduction=REDUCTION[reduction])


@rule("binary_cross_entropy_with_logits.default")
def bce_with_logits(
    m: Any, _: Node, z: Any, t: Any, weight: Any = None, pos_weight: Any = None, reduction: int = 1
) -> str:
    tensors = given(m, z, t, weight)
    if pos_weight is not None:
        ones = [] if weight is not None else [m.folded("ones", torch.ones(()))]
        tensors += [*ones, m.arg(pos_weight)]
    return called("bce_with_logits", *tensors, reduction=REDUCTION[reduction])


@rule("cross_entropy_loss.default")
def cross_entropy(
    m: Any,
    _: Node,
    z: Any,
    t: Any,
    weight: Any = None,
    reduction: int = 1,
    ignore: int = -100,
    smoothing: float = 0.0,
) -> str:
    kw = {"label_smoothing": smoothing or None}
    if t in m.known and not m.known[t].is_floating_point() and bool((m.known[t] == ignore).any()):
        kw["ignore_index"] = ignore
    axis = min(1, len(shape(z)) - 1)
    return called("cross_entropy", *given(m, z, t, weight), axis=axis, reduction=REDUCTION[reduction], **kw)


@rule("huber_loss.default", "smooth_l1_loss.default")
def huber(m: Any, node: Node, p: Any, t: Any, reduction: int = 1, width: float = 1.0) -> str:
    op, key = ("huber", "delta") if str(node.target).startswith("aten.huber") else ("smooth_l1", "beta")
    return called(op, m.arg(p), m.arg(t), **{key: float(width)}, reduction=REDUCTION[reduction])


@rule("kl_div.default")
def kl_div(m: Any, _: Node, x: Any, t: Any, reduction: int = 1, *, log_target: bool = False) -> str:
    if log_target:
        raise Cannot("of logarithms on both sides")
    return called("kl_div", m.arg(x), m.arg(t), reduction=REDUCTION[reduction])


@rule("nll_loss_nd.default", "nll_loss.default")
def nll(m: Any, _: Node, x: Any, t: Any, weight: Any = None, reduction: int = 1, ignore: int = -100) -> str:
    ignored = t in m.known and bool((m.known[t] == ignore).any())
    kw = {"ignore_index": ignore} if ignored else {}
    axis = min(1, len(shape(x)) - 1)
    return called("nll", *given(m, x, t, weight), axis=axis, reduction=REDUCTION[reduction], **kw)


def labels(m: Any, y: Any) -> str:
    """-1 and 1 as integers, which they may be or not."""
    return str(m.folded("labels", m.known[y].long(), y)) if y in m.known else str(m.arg(y))


@rule("hinge_embedding_loss.default")
def hinge_embedding(m: Any, _: Node, x: Any, y: Any, margin: float = 1.0, reduction: int = 1) -> str:
    return called("hinge_embedding", m.arg(x), labels(m, y), margin=margin, reduction=REDUCTION[reduction])


@rule("soft_margin_loss.default")
def soft_margin(m: Any, _: Node, x: Any, y: Any, reduction: int = 1) -> str:
    return called("soft_margin", m.arg(x), labels(m, y), reduction=REDUCTION[reduction])


@rule("margin_ranking_loss.default")
def margin_ranking(m: Any, _: Node, x: Any, y: Any, t: Any, margin: float = 0.0, reduction: int = 1) -> str:
    return called(
        "margin_ranking", m.arg(x), m.arg(y), number(m, t), margin=margin, reduction=REDUCTION[reduction]
    )


@rule("cosine_embedding_loss.default")
def cosine_embedding(m: Any, _: Node, x: Any, y: Any, t: Any, margin: float = 0.0, reduction: int = 1) -> str:
    kw = {"margin": margin, "reduction": REDUCTION[reduction]}
    return called("cosine_embedding", m.arg(x), m.arg(y), labels(m, t), **kw)


@rule("triplet_margin_loss.default")
def triplet_margin(
    m: Any, node: Node, a: Any, p: Any, n: Any, margin: float = 1.0, order: float = 2.0, eps: float = 1e-6,
    swap: bool = False, reduction: int = 1,
) -> str:  # fmt: skip
    """The row has Euclid's norm, and doesn't swap: what does is said by its parts."""
    kw = {"margin": margin, "epsilon": eps, "reduction": REDUCTION[reduction]}
    if order == 2 and not swap:
        return called("triplet_margin", *map(m.arg, (a, p, n)), **kw)

    def distance(x: Any, y: Any) -> str:
        return str(m.assign(node, called("norm", f"{m.arg(x)} - {m.arg(y)} + {eps}", p=order, axis=-1)))

    near, far = distance(a, p), distance(a, n)
    far = m.assign(node, f"minimum({far}, {distance(p, n)})") if swap else far
    return reduced(m, node, f"maximum({near} - {far} + {margin}, 0)", reduction)


def reduced(m: Any, node: Node, text: str, reduction: int) -> str:
    return called(REDUCTION[reduction], m.assign(node, text)) if reduction else text


@rule("poisson_nll_loss.default")
def poisson_nll(m: Any, node: Node, x: Any, t: Any, log: bool, full: bool, eps: float, reduction: int) -> str:
    kw = {"log_input": log, "epsilon": eps}
    if not full:
        return called("poisson_nll", m.arg(x), m.arg(t), **kw, reduction=REDUCTION[reduction])
    y = m.arg(t)
    stirling = m.assign(node, f"where({y} > 1, {y} * log({y}) - {y} + 0.5 * log(2 * pi * {y}), 0)")
    return reduced(
        m, node, f"{called('poisson_nll', m.arg(x), y, **kw, reduction='none')} + {stirling}", reduction
    )


@register_op_impl([torch.ops.aten._ctc_loss.default, torch.ops.aten._ctc_loss.Tensor])  # noqa: SLF001 - its only name
def shaped_ctc(mode: Any, _: Any, z: Any, *__: Any, **___: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Of what shape its results are, which torch.export of this release can't tell: the second is read by its backward alone."""
    with mode:
        return z.new_empty(z.shape[1]), z.new_empty(z.shape[1], z.shape[0], 1)


@rule("ctc_loss.Tensor", "ctc_loss.IntList")
def ctc(
    m: Any, node: Node, z: Any, targets: Any, steps: Any, counts: Any, blank: int = 0, reduction: int = 1,
    zero_infinity: bool = False,
) -> str:  # fmt: skip
    """Torch's mean divides each loss by the number of its labels first. A loss that is infinite is told by the check."""
    if len(shape(z)) != 3 or any(a not in m.known for a in (targets, steps, counts) if isinstance(a, Node)):
        raise Cannot("of a single sequence, or of labels or lengths that are computed")
    known, ends, lengths = (
        torch.as_tensor(m.known.get(a, a) if isinstance(a, Node) else a) for a in (targets, steps, counts)
    )
    if known.ndim == 1:  # one behind the other
        known = torch.nn.utils.rnn.pad_sequence(known.split(lengths.tolist()), batch_first=True)
    beside = [("labels", known), ("lengths", ends), ("label_lengths", lengths)]
    names = [m.folded(name, a.long(), targets, steps, counts) for name, a in beside]
    kind = "none" if reduction == 1 else REDUCTION[reduction]
    text = called("ctc_loss", m.arg(z), *names, blank=blank, reduction=kind)
    if reduction != 1:
        return text
    return reduced(m, node, f"{text} / {m.folded('counts', lengths.clamp(min=1).double(), counts)}", 1)


# Recurrent layers


def recurrent(
    m: Any, node: Node, op: str, x: Any, states: Sequence[Any], weights: Sequence[Any], biases: bool,
    layers: int, dropout: float, train: bool, both: bool, batch_first: bool, **more: Any,
) -> list[str]:  # fmt: skip
    """All states of the last layer, and the last ones of each layer and direction: a call of the row for each of these."""
    if len(shape(x)) != 3 or len(weights) != (count := 4 if biases else 2) * layers * (1 + both):
        raise Cannot("of a single sequence, or with a projection")
    if dropout and train and layers > 1:
        raise Cannot("with dropout between its layers")
    y, lasts = m.arg(x), [list[str]() for _ in states]
    for layer in range(layers):
        beside = []
        for at in range(layer * (1 + both), (layer + 1) * (1 + both)):
            before = [m.assign(node, f"{m.arg(state)}[{at}]") for state in states]
            own = [m.arg(w) for w in weights[count * at : count * (at + 1)]]
            kw = {"batch_first": batch_first or None, "reverse": len(beside) == 1 or None, **more}
            one, *last = m.assign(node, called(op, y, *before, *own, **kw), 1 + len(states))
            beside.append(one)
            for told, name in zip(lasts, last, strict=True):
                told.append(name)
        y = beside[0] if len(beside) == 1 else m.assign(node, called("concat", *beside, axis=-1))
    return [y, *(m.assign(node, called("stack", *told, axis=0)) for told in lasts)]


@rule("lstm.input")
def lstm(m: Any, node: Node, x: Any, state: Any, *how: Any) -> list[str]:
    return recurrent(m, node, "lstm", x, state, *how)


@rule("gru.input")
def gru(m: Any, node: Node, x: Any, state: Any, *how: Any) -> list[str]:
    return recurrent(m, node, "gru", x, [state], *how)


@rule("rnn_tanh.input", "rnn_relu.input")
def rnn(m: Any, node: Node, x: Any, state: Any, *how: Any) -> list[str]:
    unit = "relu" if "rnn_relu" in str(node.target) else None
    return recurrent(m, node, "rnn", x, [state], *how, nonlinearity=unit)
