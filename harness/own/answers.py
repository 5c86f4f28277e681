"""What somebody's function returns, read as values and gradients by name."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...reference.names import nearest
from ..judging.settling import BEFORE, BEHIND
from ..reading.elements import Array
from ..reading.text import shown
from .errors import OwnError
from .inputs import Inputs
from .tracing import named


@dataclass(frozen=True)
class Answers:
    """Arrays by name, as they were returned."""

    values: Mapping[str, Any] = field(default_factory=dict)
    gradients: Mapping[str, Any] = field(default_factory=dict)


def output_in(returned: Any, output: str | None = None) -> Any:
    """What is differentiated, in whatever a function returns: `loss`, `(loss, gradients)`, `(values, gradients)`."""
    first = returned[0] if isinstance(returned, tuple | list) and len(returned) > 1 else returned
    if not isinstance(first, Mapping):
        return first
    if output is not None or "loss" in first or len(first) == 1:
        name = output or ("loss" if "loss" in first else next(iter(first)))
        if name in first:
            return first[name]
        raise OwnError(
            f"output {name} is none of the values {', '.join(map(str, first))}{nearest(name, first)}"
        )
    raise OwnError(
        f"which of the values {', '.join(map(str, first))} is differentiated? call it loss, or name it: output=..."
    )


def answers_in(returned: Any, output: str, parameters: Sequence[str]) -> Answers:
    """Values and gradients of a function that returns both. Raises OwnError for what is ambiguous."""
    if not isinstance(returned, tuple | list) or len(returned) < 2:
        raise OwnError(
            "the function returns no gradients: it returns (loss, gradients), or they are given apart, as in"
            " check(forward, inputs, backward) or check(forward, inputs, {'W': dW})"
        )
    first, *rest = returned
    values = {str(k): v for k, v in first.items()} if isinstance(first, Mapping) else {output: first}
    return Answers(values, gradients_in(rest[0] if len(rest) == 1 else rest, parameters))


def gradients_in(found: Any, parameters: Sequence[str]) -> dict[str, Any]:
    """Gradients by name, of a dict, of a list in the order of the parameters, or of one array."""
    if isinstance(found, Mapping):
        return {str(name): a for name, a in found.items()}
    listed = list(found) if isinstance(found, tuple | list) else [found]
    if len(listed) == len(parameters):
        return dict(zip(parameters, listed, strict=True))
    raise OwnError(
        f"{len(listed)} gradient{'s' * (len(listed) != 1)} came back without names, for {len(parameters)} inputs"
        f" ({', '.join(parameters)}): return a dict by name, or say whose they are, parameters=(...)"
    )


def backward_answers(
    backward: Callable[..., Any],
    inputs: Inputs,
    returned: Any,
    cotangent: Array | None,
    parameters: Sequence[str],
) -> dict[str, Any]:
    """The gradients of a backward pass of its own: given inputs by name, and else the cotangent of the output and what
    forward kept for it, in this order.
    """
    rest = list(returned[1:]) if isinstance(returned, tuple) else []
    kept = ([] if cotangent is None else [np.array(cotangent)]) + rest
    given = inputs.arguments({name: np.array(a) for name, a in inputs.arrays.items()})
    takes = [p for p in inspect.signature(backward).parameters.values() if p.default is p.empty]
    others = [p.name for p in takes if p.name not in given and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(others) > len(kept):
        offered = ["the cotangent of its output"] * (cotangent is not None)
        offered += ["what forward returns behind its output"] * bool(rest)
        raise OwnError(
            f"{named(backward)} takes {', '.join(others)}, which are no inputs; there is "
            f"{' and '.join(offered) or 'nothing else'} to give it"
        )
    own = {p.name: given[p.name] for p in takes if p.name in given}
    return gradients_in(backward(**own, **dict(zip(others, kept, strict=False))), parameters)


def meanings(name: str) -> list[str]:
    """What a gradient's name may stand for: `dW` is that of W, if nothing is called dW."""
    return list(dict.fromkeys([name, BEFORE.sub("", name), BEHIND.sub("", name)]))


def in_names(gradients: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The gradients by the names of what they belong to: `dW` is that of W. Raises OwnError for one of nothing."""
    found: dict[str, Any] = {}
    allowed = list(known)
    for name, a in gradients.items():
        stems = meanings(name)
        meant = next((stem for stem in stems if stem in allowed), None)
        if meant is None:
            hint = nearest(name, allowed) or nearest(stems[-1], allowed)
            raise OwnError(f"a gradient of {name} came back; names are {', '.join(allowed)}{hint}")
        if meant in found:
            raise OwnError(f"the gradient of {meant} came back twice, once as {name}")
        found[meant] = a
    return found


def as_arrays(given: Mapping[str, Any], dtype: str, what: str) -> dict[str, Array]:
    """Arrays as they came back; what has no dtype of its own has the one that is judged."""
    found = {}
    for name, a in given.items():
        try:
            array = np.asarray(a)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "fiu":
            raise OwnError(f"the {what} of {name} is {shown(a)}, but must be an array of floats")
        own = isinstance(a, np.ndarray | np.generic) and array.dtype.kind == "f"
        found[name] = array if own else array.astype(dtype)
    return found
