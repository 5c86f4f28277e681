"""The steps of a training: the adapter's optimizer, started with a case's options, and the clipping before it."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from worker_interface import Unsupported, named

Arrays = dict[str, Any]


def optimizer(
    adapter: ModuleType, training: dict[str, Any], parameters: Arrays
) -> Callable[[Arrays], Arrays]:
    """A step of the adapter's, of gradients that are clipped before it where the case says so."""
    [(name, options)] = training["optimizer"].items()
    try:
        step = started(adapter.OPTIMIZERS.get(name, no_such_optimizer), parameters, options)
    except Unsupported as error:
        error.op = name
        raise
    if not (limits := training.get("clip")):
        return step
    kind = "norm" if "norm" in limits else "value"
    clip = adapter.CLIPS.get(kind, no_such_clipping)

    def clipped(gradients: Arrays) -> Arrays:
        try:
            return step(clip(gradients, **limits))
        except Unsupported as error:
            error.op = error.op or f"clip by {kind}"
            raise

    return clipped


def started(function: Callable[..., Any], parameters: Arrays, options: dict[str, Any]) -> Any:
    given, others = named(function, options)
    if others:
        raise Unsupported(f"the adapter's has no {', '.join(others)}")
    return function(parameters, **given)


def no_such_clipping(*_: Any, **__: Any) -> Any:
    raise Unsupported("the adapter has no such clipping")


def no_such_optimizer(*_: Any, **__: Any) -> Any:
    raise Unsupported("the adapter has no such optimizer")
