"""Inputs made smaller, as far as a torch module runs with them and learns of them as before."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from exporting_evaluation import widened
from exports_cutting import FAINT, shrunk
from torch.utils import _pytree as trees

NARROW = 1e-5
"""The same as FAINT, in float32."""


def smaller(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], list[str]]:
    """The inputs with their tensors cut, and what was made smaller; nothing of the module is changed."""
    found, structure = trees.tree_flatten_with_path((args, kwargs))
    leaves = [leaf.detach() if isinstance(leaf, torch.Tensor) else leaf for _, leaf in found]
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    names = [name_of(module, found[i][0]) for i in places]

    def whole(tensors: Sequence[torch.Tensor]) -> Any:
        own = dict(zip(places, tensors, strict=True))
        return trees.tree_unflatten([own.get(i, leaf) for i, leaf in enumerate(leaves)], structure)

    def largest(tensors: Sequence[torch.Tensor], *, wide: bool) -> dict[str, float]:
        given = [widened(a) if wide else a for a in tensors]
        given = [a.clone().requires_grad_(a.is_floating_point()) for a in given]
        return largest_gradients(module, *whole(given), dict(zip(names, given, strict=True)), wide=wide)

    tensors = [leaves[i] for i in places]
    wide = runs(functools.partial(largest, tensors, wide=True))
    cut, said = shrunk(names, tensors, functools.partial(largest, wide=wide), FAINT if wide else NARROW)
    args, kwargs = whole([a.clone() for a in cut])
    return args, kwargs, said


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
    """The largest |gradient| of each parameter and input of floats, in float64 if `wide`. The module is as it was before."""
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
