"""Rows for losses with a margin, of labels that are -1 or 1, and of angles and distances between vectors."""

import numpy as np

from . import shapes
from .composed import composed
from .elementary import sigmoid, softplus
from .kinks import between, shared
from .losses import reduced, unreduced
from .regression_losses import reduction_of
from .row import Doc, OpError, row

SCORES = {"x": "scores, of any shape", "y": "labels -1 or 1, of the same shape, as floats"}
SIGNS = "labels -1 or 1, int64, of the same shape"

composed(
    "hinge",
    shapes.loss,
    lambda f, x, y, *, reduction="mean": reduction_of(f, f.relu(1 - y * x), reduction),
    kinks=between,
    doc=Doc(
        "max(0, 1 - y * x), reduced",
        gradient='-g * y towards x, -g * x towards y, where y * x < 1, else 0; by the number of elements with reduction="mean"',
        kinks="where y * x = 1 anything between both sides is right; the reference takes 0",
        arguments=SCORES,
        example="loss = hinge(score, y)",
    ),
)
composed(
    "squared_hinge",
    shapes.loss,
    lambda f, x, y, *, reduction="mean": reduction_of(f, f.square(f.relu(1 - y * x)), reduction),
    kinks=between,
    doc=Doc(
        "max(0, 1 - y * x)**2, reduced",
        gradient='-2 * g * y * max(0, 1 - y * x) towards x, the same with x for y towards y; by the number of elements with reduction="mean"',
        kinks="there is a derivative everywhere, though its own has none where y * x = 1",
        arguments=SCORES,
        example="loss = squared_hinge(score, y)",
    ),
)


def _hinge_embedding(f, x, y, *, margin=1.0, reduction="mean"):
    """What label it is is no branch at a kink."""
    return reduction_of(f, f.where(y.value == 1, x, f.relu(-x + margin)), reduction)


composed(
    "hinge_embedding",
    shapes.loss,
    _hinge_embedding,
    dtypes={1: ("int64",)},
    kinks=between,
    doc=Doc(
        "x where y is 1, else max(0, margin - x), reduced",
        gradient='g where y is 1, else -g where x < margin; by the number of elements with reduction="mean"',
        kinks="where x = margin anything between -g and 0 is right; the reference takes 0",
        arguments={"x": "distances, of any shape", "y": SIGNS, "margin": "a finite number"},
        example="loss = hinge_embedding(distance, y, margin=0.5)",
    ),
)
composed(
    "margin_ranking",
    shapes.loss,
    lambda f, x1, x2, y, *, margin=0.0, reduction="mean": reduction_of(
        f, f.relu(-(y * (x1 - x2)) + margin), reduction
    ),
    kinks=between,
    doc=Doc(
        "max(0, margin - y * (x1 - x2)), reduced",
        gradient='-g * y towards x1, g * y towards x2, -g * (x1 - x2) towards y, where it is above 0; by the number of elements with reduction="mean"',
        kinks="where it is just 0 anything between both sides is right; the reference takes 0",
        arguments={
            "x1": "scores that should be higher where y is 1, of any shape",
            "x2": "scores that should be higher where y is -1, of the same shape",
            "y": "labels -1 or 1, of the same shape, as floats",
            "margin": "a finite number",
        },
        example="loss = margin_ranking(x1, x2, y, margin=0.5)",
    ),
)


def _soft_margin(c, x, y, *, reduction="mean"):
    """Torch takes log(1 + exp(-y x)) as it is written, Gluon a cross-entropy of (y + 1) / 2."""
    return reduced(c, c.r(c.absolute(softplus(-y * x), np.full(x.shape, 4.0)), 3), reduction)


def _soft_margin_x(c, out, x, y, g, *, reduction):
    slope = -y * sigmoid(-y * x)
    return c.r(unreduced(c, g, x.size, reduction) * c.absolute(c.r(slope, 4), np.ones(x.shape)))


row(
    "soft_margin",
    shapes.loss,
    _soft_margin,
    _soft_margin_x,
    lambda c, out, x, y, g, *, reduction: np.zeros(y.shape),
    dtypes={1: ("int64",)},
    doc=Doc(
        "log(1 + exp(-y * x)), without overflow, reduced",
        gradient='-g * y * sigmoid(-y * x); by the number of elements with reduction="mean"',
        arguments={"x": "scores, of any shape", "y": SIGNS},
        example="loss = soft_margin(score, y)",
    ),
)


def _vectors(*inputs, axis=-1, epsilon):
    shapes.positive("epsilon", epsilon)
    shapes.loss(*inputs, reduction="sum")
    return shapes.reduce(inputs[0], axis=shapes.one_axis(axis, inputs[0]), keepdims=False)


def _cosine_similarity(f, x, y, *, axis=-1, epsilon=1e-8):
    units = (a / f.maximum(f.norm(a, axis=axis, keepdims=True), epsilon) for a in (x, y))
    return f.sum(f.mul(*units), axis=axis)


def _cosine_embedding(f, x, y, label, *, margin=0.0, epsilon=1e-12, reduction="mean"):
    """What label it is is no branch at a kink."""
    lengths = (f.sum(f.square(a), axis=-1) + epsilon for a in (x, y))
    cosine = f.sum(x * y, axis=-1) / f.sqrt(f.mul(*lengths))
    return reduction_of(f, f.where(label.value == 1, 1 - cosine, f.relu(cosine - margin)), reduction)


def _signed_pairs(x, y, label, *, margin, epsilon, reduction):
    shapes.number("margin", margin)
    if not x.shape:
        raise OpError("cosine_embedding needs vectors along the last axis, not scalars")
    if shapes.number("epsilon", epsilon) < 0:
        raise OpError(f"epsilon is {epsilon!r}, but must not be negative")
    shapes.loss(x, y, reduction=reduction)
    return shapes.loss(x.shape[:-1], label.shape, reduction=reduction)


composed(
    "cosine_similarity",
    _vectors,
    _cosine_similarity,
    kinks=between,
    doc=Doc(
        "sum(x / max(norm(x), epsilon) * y / max(norm(y), epsilon)) along the axis",
        gradient="g * (y1 - cos * x1) / norm(x) towards x, with x1 and y1 of length 1; g * y1 / epsilon where x is shorter than epsilon",
        kinks="where a norm is just epsilon anything between both sides is right; the reference takes half of both",
        arguments={"y": "of the shape of x", "axis": "that of the vectors", "epsilon": "a positive number"},
        example="similarity = cosine_similarity(x, y)",
    ),
)


composed(
    "cosine_embedding",
    _signed_pairs,
    _cosine_embedding,
    dtypes={2: ("int64",)},
    kinks=between,
    doc=Doc(
        "with cos = sum(x * y) / sqrt((sum(x**2) + epsilon) * (sum(y**2) + epsilon)) along the last axis: 1 - cos where the label"
        " is 1, else max(0, cos - margin), reduced",
        gradient='-g or g times that of cos, or 0 below the margin; by the number of pairs with reduction="mean"',
        kinks="where cos is just the margin any share from 0 to 1 is right; the reference takes 0",
        arguments={
            "x": "(..., n)",
            "y": "of the shape of x",
            "label": "-1 or 1, int64, (...)",
            "margin": "a finite number",
            "epsilon": "a number that is not negative: 1e-12 as in torch",
        },
        example="loss = cosine_embedding(x, y, label, margin=0.5)",
    ),
)


def _triplets(a, p, n, *, margin, epsilon, reduction):
    shapes.number("margin", margin)
    if not a:
        raise OpError("triplet_margin needs vectors along the last axis, not scalars")
    positions = _vectors(a, p, n, epsilon=epsilon)
    return shapes.loss(positions, reduction=reduction)


def _triplet_margin(f, a, p, n, *, margin=1.0, epsilon=1e-6, reduction="mean"):
    near, far = (f.norm(a - other + epsilon, axis=-1) for other in (p, n))
    return reduction_of(f, f.relu(near - far + margin), reduction)


composed(
    "triplet_margin",
    _triplets,
    _triplet_margin,
    kinks=shared,
    doc=Doc(
        "max(0, norm(a - p + epsilon) - norm(a - n + epsilon) + margin) of the vectors along the last axis, reduced",
        gradient='g times the difference of both unit vectors towards a, g times one of them towards p and n, where it is above 0; by the number of triplets with reduction="mean"',
        kinks="where it is just 0 any share from 0 to 1 of that is right; the reference takes 0",
        arguments={
            "a": "anchors (..., n)",
            "p": "what should be near, of the same shape",
            "n": "what should be far, of the same shape",
            "margin": "a finite number",
            "epsilon": "a positive number, which keeps norms from 0",
        },
        example="loss = triplet_margin(a, p, n, margin=0.5)",
    ),
)
