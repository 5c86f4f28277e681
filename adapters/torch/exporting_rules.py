"""Torch's ops in the language of programs: a rule for each overload, `rule(walk, node, *args, **kwargs)` -> an expression.

A rule gives an expression, which becomes a statement; or a name that is there already; or a list of names. It raises
`Cannot` where programs have no word for what is asked.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from exports import RULES, Cannot, called, literal, rule
from torch.fx import Node

REDUCTION = ("none", "mean", "sum")


def users_of(node: Node) -> list[Node]:
    """The calls that read what it gives, also those that read a part of a tuple."""
    found = []
    for user in node.users:
        is_part = getattr(user.target, "__name__", "") == "getitem"
        found += users_of(user) if is_part else [user]
    return found


def only(m: Any, node: Node, text: str, others: int) -> list[str | None]:
    """Of a call that gives several things the first, which is its result; so many others aren't said."""
    return [m.assign(node, text, users=users_of(node)), *[None] * others]


def has_open_shape(node: Node) -> bool:
    """Whether the shape of what it gives is known only once there are numbers."""
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and not all(isinstance(size, int) for size in value.shape)


def shape(node: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in node.meta["val"].shape)


def given(m: Any, *args: Any) -> list[str]:
    """The arguments that are there; what is left out must stand last."""
    names = [m.arg(a) for a in args if a is not None]
    if any(a is None for a in args[: len(names)]):
        raise Cannot("without an argument before one that is there")
    return names


def number(m: Any, a: Any) -> str:
    """An operand as a number: a mask that floats are multiplied by, or integers, become floats, as torch promotes them."""
    told = m.known.get(a) if isinstance(a, Node) else None
    if not isinstance(told, torch.Tensor) or told.is_floating_point() or not told.ndim:
        return str(m.arg(a))
    return str(m.folded(a.name, told.double(), a))


def arithmetic(text: str) -> Callable[..., Any]:
    def made(m: Any, _: Node, *args: Any, **__: Any) -> str:
        return text.format(*(number(m, a) for a in args))

    return made


def plain(text: str) -> Callable[..., Any]:
    def made(m: Any, _: Node, *args: Any, **__: Any) -> str:
        return text.format(*(m.arg(a) for a in args))

    return made


for text, names in {
    "{0} - {1}": "sub.Scalar", "{0} * {1}": "mul.Tensor mul.Scalar", "{0} / {1}": "div.Tensor div.Scalar",
}.items():  # fmt: skip
    RULES.update(dict.fromkeys(names.split(), arithmetic(text)))
for text, names in {
    "{0} ** {1}": "pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar", "-{0}": "neg.default", "{1} - {0}": "rsub.Scalar",
    "{0} @ {1}": "matmul.default mm.default bmm.default mv.default dot.default", "{1} @ {2} + {0}": "addmm.default",
    "maximum({0}, {1})": "maximum.default clamp_min.default max.other", "{0} + {1}": "add.Scalar",
    "minimum({0}, {1})": "minimum.default clamp_max.default min.other",
    "where({0}, {1}, {2})": "where.self where.ScalarOther where.ScalarSelf where.Scalar",
    "where({1}, {2}, {0})": "masked_fill.Scalar masked_fill.Tensor",
    "{0} > {1}": "gt.Scalar gt.Tensor", "{0} >= {1}": "ge.Scalar ge.Tensor", "{0} < {1}": "lt.Scalar lt.Tensor",
    "{0} <= {1}": "le.Scalar le.Tensor", "{0} == {1}": "eq.Scalar eq.Tensor", "{0} != {1}": "ne.Scalar ne.Tensor",
    "{0} & {1}": "logical_and.default bitwise_and.Tensor", "{0} | {1}": "logical_or.default bitwise_or.Tensor",
    "~{0}": "logical_not.default bitwise_not.default", "{0} != {0}": "isnan.default",
    "mod({0}, {1})": "remainder.Scalar remainder.Tensor", "sign({0}) * floor(abs({0}))": "trunc.default",
}.items():  # fmt: skip
    RULES.update(dict.fromkeys(names.split(), plain(text)))
for op in [
    "exp",
    "log",
    "sqrt",
    "square",
    "sin",
    "cos",
    "abs",
    "sigmoid",
    "tanh",
    "relu",
    "rsqrt",
    "reciprocal",
    "expm1",
    "log1p",
    "erf",
    "erfc",
    "log2",
    "log10",
    "exp2",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "floor",
    "ceil",
    "round",
    "sign",
    "silu",
    "mish",
    "relu6",
    "log_sigmoid",
    "lgamma",
]:
    RULES[f"{op}.default"] = plain(op + "({0})")
for op in ("atan2", "hypot", "logaddexp"):
    RULES[f"{op}.default"] = plain(op + "({0}, {1})")
RULES |= {"hardswish.default": plain("hard_swish({0})"), "hardsigmoid.default": plain("hard_sigmoid({0})")}
RULES |= {"xlogy.Tensor": plain("xlogy({0}, {1})"), "detach.default": plain("stop_gradient({0})")}


@rule("add.Tensor", "sub.Tensor")
def add(m: Any, node: Node, x: Any, y: Any, alpha: Any = 1) -> str:
    sign = "+" if str(node.target).startswith("aten.add") else "-"
    return (
        f"{number(m, x)} {sign} {number(m, y)}"
        if alpha == 1
        else f"{number(m, x)} {sign} {literal(alpha)} * {number(m, y)}"
    )


@rule("clone.default", "contiguous.default", "alias.default", "lift_fresh_copy.default")
def same(m: Any, _: Node, x: Any, *__: Any, **___: Any) -> str:
    return str(m.arg(x))


@rule("dropout.default")
def dropout(m: Any, _: Node, x: Any, p: float, train: bool) -> str:
    """By a given mask: what is kept is scaled."""
    return f"{m.arg(x)} * {m.mask(shape(x), p)}" if p and train else str(m.arg(x))


@rule("native_dropout.default")
def native_dropout(m: Any, node: Node, x: Any, p: float, train: bool) -> list[Any]:
    """The same, as torch has it where dropout was decomposed; nobody reads the mask that it gives as well."""
    return only(m, node, dropout(m, node, x, p, train), 1)


def is_one_hot(x: Any) -> bool:
    """Vectors of 0 and 1, which are floats in a program."""
    return isinstance(x, Node) and str(x.target) == "aten.one_hot.default"


@rule("to.dtype", "_to_copy.default", "to.dtype_layout", "type_as.default")
def cast(m: Any, node: Node, x: Any, *_: Any, **__: Any) -> str:
    if not (node.meta["val"].is_floating_point() and (is_one_hot(x) or x.meta["val"].is_floating_point())):
        raise Cannot(f"from {x.meta['val'].dtype} to {node.meta['val'].dtype}")
    return str(m.arg(x))


@rule("view.default", "reshape.default", "flatten.using_ints", "unflatten.int", "squeeze.dim", "squeeze.dims", "squeeze.default",
      "unsqueeze.default", "_unsafe_view.default", "view_as.default")  # fmt: skip
def reshape(m: Any, node: Node, x: Any, *_: Any) -> str:
    return str(m.arg(x)) if shape(node) == shape(x) else called("reshape", m.arg(x), shape=shape(node))


BROADCASTING = {"add", "sub", "mul", "div", "maximum", "minimum", "where", "pow", "gt", "ge", "lt", "le"}


@rule("expand.default", "expand_as.default")
def expand(m: Any, node: Node, x: Any, *_: Any, **__: Any) -> str:
    if shape(node) == shape(x) or all(str(u.target).split(".")[1] in BROADCASTING for u in node.users):
        return str(m.arg(x))
    return called("broadcast_to", m.arg(x), shape=shape(node))


@rule("broadcast_tensors.default")
def broadcast_tensors(m: Any, node: Node, xs: Any) -> list[str]:
    return [m.arg(x) if shape(x) == tuple(v.shape) else m.assign(node, called("broadcast_to", m.arg(x), shape=tuple(v.shape)))
            for x, v in zip(xs, node.meta["val"], strict=True)]  # fmt: skip


@rule(
    "transpose.int",
    "permute.default",
    "t.default",
    "numpy_T.default",
    "movedim.int",
    "movedim.intlist",
    "swapaxes.default",
)
def transpose(m: Any, node: Node, x: Any, *_: Any) -> str:
    """The order of the axes is read off torch's own result."""
    rank = len(shape(x))
    probe = torch.empty([2 + i for i in range(rank)], device="meta")
    args = node.args[1:]
    assert callable(node.target)
    order = [size - 2 for size in node.target(probe, *args).shape]
    return str(m.arg(x)) if order == [*range(rank)] else called("transpose", m.arg(x), axes=order)


def sliced(dim: int, rank: int, text: Any) -> str:
    return ", ".join([":"] * (dim % rank) + [str(text)])


@rule("select.int")
def select(m: Any, _: Node, x: Any, dim: int, i: int) -> str:
    return f"{m.arg(x)}[{sliced(dim, len(shape(x)), i)}]"


@rule("slice.Tensor", "narrow.default")
def slice_(
    m: Any, node: Node, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> str:
    if str(node.target).startswith("aten.narrow"):
        end = start + end
    size = shape(x)[dim]
    start, end, _ = slice(start, end).indices(size)
    if (start, end, step) == (0, size, 1):
        return str(m.arg(x))
    return f"{m.arg(x)}[{sliced(dim, len(shape(x)), f'{start}:{end}' + f':{step}' * (step != 1))}]"


@rule("cat.default", "concat.default")
def cat(m: Any, _: Node, xs: Any, dim: int = 0) -> str:
    xs = [
        x for x in xs if x not in m.known or m.known[x].numel()
    ]  # torch lets an empty vector stand for nothing
    return str(m.arg(xs[0])) if len(xs) == 1 else called("concat", *map(m.arg, xs), axis=dim)


@rule("stack.default")
def stack(m: Any, _: Node, xs: Any, dim: int = 0) -> str:
    return called("stack", *map(m.arg, xs), axis=dim)


@rule("split.Tensor", "split_with_sizes.default", "chunk.default", "unbind.int", "tensor_split.sections")
def split(m: Any, node: Node, x: Any, how: Any = 0, dim: int = 0) -> list[str]:
    unbind = str(node.target).startswith("aten.unbind")
    dim = (how if unbind else dim) % len(shape(x))
    sizes = [1] * shape(x)[dim] if unbind else [int(v.shape[dim]) for v in node.meta["val"]]
    if len(set(sizes)) == 1 and len(sizes) > 1 and not unbind:
        return list(m.assign(node, called("split", m.arg(x), parts=len(sizes), axis=dim), len(sizes)))
    ends = np.cumsum(sizes)
    places = [f"{e - 1}" if unbind else f"{e - s}:{e}" for s, e in zip(sizes, ends, strict=True)]
    return [m.assign(node, f"{m.arg(x)}[{sliced(dim, len(shape(x)), i)}]") for i in places]


def axes(value: Any) -> Any:
    """An axis, several, or None for all."""
    if value is None or isinstance(value, int):
        return value
    return None if not value else value[0] if len(value) == 1 else tuple(value)


@rule("sum.dim_IntList", "sum.default", "mean.dim", "mean.default", "amax.default", "amin.default", "logsumexp.default",
      "max.default", "min.default", "prod.dim_int", "prod.default")  # fmt: skip
def reduction(m: Any, node: Node, x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> str:  # noqa: ARG001
    op = str(node.target).split(".")[1]
    found, axis = {"amax": "max", "amin": "min"}.get(op, op), axes(dim)
    text = called(found, m.arg(x), axis=axis, keepdims=keepdim or None)
    return text[:-1] + ", axis=None)" if found == "logsumexp" and axis is None else text


@rule("max.dim", "min.dim")
def extreme(m: Any, node: Node, x: Any, dim: int, keepdim: bool = False) -> list[Any]:
    """And where it is, if anybody asks."""
    op = str(node.target).split(".")[1]
    found = m.assign(node, called(op, m.arg(x), axis=dim, keepdims=keepdim or None))
    if not is_read(node, 1):
        return [found, None]
    return [found, m.assign(node, place(m, x, f"arg{op}", dim, keepdim))]


def is_read(node: Node, number: int) -> bool:
    """Whether anybody reads so many a result of a call."""
    return any(user.args[1] == number and user.users for user in node.users)


@rule("argmax.default", "argmin.default")
def argument(m: Any, node: Node, x: Any, dim: Any = None, keepdim: bool = False) -> str:
    if dim is None:
        raise Cannot("of all elements")
    return place(m, x, str(node.target).split(".")[1], dim, keepdim)


def place(m: Any, x: Any, op: str, dim: int, keepdim: bool) -> str:
    found = called(op, m.arg(x), axis=dim)
    return called("expand_dims", found, axis=dim) if keepdim else found


@rule("var_mean.correction")
def var_mean(m: Any, node: Node, x: Any, dim: Any = None, *, keepdim: bool = False, **how: Any) -> list[str]:
    mean = called("mean", m.arg(x), axis=axes(dim), keepdims=keepdim or None)
    return [m.assign(node, var(m, node, x, dim, keepdim=keepdim, **how)), m.assign(node, mean)]


@rule("var.correction", "std.correction")
def var(m: Any, node: Node, x: Any, dim: Any = None, *, correction: Any = 1, keepdim: bool = False) -> str:
    op = "std" if "std" in str(node.target) else "var"
    ddof = 1 if correction is None else int(correction)
    return called(op, m.arg(x), axis=axes(dim), keepdims=keepdim or None, ddof=ddof)


@rule("softmax.int", "log_softmax.int", "_softmax.default", "_log_softmax.default")
def softmax(m: Any, node: Node, x: Any, dim: int, *_: Any, **__: Any) -> str:
    return called(str(node.target).split(".")[1].lstrip("_"), m.arg(x), axis=dim)


@rule("leaky_relu.default")
def leaky_relu(m: Any, _: Node, x: Any, slope: float = 0.01) -> str:
    return called("leaky_relu", m.arg(x), slope=slope)


@rule("softplus.default")
def softplus(m: Any, _: Node, x: Any, beta: Any = 1, threshold: Any = 20) -> str:  # noqa: ARG001
    return called("softplus", m.arg(x)) if beta == 1 else f"softplus({beta} * {m.arg(x)}) / {beta}"


@rule("linear.default")
def linear(m: Any, _: Node, x: Any, W: Any, b: Any = None) -> str:
    return called("linear", *[m.arg(a) for a in (x, W, b) if a is not None], weights="out_in")
