"""A Keras model as a port: its weights, and what it and each of its layers give, forwards and back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from porting import Gave, Locals, Seen, leaves, named_leaves, parameter, place_of, rebuilt, seeded

defined: dict[int, str] = {}
"""By layer: the line of somebody's file that makes it."""


def prepare(dtype: str, file: Path) -> None:
    """Floats have the dtype unless the file says otherwise; where layers are made is remembered."""
    tf.keras.config.set_floatx(dtype)
    make = tf.keras.layers.Layer.__new__

    def remembering(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made = make(cls, *args, **kwargs)
        defined.setdefault(id(made), place_of(file))
        return made

    tf.keras.layers.Layer.__new__ = remembering


def loss_named(name: str) -> Callable[..., Any] | None:
    """Keras has the target first."""
    found = getattr(tf.keras.losses, name, None)
    return None if found is None else lambda output, target: tf.reduce_mean(found(target, output))


def layers_of(layer: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Layers below one with their paths: by the attributes that hold them, or by their names in a Sequential."""
    seen: set[int] = set()
    for name, part in [*named_parts(layer), *((part.name, part) for part in layer._layers)]:  # noqa: SLF001 - it has no other list of them
        if id(part) not in seen:
            seen.add(id(part))
            yield "/".join((*path, name)), part
            yield from layers_of(part, (*path, name))


def named_parts(layer: Any) -> Iterator[tuple[str, Any]]:
    """What is a layer among an object's attributes, and among the lists and dicts in them."""
    for name, held in vars(layer).items():
        if name.startswith("_"):
            continue
        if isinstance(held, tf.keras.layers.Layer):
            yield name, held
        elif isinstance(held, (list, tuple, dict)):
            items = held.items() if isinstance(held, dict) else enumerate(held)
            yield from (
                (f"{name}/{key}", part) for key, part in items if isinstance(part, tf.keras.layers.Layer)
            )


def called_by(layer: Any) -> str:
    return type(layer).__name__


class Model:
    """A model, or tensors in dicts and lists with a function of them."""

    def __init__(self, model: Any, apply: Callable[..., Any] | None, inputs: list[Any], port: Any) -> None:
        self.model, self.apply, self.port = model, apply, port
        self.is_model = isinstance(model, tf.keras.layers.Layer)
        if not self.is_model:
            self.variables = [tf.Variable(a) for _, a in named_leaves(model)]
            self.parameters = [parameter(path, np.shape(a)) for path, a in named_leaves(model)]
            return
        self._called(
            [], [tf.convert_to_tensor(a) for a in inputs], False
        )  # weights are made when it is called
        self.layers = dict(layers_of(model))
        self.variables, self.parameters = [], []
        known: set[int] = set()
        for path, layer in [*self.layers.items(), ("", model)]:
            for v in layer._trainable_variables + layer._non_trainable_variables:  # noqa: SLF001 - its own alone
                if id(v) not in known and v.dtype.startswith("float"):
                    known.add(id(v))
                    self.variables.append(v)
                    full = "/".join(filter(None, (path, v.name)))
                    self.parameters.append(
                        parameter(full, v.shape, called_by(layer), defined.get(id(layer), ""))
                    )

    def arrays(self) -> list[np.ndarray]:
        return [np.asarray(v) for v in self.variables]

    def run(self, weights: list[Any], inputs: list[Any], cotangent: Any, *, training: bool) -> Gave:
        for v, a in zip(self.variables, weights, strict=True):
            v.assign(a)
        given = [tf.convert_to_tensor(self._as(a)) for a in inputs]
        floats = [t for t in given if t.dtype.is_floating]
        inner: list[Seen] = []
        tensors: list[Any] = []
        undo = self._watched(inner, tensors) if self.is_model else []
        variables = [v.value if hasattr(v, "value") and not callable(v.value) else v for v in self.variables]
        with tf.GradientTape() as tape:
            for t in floats:
                tape.watch(t)
            with Locals(self.port.file) as found:
                output = self._called(self.variables, given, training)
        for layer, call in undo:
            object.__setattr__(layer, "call", call)
        seed = None if cotangent is None else tf.cast(seeded(cotangent, output.shape), output.dtype)
        trainable = [v.trainable for v in self.variables]
        grads = tape.gradient(output, [*variables, *floats, *tensors], seed, unconnected_gradients="none")
        of_inputs = dict(zip(map(id, floats), grads[len(variables) :], strict=False))
        for seen, g in zip(inner, grads[len(variables) + len(floats) :], strict=True):
            seen.gradient = numbers(g)
        return Gave(
            np.asarray(output),
            [zero(v, g) if t else None for v, g, t in zip(variables, grads, trainable, strict=False)],
            [zero(t, of_inputs.get(id(t))) if t.dtype.is_floating else None for t in given],
            [*inner, *found],
        )

    def _as(self, a: np.ndarray) -> np.ndarray:
        return a.astype(self.port.dtype) if a.dtype.kind == "f" else a

    def _called(self, weights: list[Any], given: list[Any], training: bool) -> Any:
        targets = given[len(given) - self.port.targets :] if self.port.loss else []
        inputs = given[: len(given) - len(targets)]
        if self.apply is not None:
            model = self.model if self.is_model else rebuilt(self.model, iter(weights))
            output = self.apply(model, *inputs)
        else:
            output = self._of_model(inputs, training)
        output = leaves(output)[0]
        return self.port.loss(output, *targets) if self.port.loss else output

    def _of_model(self, inputs: list[Any], training: bool) -> Any:
        """A functional model takes its inputs as a list, one of a class of its own one by one."""
        how = {"training": training} if getattr(self.model, "_call_has_training_arg", True) else {}
        if len(inputs) > 1 and hasattr(self.model, "operations"):
            return self.model(inputs, **how)
        return self.model(*inputs, **how)

    def _watched(self, inner: list[Seen], tensors: list[Any]) -> list[tuple[Any, Any]]:
        undo = []
        for path, layer in self.layers.items():
            undo.append((layer, layer.call))
            object.__setattr__(layer, "call", self._seeing(path, layer, layer.call, inner, tensors))
        return undo

    def _seeing(
        self, path: str, layer: Any, call: Any, inner: list[Seen], tensors: list[Any]
    ) -> Callable[..., Any]:
        def seeing(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            first = next((t for t in leaves(output) if tf.is_tensor(t)), None)
            if first is not None and first.dtype.is_floating:
                where = place_of(self.port.file)
                inner.append(
                    Seen(path, called_by(layer), where, np.asarray(first), defined.get(id(layer), ""))
                )
                tensors.append(first)
            return output

        return seeing


def numbers(t: Any) -> np.ndarray | None:
    return None if t is None else np.asarray(tf.convert_to_tensor(t))


def zero(t: Any, gradient: Any) -> np.ndarray:
    """What isn't read has the gradient 0."""
    return (
        np.zeros(t.shape, t.dtype.as_numpy_dtype)
        if gradient is None
        else np.asarray(tf.convert_to_tensor(gradient))
    )
