"""A torch module as a port: its parameters, and what it and each of its submodules give, forwards and back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from porting import Gave, Locals, Seen, leaves, named_leaves, parameter, place_of, rebuilt, seeded

defined: dict[int, str] = {}
"""By module: the line of somebody's file that makes it."""


def prepare(dtype: str, file: Path) -> None:
    """Floats have the dtype unless the file says otherwise; where modules are made is remembered."""
    if dtype:
        torch.set_default_dtype(getattr(torch, dtype))
    init = torch.nn.Module.__init__

    def remembering(self: Any, *args: Any, **kwargs: Any) -> None:
        defined.setdefault(id(self), place_of(file))
        init(self, *args, **kwargs)

    torch.nn.Module.__init__ = remembering  # type: ignore[method-assign]
    torch.manual_seed(0)


def loss_named(name: str) -> Callable[..., Any] | None:
    return getattr(torch.nn.functional, name, None)


def as_tensor(a: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(a).reshape(a.shape))
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


class Model:
    """A module, or tensors in dicts and lists with a function of them."""

    def __init__(self, model: Any, apply: Callable[..., Any] | None, inputs: list[Any], port: Any) -> None:  # noqa: ARG002
        self.model, self.apply, self.port = model, apply, port
        self.dtype = getattr(torch, port.dtype or "float64")
        self.is_module = isinstance(model, torch.nn.Module)
        if self.is_module:
            if port.dtype:
                model.to(self.dtype)
            floats = [
                *model.named_parameters(),
                *((n, b) for n, b in model.named_buffers() if b.is_floating_point()),
            ]
            parts = dict(model.named_modules())
            self.tensors = dict(floats)
            owners = {path: parts[path.rpartition(".")[0]] for path in self.tensors}
            self.parameters = [
                parameter(path, t.shape, type(owners[path]).__name__, defined.get(id(owners[path]), ""))
                for path, t in self.tensors.items()
            ]
        else:
            self.tensors = dict(named_leaves(model))
            self.parameters = [parameter(path, t.shape) for path, t in self.tensors.items()]

    def arrays(self) -> list[np.ndarray]:
        return [t.detach().cpu().numpy() for t in self.tensors.values()]

    def run(self, weights: list[Any], inputs: list[Any], cotangent: Any, *, training: bool) -> Gave:
        given = [as_tensor(a, self.dtype) for a in inputs]
        floats = [t for t in given if t.is_floating_point()]
        for t in floats:
            t.requires_grad_(True)
        inner: list[Seen] = []
        tensors: list[Any] = []
        hooks = self._watched(inner, tensors) if self.is_module else []
        leaves_ = self._put(weights)
        with Locals(self.port.file) as found:
            output = self._called(leaves_, given, training)
        for hook in hooks:
            hook.remove()
        seed = (
            torch.ones_like(output)
            if cotangent is None
            else as_tensor(seeded(cotangent, output.shape), output.dtype)
        )
        wanted = [t for t in leaves_ if t.requires_grad]
        live = [t for t in tensors if t.requires_grad]
        grads = torch.autograd.grad(output, [*wanted, *floats, *live], seed, allow_unused=True)
        by = {id(t): g for t, g in zip([*wanted, *floats, *live], grads, strict=True)}
        for seen, t in zip(inner, tensors, strict=True):
            seen.gradient = numbers(by.get(id(t)))
        return Gave(
            output.detach().numpy(),
            [zero(t, by.get(id(t))) if t.requires_grad else None for t in leaves_],
            [zero(t, by.get(id(t))) if t.is_floating_point() else None for t in given],
            [*inner, *found],
        )

    def _put(self, weights: list[Any]) -> list[torch.Tensor]:
        arrays = [as_tensor(a, self.dtype) for a in weights]
        if not self.is_module:
            return [a.requires_grad_(True) for a in arrays]
        with torch.no_grad():
            for t, a in zip(self.tensors.values(), arrays, strict=True):
                t.copy_(a)
        return list(self.tensors.values())

    def _called(self, weights: list[torch.Tensor], given: list[torch.Tensor], training: bool) -> torch.Tensor:
        targets = given[len(given) - self.port.targets :] if self.port.loss else []
        inputs = given[: len(given) - len(targets)]
        if self.is_module:
            self.model.train(training)
            output = self.apply(self.model, *inputs) if self.apply else self.model(*inputs)
        else:
            output = self.apply(rebuilt(self.model, iter(weights)), *inputs)  # type: ignore[misc]
        output = leaves(output)[0]
        return self.port.loss(output, *targets) if self.port.loss else output

    def _watched(self, inner: list[Seen], tensors: list[Any]) -> list[Any]:
        def hook(path: str) -> Callable[..., None]:
            def seen(module: Any, _: Any, output: Any) -> None:
                first = next((t for t in leaves(output) if isinstance(t, torch.Tensor)), None)
                if first is not None and first.is_floating_point():
                    kind, where = type(module).__name__, defined.get(id(module), "")
                    inner.append(
                        Seen(path, kind, place_of(self.port.file), first.detach().numpy().copy(), where)
                    )
                    tensors.append(first)

            return seen

        return [m.register_forward_hook(hook(path)) for path, m in self.model.named_modules() if path]


def numbers(t: torch.Tensor | None) -> np.ndarray | None:
    return None if t is None else t.detach().numpy()


def zero(t: torch.Tensor, gradient: torch.Tensor | None) -> np.ndarray:
    """What isn't read has the gradient 0."""
    return (torch.zeros_like(t) if gradient is None else gradient).detach().numpy()
