"""Rows for recurrent layers: one layer, one direction, all steps of a sequence.

Another layer is a call on the states of the one below. A second direction is a call with reverse=True, whose states stand
at the steps that they are of, so that `concat(forward, backward, axis=-1)` is what the layer above sees.
"""

from . import shapes
from .composed import composed
from .kinks import between
from .row import Doc, OpError


def _layer(gates, x, *states_and_weights, batch_first, reverse):
    """Checks of a layer with so many gates, given its states and (W_ih, W_hh, b_ih, b_hh), and its outputs' shapes."""
    *states, W_ih, W_hh, b_ih, b_hh = states_and_weights
    shapes.flag("batch_first", batch_first)
    shapes.flag("reverse", reverse)
    if len(x) != 3 or len(W_ih) != 2 or len(W_hh) != 2 or 0 in x[:2]:
        found = ", ".join(map(shapes.text, (x, W_ih, W_hh)))
        raise OpError(
            f"x, W_ih and W_hh have shapes {found}, but must have 3, 2 and 2 axes, and x a first step"
        )
    batch, hidden = x[0 if batch_first else 1], W_hh[1]
    rows = gates * hidden
    expected = [
        ("W_ih", W_ih, (rows, x[2])),
        ("W_hh", W_hh, (rows, hidden)),
        ("b_ih", b_ih, (rows,)),
        ("b_hh", b_hh, (rows,)),
        *((name, state, (batch, hidden)) for name, state in zip("hc", states, strict=False)),
    ]
    for name, found, right in expected:
        if found is not None and found != right:
            raise OpError(f"{name} has shape {shapes.text(found)}, but must have {shapes.text(right)}")
    return [(*x[:2], hidden), *((batch, hidden) for _ in states)]


def _ordered(gates, letters):
    if not isinstance(gates, str) or sorted(gates) != sorted(letters):
        raise OpError(f"gates is {gates!r}, but must be {letters!r} in some order")


def _steps(f, x, W_ih, b_ih, batch_first, reverse):
    """What each step's input contributes to its gates, (1, batch, gates * hidden): one product of matrices for all."""
    x = f.transpose(x, axes=(1, 0, 2)) if batch_first else x
    steps = f.split(f.linear(x, W_ih, b_ih), parts=x.shape[0], axis=0)
    return steps[::-1] if reverse else steps


def _all(f, states, batch_first, reverse):
    found = f.concat(*(states[::-1] if reverse else states), axis=0)
    return f.transpose(found, axes=(1, 0, 2)) if batch_first else found


def _as_step(f, state):
    return f.reshape(state, shape=(1, *state.shape))


def _as_state(f, step):
    return f.reshape(step, shape=step.shape[1:])


def _rnn(f, x, h, W_ih, W_hh, b_ih=None, b_hh=None, *, nonlinearity="tanh", batch_first=False, reverse=False):
    h, states, unit = _as_step(f, h), [], {"tanh": f.tanh, "relu": f.relu}[nonlinearity]
    for given in _steps(f, x, W_ih, b_ih, batch_first, reverse):
        h = unit(given + f.linear(h, W_hh, b_hh))
        states.append(h)
    return _all(f, states, batch_first, reverse), _as_state(f, h)


def _gru(
    f,
    x,
    h,
    W_ih,
    W_hh,
    b_ih=None,
    b_hh=None,
    *,
    gates="rzn",
    linear_before_reset=True,
    batch_first=False,
    reverse=False,
):
    h, states = _as_step(f, h), []
    own = dict(zip(gates, f.split(W_hh, parts=3, axis=0), strict=True))
    biases = (
        dict.fromkeys(gates)
        if b_hh is None
        else dict(zip(gates, f.split(b_hh, parts=3, axis=0), strict=True))
    )
    for given in _steps(f, x, W_ih, b_ih, batch_first, reverse):
        new = dict(zip(gates, f.split(given, parts=3, axis=-1), strict=True))
        r, z = (f.sigmoid(new[gate] + f.linear(h, own[gate], biases[gate])) for gate in "rz")
        if linear_before_reset:
            n = f.tanh(new["n"] + r * f.linear(h, own["n"], biases["n"]))
        else:
            n = f.tanh(new["n"] + f.linear(r * h, own["n"], biases["n"]))
        h = (1 - z) * n + z * h
        states.append(h)
    return _all(f, states, batch_first, reverse), _as_state(f, h)


def _lstm(f, x, h, c, W_ih, W_hh, b_ih=None, b_hh=None, *, gates="ifgo", batch_first=False, reverse=False):
    h, c, states = _as_step(f, h), _as_step(f, c), []
    for given in _steps(f, x, W_ih, b_ih, batch_first, reverse):
        parts = f.split(given + f.linear(h, W_hh, b_hh), parts=4, axis=-1)
        new = dict(zip(gates, parts, strict=True))
        c = f.sigmoid(new["f"]) * c + f.sigmoid(new["i"]) * f.tanh(new["g"])
        h = f.sigmoid(new["o"]) * f.tanh(c)
        states.append(h)
    return _all(f, states, batch_first, reverse), _as_state(f, h), _as_state(f, c)


def _rnn_shapes(x, h, W_ih, W_hh, b_ih=None, b_hh=None, *, nonlinearity, batch_first, reverse):
    shapes.choice("nonlinearity", nonlinearity, ("tanh", "relu"))
    return _layer(1, x, h, W_ih, W_hh, b_ih, b_hh, batch_first=batch_first, reverse=reverse)


def _gru_shapes(x, h, W_ih, W_hh, b_ih=None, b_hh=None, *, gates, linear_before_reset, batch_first, reverse):
    _ordered(gates, "rzn")
    shapes.flag("linear_before_reset", linear_before_reset)
    return _layer(3, x, h, W_ih, W_hh, b_ih, b_hh, batch_first=batch_first, reverse=reverse)


def _lstm_shapes(x, h, c, W_ih, W_hh, b_ih=None, b_hh=None, *, gates, batch_first, reverse):
    _ordered(gates, "ifgo")
    return _layer(4, x, h, c, W_ih, W_hh, b_ih, b_hh, batch_first=batch_first, reverse=reverse)


def _products(gates):
    """Of each element of all states: a row of both matrices for each gate."""
    return lambda x, h, *others, **kw: gates * (x[-1] + h[-1])


def _arguments(gates):
    rows = f"{gates} * hidden" if gates > 1 else "hidden"
    return {
        "x": "(steps, batch, features), or (batch, steps, features) with batch_first=True",
        "h": "the state before the first step, (batch, hidden)",
        "W_ih": f"weights of the input, ({rows}, features)",
        "W_hh": f"weights of the state, ({rows}, hidden)",
        "b_ih": f"a bias beside the input, ({rows},); may be left out, and so may b_hh",
        "b_hh": f"a bias beside the state, ({rows},)",
        "batch_first": "whether x, and the states of all steps, have the batch before the steps",
        "reverse": "whether the last step comes first; its state stands at its place, and the last one is that of the first step."
        " What layers above it and a second direction see is concatenated by the program",
    }


THROUGH_TIME = "through time: from the last step back to the first, each through the formula of a step"

composed(
    "rnn",
    _rnn_shapes,
    _rnn,
    terms=_products(1),
    kinks=between,
    doc=Doc(
        "h = tanh(x_t @ W_ih.T + b_ih + h @ W_hh.T + b_hh), or its relu, step by step: the states after all steps, and the last",
        gradient=THROUGH_TIME,
        kinks="of relu, where a sum is 0, anything between the gradients of both sides is right; the reference takes 0",
        arguments=_arguments(1) | {"nonlinearity": "tanh or relu"},
        example="states, last = rnn(x, h, W_ih, W_hh, b_ih, b_hh)",
    ),
)
composed(
    "gru",
    _gru_shapes,
    _gru,
    terms=_products(3),
    doc=Doc(
        "r and z the sigmoid, n the tanh of x_t @ W_ih.T + b_ih + h @ W_hh.T + b_hh, each of its own rows of the weights,"
        " and r before what n has of the state; h = (1 - z) * n + z * h: the states after all steps, and the last."
        " Cho et al., Learning Phrase Representations (2014)",
        gradient=THROUGH_TIME,
        arguments=_arguments(3)
        | {
            "gates": "the order in which weights and biases have the gates' rows: r (reset), z (update), n (new)",
            "linear_before_reset": "whether n has r * (h @ W_hn.T + b_hn), or (r * h) @ W_hn.T + b_hn",
        },
        example="states, last = gru(x, h, W_ih, W_hh, b_ih, b_hh)",
    ),
)
composed(
    "lstm",
    _lstm_shapes,
    _lstm,
    terms=_products(4),
    doc=Doc(
        "i, f and o the sigmoid, g the tanh of x_t @ W_ih.T + b_ih + h @ W_hh.T + b_hh, each of its own rows of the weights;"
        " c = f * c + i * g, h = o * tanh(c): the states h after all steps, the last h, the last c."
        " Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)",
        gradient=THROUGH_TIME,
        arguments=_arguments(4)
        | {
            "c": "the cell before the first step, (batch, hidden)",
            "gates": "the order in which weights and biases have the gates' rows: i (input), f (forget), g (cell), o (output)",
        },
        example="states, h_last, c_last = lstm(x, h, c, W_ih, W_hh, b_ih, b_hh)",
    ),
)
