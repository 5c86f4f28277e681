"""The exported program as torch itself evaluates it, in float64: what a case is held to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from exporting_modules import is_users, placeholders
from torch.fx import Interpreter, Node

WIDE = dict.fromkeys((torch.float16, torch.bfloat16, torch.float32), torch.float64) | {
    torch.complex64: torch.complex128
}

BY_MASKS = (
    "dropout",
    "native_dropout",
    "scaled_dot_product_attention",
    "lstm",
    "gru",
    "rnn_tanh",
    "rnn_relu",
)
"""Calls that draw only where they drop something; what they drop is said by given masks."""


def _celu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x / alpha))


DEFINED: dict[str, Callable[..., torch.Tensor]] = {
    "aten.hardsigmoid.default": lambda x: torch.clamp(x + 3, 0, 6) / 6,
    "aten.celu.default": _celu,
}
"""What torch's own derivatives have a constant in float32 for, whatever the dtype (deviations.toml), by its definition."""


def widened(a: Any) -> Any:
    """Floats, and what asks for floats, as float64; complex numbers likewise."""
    if isinstance(a, torch.Tensor):
        return a.to(WIDE.get(a.dtype, a.dtype))
    if isinstance(a, (tuple, list)):
        return type(a)(map(widened, a))
    return WIDE.get(a, a) if isinstance(a, torch.dtype) else a


def dtype_of(node: Node) -> Any:
    """Of what a call gives, once it is evaluated."""
    return widened(node.meta["val"].dtype)


def evaluated(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a call gives of wide numbers."""
    return target(*map(widened, args), **{key: widened(value) for key, value in kwargs.items()})


def dropped(shape: tuple[int, ...], p: float, number: int) -> torch.Tensor:
    """The mask of one dropout, by its number: what is kept is scaled."""
    kept = np.random.default_rng([7, number]).uniform(size=shape) >= p
    return torch.from_numpy(kept / (1 - p))


def kept(target: Any, args: tuple[Any, ...], number: int) -> Any:
    """What one dropout keeps; of native_dropout's two results the mask is read by nobody."""
    found = args[0] * dropped(tuple(args[0].shape), args[1], number)
    return (found, None) if op_of(target) == "native_dropout" else found


class Wide(Interpreter):
    """The exported program in float64, its dropouts by given masks."""

    def __init__(self, program: Any) -> None:
        super().__init__(program)
        self.dropouts = self.drawn = 0

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if is_dropout(target, args):
            self.dropouts += 1
            return kept(target, args, self.dropouts)
        if is_attention(target) and dropout_of(args, kwargs):
            return self.attention(
                *args[:3], args[3] if len(args) > 3 else kwargs.get("attn_mask"), args, kwargs
            )
        self.drawn = seeded(target, self.drawn)
        defined = DEFINED.get(str(target).replace("_.", "."), target)
        return evaluated(defined, args, kwargs)

    def attention(
        self, q: Any, k: Any, v: Any, mask: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """With the given mask of its dropout."""
        self.dropouts += 1
        scores = q @ k.transpose(-1, -2) * (kwargs.get("scale") or q.shape[-1] ** -0.5)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
        kept = dropped(tuple(scores.shape), dropout_of(args, kwargs), self.dropouts)
        return torch.softmax(scores, -1) * kept @ v


def seeded(target: Any, drawn: int) -> int:
    """How many calls have drawn by then: each draws by its number, so that the program has the same as torch's own evaluation."""
    draws = torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()) and op_of(target) not in BY_MASKS
    if draws:
        torch.manual_seed(drawn)
    return drawn + draws


def op_of(target: Any) -> str:
    """The name of an op, without its overload."""
    return str(target).removeprefix("aten.").partition(".")[0]


def is_dropout(target: Any, args: tuple[Any, ...]) -> bool:
    """Whether it drops anything; native_dropout is the same, and gives its mask as well."""
    return op_of(target) in ("dropout", "native_dropout") and bool(args[1] and args[2])


def is_attention(target: Any) -> bool:
    return op_of(target) == "scaled_dot_product_attention"


def dropout_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> float:
    """The rate of an attention's dropout."""
    return float(args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0))


def truth(exported: Any, args: tuple[Any, ...], kwargs: dict[str, Any], walk: Any) -> dict[str, np.ndarray]:
    """The output, a cotangent and the gradients, by the case's names."""
    leaves = {name: widened(t).clone().requires_grad_(walk.kinds[name] in ("parameter", "input") and t.is_floating_point())
              for name, t in walk.tensors.items()}  # fmt: skip
    given = [leaves[walk.given[node.name]] if node.name in walk.given else widened(value)
             for node, value in placeholders(exported, args, kwargs)]  # fmt: skip
    results = Wide(exported.graph_module).run(*given)
    out = [
        a for a, spec in zip(results, exported.graph_signature.output_specs, strict=True) if is_users(spec)
    ][walk.number]
    cotangent = torch.from_numpy(np.asarray(np.random.default_rng(7).uniform(-1, 1, tuple(out.shape))))
    cotangent = torch.ones_like(out) if out.ndim == 0 else cotangent
    wanted = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    grads = torch.autograd.grad(out, tuple(wanted.values()), cotangent, materialize_grads=True)
    found = {"value": out.detach().numpy(), "cotangent": cotangent.numpy()}
    return found | {f"gradient {name}": g.numpy() for name, g in zip(wanted, grads, strict=True)}
