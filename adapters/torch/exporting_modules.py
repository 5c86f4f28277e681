"""Somebody's module with its inputs, and what the program that is exported of it is given and gives."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from exports import given_by, loaded
from torch.fx import Node


def made(
    file: Path, function: str, sizes: dict[str, int]
) -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any], Any]:
    """What a function of somebody's file gives, called with sizes: a module, its inputs, by position, or by name in a dict, and a target or None."""
    found = given_by(loaded(file), function, sizes)
    if not (isinstance(found, tuple) and len(found) in (2, 3) and isinstance(found[0], torch.nn.Module)):
        raise SystemExit(
            f"{function}() gives {type(found).__name__}, but must give a module and its inputs: return module, inputs, "
            "or, for --loss, module, inputs, target"
        )
    module, inputs, target = (*found, None)[:3]
    if isinstance(inputs, dict):
        return module, (), dict(inputs), target
    return module, tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,), {}, target


def loss_of(own: ModuleType, name: str, *, targeted: bool) -> Callable[..., torch.Tensor]:
    """A loss of the user's own file, or one of torch.nn.functional."""
    found = getattr(own, name, None) or getattr(torch.nn.functional, name, None)
    given = "the output" + " and the target" * targeted
    if not callable(found):
        raise SystemExit(
            f"--loss {name}: neither the file nor torch.nn.functional has such a function, which is given {given}"
        )
    try:
        inspect.signature(found).bind(*range(1 + targeted))
    except TypeError as error:
        raise SystemExit(
            f"--loss {name}: it is given {given}: {error}; a target is what FUNCTION gives behind module and inputs"
        ) from None
    except ValueError:  # a native function, which doesn't say
        pass
    return found


def add_loss(module: torch.nn.Module, loss: Callable[..., torch.Tensor], target: Any) -> None:
    """The module gives its loss in place of its output; its parts keep their paths."""
    forward = module.forward
    signature = inspect.signature(forward)
    if "target" in signature.parameters:
        raise SystemExit(
            "--loss: the module has an input of its own that is called target; give its loss in its forward"
        )

    def with_loss(*args: Any, **kwargs: Any) -> torch.Tensor:
        beside = [kwargs.pop("target")] if target is not None else []
        return loss(forward(*args, **kwargs), *beside)

    more = [inspect.Parameter("target", inspect.Parameter.KEYWORD_ONLY)] if target is not None else []
    parameters = sorted([*signature.parameters.values(), *more], key=lambda p: p.kind)
    with_loss.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    module.forward = with_loss


def submodule(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], at: str
) -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
    """A part of a module, with the inputs of its first call."""
    parts = dict(module.named_modules())
    if at not in parts:
        raise SystemExit(
            f"--at {at}: there is no such submodule; there are: {' '.join(name for name in parts if name)}"
        )
    seen: list[Any] = []

    def remember(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        seen.append((detached(given), detached(named)))

    hook = parts[at].register_forward_pre_hook(remember, with_kwargs=True)
    module(*args, **kwargs)
    hook.remove()
    if not seen:
        raise SystemExit(f"--at {at}: it is never called")
    return parts[at], *seen[0]


def detached(a: Any) -> Any:
    if isinstance(a, torch.Tensor):
        return a.detach().clone()
    if isinstance(a, dict):
        return {key: detached(value) for key, value in a.items()}
    return type(a)(map(detached, a)) if isinstance(a, (tuple, list)) else a


def leaves_of(a: Any) -> Iterator[Any]:
    """What inputs hold, in the order in which the exported program takes it."""
    if isinstance(a, (tuple, list, dict)):
        for part in a.values() if isinstance(a, dict) else a:
            yield from leaves_of(part)
    else:
        yield a


# The exported program


def hold(exported: Any) -> None:
    """What is computed under `torch.no_grad()` is detached where it leaves that: regions are lost when ops are lowered."""
    graph, module = exported.graph, exported.graph_module
    for node in list(graph.nodes):
        if node.op != "call_function" or node.target is not torch.ops.higher_order.wrap_with_set_grad_enabled:
            continue
        enabled, region = node.args[0], getattr(module, str(node.args[1].target))
        if enabled or any(n.target is node.target for n in region.graph.nodes):
            raise SystemExit(
                "gradients are enabled inside of torch.no_grad(): a program has no word for that; use .detach() on what is held"
            )
        for part in list(node.users):
            with graph.inserting_after(part):
                held = graph.call_function(torch.ops.aten.detach.default, (part,))
            held.meta = dict(part.meta)
            part.replace_all_uses_with(held, delete_user_cb=lambda user, held=held: user is not held)
    module.recompile()


def placeholders(exported: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[Node, Any]]:
    """Each input of the graph with what it is: a parameter, a buffer, a constant, or one of the user's."""
    signature = exported.graph_signature
    state = {**exported.state_dict, **exported.constants}
    users = leaves_of((args, kwargs))
    found = []
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            target = target_of(signature, node.name)
            found.append((node, state[target].detach() if target else next(users)))
    return found


def target_of(signature: Any, name: str) -> str:
    """What a placeholder is called in the module; empty for an input."""
    for table in ("inputs_to_parameters", "inputs_to_buffers", "inputs_to_lifted_tensor_constants"):
        if name in getattr(signature, table):
            return str(getattr(signature, table)[name])
    return ""


def is_users(spec: Any) -> bool:
    """Whether an output is one that the module returns, and not a buffer that it moves."""
    return "USER_OUTPUT" in str(spec.kind)
