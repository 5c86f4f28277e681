"""Rows for losses of sequences whose alignment is not known: of all that lead to the labels."""

import numpy as np

from . import shapes
from .composed import composed
from .regression_losses import reduction_of
from .row import Doc, OpError


def _ctc_shape(z, labels, lengths=None, label_lengths=None, *, blank, reduction):
    if len(z.shape) != 3 or 0 in z.shape or len(labels.shape) != 2 or labels.shape[0] != z.shape[1]:
        raise OpError(
            f"logits {shapes.text(z.shape)} and labels {shapes.text(labels.shape)} are not (steps, batch, classes) with a"
            " step and (batch, labels)"
        )
    for name, given in (("lengths", lengths), ("label_lengths", label_lengths)):
        if given is not None and given.shape != z.shape[1:2]:
            raise OpError(
                f"{name} has shape {shapes.text(given.shape)}, but must have {shapes.text(z.shape[1:2])}"
            )
    if not shapes.is_integer(blank) or not 0 <= blank < z.shape[2]:
        raise OpError(f"blank is {blank!r}, but must be one of {z.shape[2]} classes")
    return () if shapes.choice("reduction", reduction, shapes.REDUCTIONS) != "none" else z.shape[1:2]


class _Between:
    """The labels with blanks between and around them, and from which of these a step may come.

    Places of all examples of a batch are (batch, 2 * labels + 1).
    """

    def __init__(self, labels, counts, blank):
        batch, most = labels.shape
        self.classes = np.full((batch, 2 * most + 1), blank)
        at = np.arange(2 * most + 1)
        self.own = at <= 2 * counts[:, None]
        self.classes[:, 1::2] = np.where(self.own[:, 1::2], labels, blank)
        skipped = np.zeros(self.classes.shape, dtype=bool)
        skipped[:, 2:] = (self.classes[:, 2:] != blank) & (self.classes[:, 2:] != self.classes[:, :-2])
        self.ways = (np.full(skipped.shape, True), at[None] >= 1, skipped)

    def before(self, reached):
        """From where each place is reached in a step: of its own, of that before it, over a blank between two others."""
        return [
            way & self.own & np.pad(reached, ((0, 0), (n, 0)))[:, : reached.shape[1]]
            for n, way in enumerate(self.ways)
        ]


def _shifted(f, alpha, n):
    return f.index(
        f.pad(alpha, padding=((0, 0), (n, 0))), index=((None, None, None), (0, alpha.shape[1], None))
    )


def _either(f, a, b, instead):
    """The logarithm of the sum of what two ways have, where there are both; each is a term and where it is there.

    Elsewhere it is taken of `instead`, which is a number everywhere, and not read.
    """
    (one, here), (other, there) = a, b
    both = here & there
    total = f.logaddexp(f.where(both, one, instead), f.where(both, other, instead))
    return f.where(both, total, f.where(here, one, other)), here | there


def _ctc(f, z, labels, lengths=None, label_lengths=None, *, blank=0, reduction="mean"):
    steps, batch, _ = z.shape
    ends = np.full(batch, steps) if lengths is None else lengths.value
    counts = np.full(batch, labels.shape[1]) if label_lengths is None else label_lengths.value
    between = _Between(labels.value, counts, blank)
    classes = np.broadcast_to(between.classes, (steps, *between.classes.shape))
    logs = f.split(f.gather(f.log_softmax(z, axis=-1), classes, axis=-1), parts=steps, axis=0)
    alpha, reached = (
        f.reshape(logs[0], shape=between.classes.shape),
        between.own & (np.arange(classes.shape[2]) < 2),
    )
    for step, log in enumerate(logs[1:], 1):
        stay, go, skip = ((_shifted(f, alpha, n), way) for n, way in enumerate(between.before(reached)))
        own = f.reshape(log, shape=between.classes.shape)
        total, some = _either(f, _either(f, stay, go, own), skip, own)
        going = (step < ends)[:, None]
        alpha = f.where(going, total + own, alpha)
        reached = np.where(going, some, reached)
    last, before = (
        (f.gather(alpha, at, axis=1), np.take_along_axis(reached, at, axis=1))
        for at in (2 * counts[:, None], np.maximum(2 * counts[:, None] - 1, 0))
    )
    found, some = _either(f, last, (before[0], before[1] & (counts > 0)[:, None]), last[0])
    losses = f.reshape(f.where(some, -found, np.inf), shape=(batch,))
    return reduction_of(f, losses, reduction)


composed(
    "ctc_loss",
    _ctc_shape,
    _ctc,
    dtypes={1: ("int64",), 2: ("int64",), 3: ("int64",)},
    doc=Doc(
        "-log of the sum, over all sequences of classes that become the labels when what repeats is taken once and blanks"
        " are left out, of the product of their probabilities softmax(z); infinite where there is none: Graves et al. (2006), reduced",
        gradient="softmax(z) less, for every class, the share of the sequences that have it at that step; by the batch's size with"
        ' reduction="mean"',
        arguments={
            "z": "logits, (steps, batch, classes): log-probabilities are their own logits",
            "labels": "int64, (batch, labels), none of which is the blank; what is behind label_lengths is not read",
            "lengths": "how many steps each example has, int64, (batch,); may be left out, as all have all",
            "label_lengths": "how many labels, int64, (batch,); may be left out, as all have all",
            "blank": "the class that stands for none",
            "reduction": '"none", "sum" or "mean": the mean over the batch, no loss of which is divided by its number of labels',
        },
        example="loss = ctc_loss(z, labels)",
    ),
)
