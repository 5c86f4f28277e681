"""Rules for layers, activations, and what moves or picks elements: torch's attributes in the words of the op table."""

# ruff: noqa: ARG001 - torch's schemas say what a rule is given

import math
from typing import Any

import torch
from exporting_rules import axes, given, is_read, only, plain, shape
from exports import RULES, Cannot, called, literal, rule
from torch.fx import Node


def one_or_all(value: Any, rank: int) -> Any:
    """A number for all axes, or one for each."""
    found = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    found = found * rank if len(found) == 1 else found
    return found[0] if len(set(found)) == 1 else found


# Convolutions, pooling


def padded(padding: Any, rank: int) -> Any:
    return padding if isinstance(padding, str) else one_or_all(padding, rank)


@rule(
    "conv1d.default", "conv2d.default", "conv3d.default", "conv1d.padding", "conv2d.padding", "conv3d.padding"
)
def conv(
    m: Any,
    node: Node,
    x: Any,
    W: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> str:
    rank = len(shape(W)) - 2
    if len(shape(x)) != rank + 2:
        raise Cannot("without an axis of samples")
    stride, dilation = one_or_all(stride, rank), one_or_all(dilation, rank)
    kw = {"stride": stride, "padding": padded(padding, rank), "dilation": dilation, "groups": groups}
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    said = {key: value for key, value in kw.items() if value != defaults[key]}
    return called(str(node.target).split(".")[1], *given(m, x, W, b), **said)


@rule("conv_transpose1d.default", "conv_transpose2d.input", "conv_transpose3d.input")
def conv_transpose(
    m: Any,
    node: Node,
    x: Any,
    W: Any,
    b: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> str:
    rank = len(shape(W)) - 2
    kw = {
        "stride": (stride, 1),
        "padding": (padding, 0),
        "output_padding": (output, 0),
        "dilation": (dilation, 1),
    }
    said = {key: one_or_all(v, rank) for key, (v, default) in kw.items() if one_or_all(v, rank) != default}
    return called(
        str(node.target).split(".")[1], *given(m, x, W, b), **said, groups=groups if groups != 1 else None
    )


@rule(
    "max_pool1d.default",
    "max_pool2d.default",
    "max_pool3d.default",
    "avg_pool1d.default",
    "avg_pool2d.default",
    "avg_pool3d.default",
)
def pool(
    m: Any, node: Node, x: Any, size: Any, stride: Any = (), padding: Any = 0, *rest: Any, **named: Any
) -> str:
    op = str(node.target).split(".")[1].removesuffix("_with_indices")
    rank = int(op[-2])
    size, stride = one_or_all(size, rank), one_or_all(stride, rank) if stride else None
    keys = "ceil_mode", "count_include_pad", "divisor_override"
    kw = {**dict(zip(("dilation", *keys) if op.startswith("max") else keys, rest, strict=False)), **named}
    if kw.get("divisor_override") is not None:
        raise Cannot("with a divisor of its own")
    padding, dilation = one_or_all(padding, rank), one_or_all(kw.get("dilation", 1), rank)
    said = {"padding": padding or None, "ceil_mode": kw.get("ceil_mode") or None}
    if dilation != 1:
        said["dilation"] = dilation
    if not kw.get("count_include_pad", True) and padding:
        said["count_padding"] = False
    return called(op, m.arg(x), size=size, stride=None if stride == size else stride, **said)


@rule("max_pool1d_with_indices.default", "max_pool2d_with_indices.default", "max_pool3d_with_indices.default")
def pool_with_places(m: Any, node: Node, *how: Any, **named: Any) -> list[Any]:
    if is_read(node, 1):
        raise Cannot("with the places")
    return only(m, node, pool(m, node, *how, **named), 1)


@rule("adaptive_max_pool1d.default", "adaptive_max_pool2d.default", "adaptive_max_pool3d.default")
def adaptive_max_pool(m: Any, node: Node, x: Any, size: Any) -> list[Any]:
    """Windows of one size, which stand side by side."""
    rank = int(str(node.target).split(".")[1][-2])
    sizes = size if len(size) == rank else [*size] * rank
    parts = [*zip(shape(x)[-rank:], sizes, strict=True)]
    if any(n % count for n, count in parts) or is_read(node, 1):
        raise Cannot("with windows that overlap, or with the places")
    window = one_or_all([n // count for n, count in parts], rank)
    return only(m, node, called(f"max_pool{rank}d", m.arg(x), size=window), 1)


@rule("im2col.default")
def unfold(m: Any, _: Node, x: Any, size: Any, dilation: Any, padding: Any, stride: Any) -> str:
    how = {"dilation": (dilation, 1), "padding": (padding, 0), "stride": (stride, 1)}
    said = {key: one_or_all(value, 2) for key, (value, usual) in how.items() if one_or_all(value, 2) != usual}
    return called("unfold", m.arg(x), size=one_or_all(size, 2), **said)


@rule("grid_sampler.default")
def grid_sample(m: Any, _: Node, x: Any, grid: Any, mode: int, padding: int, align: bool) -> str:
    if len(shape(x)) != 4 or mode > 1:
        raise Cannot("of volumes, or bicubic")
    said = {"mode": ("bilinear", "nearest")[mode], "padding": ("zeros", "border", "reflection")[padding]}
    return called("grid_sample", m.arg(x), m.arg(grid), **said, align_corners=align)


@rule("adaptive_avg_pool1d.default", "adaptive_avg_pool2d.default", "adaptive_avg_pool3d.default")
def adaptive_avg_pool(m: Any, node: Node, x: Any, size: Any) -> str:
    op = str(node.target).split(".")[1]
    return called(op, m.arg(x), size=one_or_all(size, int(op[-2])))


@rule("pixel_shuffle.default")
def pixel_shuffle(m: Any, _: Node, x: Any, factor: int) -> str:
    return called("pixel_shuffle", m.arg(x), factor=factor)


@rule("upsample_nearest2d.vec", "upsample_bilinear2d.vec", "upsample_bicubic2d.vec")
def upsample(m: Any, node: Node, x: Any, size: Any, *rest: Any) -> str:
    """By whole factors it is a row; otherwise a matrix along each axis."""
    op = str(node.target).split(".")[1].removesuffix("2d")
    found = [(new, old) for new, old in zip(shape(node)[2:], shape(x)[2:], strict=True)]
    if any(new % old for new, old in found):
        return resized(m, node, x, size, *rest)
    align = bool(rest[0]) if op != "upsample_nearest" and rest else None
    scale = one_or_all([new // old for new, old in found], 2)
    return called(op, m.arg(x), scale=scale, align_corners=align or None)


@rule(*(f"_upsample_{how}2d_aa.{given}" for how in ("bilinear", "bicubic") for given in ("default", "vec")))
def resized(m: Any, node: Node, x: Any, *how: Any, **named: Any) -> str:
    """Both matrices are what torch makes of the unit vectors of an axis, each the same along the other: there its weights add up to 1."""
    high, wide = shape(x)[2:]
    down = torch.eye(high, dtype=torch.float64)[:, None, :, None].expand(-1, -1, -1, wide)
    across = torch.eye(wide, dtype=torch.float64)[:, None, None, :].expand(-1, -1, high, -1)
    assert callable(node.target)
    rows, columns = (node.target(a.contiguous(), *how, **named)[:, 0] for a in (down, across))
    before, behind = (
        m.folded("rows", rows[:, :, 0].T.contiguous()),
        m.folded("columns", columns[:, 0].contiguous()),
    )
    return f"{before} @ {m.arg(x)} @ {behind}"


# Normalization, attention, embedding


@rule("layer_norm.default")
def layer_norm(
    m: Any, _: Node, x: Any, over: Any, w: Any = None, b: Any = None, eps: float = 1e-5, *__: Any
) -> str:
    return called("layer_norm", *given(m, x, w, b), axis=axes([*range(-len(over), 0)]), epsilon=eps)


@rule("rms_norm.default")
def rms_norm(m: Any, _: Node, x: Any, over: Any, w: Any = None, eps: Any = None) -> str:
    if eps is None:
        raise Cannot("with the dtype's own epsilon")
    return called("rms_norm", *given(m, x, w), axis=axes([*range(-len(over), 0)]), epsilon=eps)


@rule("group_norm.default")
def group_norm(
    m: Any, _: Node, x: Any, groups: int, w: Any = None, b: Any = None, eps: float = 1e-5, *__: Any
) -> str:
    return called("group_norm", *given(m, x, w, b), groups=groups, epsilon=eps)


@rule("instance_norm.default")
def instance_norm(
    m: Any,
    _: Node,
    x: Any,
    w: Any,
    b: Any,
    mean: Any,
    var: Any,
    own: bool,
    momentum: float,
    eps: float,
    *__: Any,
) -> str:
    if not own:
        raise Cannot("with running statistics")
    return called("instance_norm", *given(m, x, w, b), epsilon=eps)


@rule("batch_norm.default")
def batch_norm(
    m: Any,
    _: Node,
    x: Any,
    w: Any,
    b: Any,
    mean: Any,
    var: Any,
    training: bool,
    momentum: float,
    eps: float,
    *__: Any,
) -> str:
    if training:
        return called("batch_norm", *given(m, x, w, b), epsilon=eps)
    return called("batch_norm_inference", *given(m, x, mean, var, w, b), epsilon=eps)


@rule("scaled_dot_product_attention.default")
def attention(
    m: Any,
    node: Node,
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    p: float = 0.0,
    causal: bool = False,
    *,
    scale: Any = None,
    enable_gqa: bool = False,
) -> str:
    if p:
        if enable_gqa or causal:
            raise Cannot("with dropout, and causal or with groups of heads")
        return attention_by_parts(m, node, q, k, v, mask, p, scale)
    heads, shared = (shape(a)[-3] if len(shape(a)) > 2 else 1 for a in (q, k))
    groups = heads // shared  # without enable_gqa all heads may share one
    said = {"causal": causal or None, "scale": scale, "groups": groups if groups != 1 else None}
    return called("attention", *given(m, q, k, v, mask), **said)


def attention_by_parts(m: Any, node: Node, q: Any, k: Any, v: Any, mask: Any, p: float, scale: Any) -> str:
    """With the given mask of a dropout between softmax and values, where the op itself has no place for one."""
    rank = len(shape(q))
    turned = called("transpose", m.arg(k), axes=[*range(rank - 2), rank - 1, rank - 2])
    scores = m.assign(node, f"{m.arg(q)} @ {turned} * {literal(scale or 1 / math.sqrt(shape(q)[-1]))}")
    if mask is not None and "bool" in str(mask.meta["val"].dtype):
        scores = m.assign(node, f"where({m.arg(mask)}, {scores}, -inf)")
    elif mask is not None:
        scores = m.assign(node, f"{scores} + {m.arg(mask)}")
    kept = m.mask((*shape(q)[:-1], shape(k)[-2]), p)
    return f"softmax({scores}, axis=-1) * {kept} @ {m.arg(v)}"


@rule("embedding.default")
def embedding(m: Any, _: Node, W: Any, ids: Any, padding: int = -1, *__: Any) -> str:
    """A row of padding that no id is has no gradient anyway: it is not said, and every framework has the call."""
    absent = ids in m.known and not bool((m.known[ids] == padding).any())
    said = None if padding < 0 or absent else padding
    return called("embedding", m.arg(ids), m.arg(W), padding_idx=said)


@rule("embedding_bag.padding_idx", "embedding_bag.default")
def embedding_bag(
    m: Any, node: Node, W: Any, ids: Any, offsets: Any, by_frequency: bool = False, mode: int = 0,
    sparse: bool = False, weights: Any = None, last: bool = False, padding: Any = None,
) -> list[Any]:  # fmt: skip
    """Bags of one size: the rows of each, and their sum, mean or maximum."""
    if last or padding is not None or ids not in m.known or offsets not in m.known:
        raise Cannot("of ids that are computed, or with padding")
    starts, count = m.known[offsets], shape(ids)[0]
    size = count // max(1, len(starts))
    if not size or starts.tolist() != [*range(0, count, size)]:
        raise Cannot("of bags of several sizes")
    bags = m.folded("bags", m.known[ids].reshape(-1, size), ids)
    found = m.assign(node, called("embedding", bags, m.arg(W)))
    if weights is not None:
        found = f"{found} * {called('reshape', m.arg(weights), shape=(count // size, size, 1))}"
    return only(m, node, called(("sum", "mean", "max")[mode], found, axis=1), 3)


@rule("_native_batch_norm_legit_functional.default")
def functional_batch_norm(
    m: Any,
    node: Node,
    x: Any,
    w: Any,
    b: Any,
    mean: Any,
    var: Any,
    training: bool,
    momentum: float,
    eps: float,
) -> list[Any]:
    """In training, as torch has it where running statistics are given back: nobody reads these."""
    return only(m, node, batch_norm(m, node, x, w, b, mean, var, training, momentum, eps), 4)


@rule("_native_batch_norm_legit_no_training.default")
def inferred_batch_norm(
    m: Any, node: Node, x: Any, w: Any, b: Any, mean: Any, var: Any, _: float, eps: float
) -> list[Any]:
    return only(m, node, called("batch_norm_inference", *given(m, x, mean, var, w, b), epsilon=eps), 2)


# Activations


RULES |= {"selu.default": plain("selu({0})"), "softsign.default": plain("softsign({0})")}


@rule("gelu.default")
def gelu(m: Any, _: Node, x: Any, approximate: str = "none") -> str:
    return called("gelu", m.arg(x), approximate=approximate)


@rule("elu.default", "celu.default")
def elu(m: Any, node: Node, x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> str:
    if (scale, input_scale) != (1.0, 1.0):
        raise Cannot("scaled")
    return called(str(node.target).split(".")[1], m.arg(x), alpha=float(alpha))


@rule("clamp.default", "hardtanh.default")
def clip(m: Any, node: Node, x: Any, low: Any = None, high: Any = None) -> str:
    if str(node.target).startswith("aten.hardtanh"):
        low, high = -1.0 if low is None else low, 1.0 if high is None else high
        return called("hard_tanh", m.arg(x), low=float(low), high=float(high))
    return called("clip", m.arg(x), low=low, high=high)


@rule("prelu.default", "_prelu_kernel.default")
def prelu(m: Any, _: Node, x: Any, slope: Any) -> str:
    return called("prelu", m.arg(x), m.arg(slope))


@rule("glu.default")
def glu(m: Any, _: Node, x: Any, dim: int = -1) -> str:
    return called("glu", m.arg(x), axis=dim)
