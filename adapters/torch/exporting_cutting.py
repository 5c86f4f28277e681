"""Inputs made smaller, as far as a torch module runs with them and learns of them as before."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from exporting_evaluation import widened
from exports_cutting import FAINT, cut, shrunk
from torch.utils import _pytree as trees

NARROW = 1e-5
"""The same as FAINT, in float32."""


Module = tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]
"""With its inputs, by position and by name."""


def smaller(make: Callable[[], Module]) -> tuple[Module, list[str]]:
    """The module that is made, its inputs cut, and what was made smaller.

    It is made anew behind what was tried: a module may keep a table of its first call.
    """
    tried = Tried(*make())
    wide = runs(functools.partial(tried.largest, tried.tensors, wide=True))
    tried = tried if wide else Tried(*make())
    largest = functools.partial(tried.largest, wide=wide)
    shapes, said = shrunk(tried.names, tried.tensors, largest, FAINT if wide else NARROW)
    found = Tried(*make())
    args, kwargs = found.with_tensors([a.clone() for a in cut(found.tensors, shapes)])
    return (found.module, args, kwargs), said


class Tried:
    """A module with the tensors among its inputs."""

    def __init__(self, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module = module
        found, self._structure = trees.tree_flatten_with_path((args, kwargs))
        self._leaves = [leaf for _, leaf in found]
        self._places = [i for i, leaf in enumerate(self._leaves) if isinstance(leaf, torch.Tensor)]
        self.names = [name_of(module, found[i][0]) for i in self._places]
        self.tensors = [self._leaves[i].detach() for i in self._places]

    def with_tensors(self, tensors: Sequence[torch.Tensor]) -> Any:
        """The inputs, by position and by name, with other tensors in them."""
        own = dict(zip(self._places, tensors, strict=True))
        return trees.tree_unflatten([own.get(i, a) for i, a in enumerate(self._leaves)], self._structure)

    def largest(self, tensors: Sequence[torch.Tensor], *, wide: bool) -> dict[str, float]:
        """The largest |gradient| of each parameter and input of floats, in float64 if `wide`."""
        given = [widened(a) if wide else a for a in tensors]
        given = [a.clone().requires_grad_(a.is_floating_point()) for a in given]
        inputs = dict(zip(self.names, given, strict=True))
        return largest_gradients(self.module, *self.with_tensors(given), inputs, wide=wide)


def runs(function: Callable[[], Any]) -> bool:
    """Whether it raises nothing: a module that makes tensors of its own in float32 does of others in float64."""
    try:
        function()
    except Exception:  # noqa: BLE001 - whatever somebody's own module raises
        return False
    return True


def name_of(module: torch.nn.Module, path: Sequence[Any]) -> str:
    """What an input is called: as the argument that it is, or is a part of."""
    [by_name, first, *rest] = [str(getattr(key, "key", getattr(key, "idx", key))) for key in path]
    if by_name == "0":
        arguments = inspect.signature(module.forward).parameters.values()
        plain = [p.name for p in arguments if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        first = plain[int(first)] if int(first) < len(plain) else f"input_{first}"
    return "_".join([first, *rest])


def largest_gradients(
    module: torch.nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    inputs: dict[str, torch.Tensor],
    *,
    wide: bool,
) -> dict[str, float]:
    """The largest |gradient| of each parameter and input of floats, in float64 if `wide`; parameters and buffers stay what they are."""
    parameters = {name: p.detach().clone() for name, p in module.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    if wide:
        parameters, buffers = ({n: widened(a) for n, a in d.items()} for d in (parameters, buffers))
    leaves = {name: p.requires_grad_() for name, p in parameters.items()}
    leaves |= {name: a for name, a in inputs.items() if a.requires_grad}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        results = trees.tree_leaves(
            torch.func.functional_call(module, {**parameters, **buffers}, args, kwargs)
        )
        outputs = [
            a for a in results if isinstance(a, torch.Tensor) and a.requires_grad and a.is_floating_point()
        ]
        if not outputs:
            raise ValueError("no real number that it returns depends on a parameter or on an input of floats")
        cotangent = torch.rand_like(outputs[0])
    found = torch.autograd.grad(outputs[0], tuple(leaves.values()), cotangent, allow_unused=True)
    return {
        name: float(g.abs().max()) if g is not None and g.numel() else 0.0
        for name, g in zip(leaves, found, strict=True)
    }
