"""Torch's OpInfos as programs of ours: by row, the OpInfos that it is, and how their samples become its calls."""

from typing import Any

import numpy as np
from gradient_conformance.harness.own.onnx.node import NotOurs, said, y
from opinfo import Said, Sample, axes, loss, operand


def scaled(op: str) -> Said:
    """An operator whose second operand has a factor with torch."""

    def text(sample: Sample) -> str:
        found = sample.named("other", alpha=1)
        other = operand(found["other"])
        if found["alpha"] != 1:
            other = f"{operand(found['alpha'])} * {other}"
        return y(f"{op}({sample.x}, {other})")

    return text


def where(sample: Sample) -> str:
    condition, other = sample.args[1:]
    return y(said("where", str(condition), str(sample.x), operand(other)))


def linear(sample: Sample) -> str:
    return y(said("linear", *map(str, sample.args), weights="out_in"))


def prelu(sample: Sample) -> str:
    weight = sample.named("weight")["weight"]
    if weight.ndim > sample.x.ndim:
        raise NotOurs("a single number with a row of slopes")
    if sample.x.ndim < 2 or (weight.array.size == 1 and weight.ndim == 0):
        return y(f"where({sample.x} > 0, {sample.x}, {weight} * {sample.x})")
    return y(said("prelu", str(sample.x), str(weight), axis=1))


def elu(sample: Sample) -> str:
    found = sample.named("alpha", "scale", "input_scale", alpha=1.0, scale=1.0, input_scale=1.0)
    if (found["scale"], found["input_scale"]) != (1.0, 1.0):
        raise NotOurs("elu has no scales")
    return y(said("elu", str(sample.x), alpha=found["alpha"]))


def matrix_norm(sample: Sample) -> str:
    found = sample.named("ord", "dim", "keepdim", ord=2, dim=None, keepdim=False, dtype=None)
    if found["ord"] != 2 or found["dtype"] is not None:
        raise NotOurs("norm is the root of the sum of squares")
    return y(said("norm", str(sample.x), axis=axes(sample, found["dim"]), keepdims=found["keepdim"]))


def masked_softmax(sample: Sample) -> str:
    found = sample.named("dim", mask=None, dtype=None)
    if found["mask"] is None or found["dtype"] is not None:
        raise NotOurs("without a mask, or in another dtype")
    if not np.all(np.any(np.broadcast_to(found["mask"].array, sample.x.array.shape), axis=found["dim"])):
        raise NotOurs("of nothing but what is masked, where ours has no value")
    return y(said("masked_softmax", str(sample.x), str(found["mask"]), axis=sample.axis(found["dim"])))


def attention(sample: Sample) -> str:
    names = ("key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
    found = sample.named(*names, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)
    if found["dropout_p"]:
        raise NotOurs("it draws what is dropped")
    if sample.x.ndim != found["key"].ndim:
        raise NotOurs("keys for every queries' head and sample, which ours does not broadcast")
    mask = [] if found["attn_mask"] is None else [str(found["attn_mask"])]
    groups = sample.x.array.shape[-3] // found["key"].array.shape[-3] if found["enable_gqa"] else 1
    kw = {"causal": found["is_causal"], "scale": found["scale"], "groups": groups}
    return y(said("attention", str(sample.x), str(found["key"]), str(found["value"]), *mask, **kw))


def classes(op: str) -> Said:
    """The classes along the second axis, or the only one."""

    def text(sample: Sample) -> str:
        names = ("target", "weight", "reduction", "ignore_index", "label_smoothing")
        defaults = {"weight": None, "reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0}
        found = sample.named(*names, **defaults)
        if sample.x.ndim < 2:
            raise NotOurs("of one position without an axis")
        weights = [] if found["weight"] is None else [str(found["weight"])]
        kw = {"axis": 1, "reduction": found["reduction"]}
        if found["target"].array.dtype.kind == "i":
            kw["ignore_index"] = found["ignore_index"]
        if op == "cross_entropy":
            kw["label_smoothing"] = found["label_smoothing"]
        return y(said(op, str(sample.x), str(found["target"]), *weights, **kw))

    return text


def bce_with_logits(sample: Sample) -> str:
    names = ("target", "weight", "pos_weight", "reduction")
    found = sample.named(*names, weight=None, pos_weight=None, reduction="mean")
    if found["pos_weight"] is not None and found["weight"] is None:
        raise NotOurs("a weight of the positives alone, which ours has after another")
    tensors = [found[name] for name in names[:3] if found[name] is not None]
    return y(said("bce_with_logits", str(sample.x), *map(str, tensors), reduction=found["reduction"]))


def kl_div(sample: Sample) -> str:
    found = sample.named("target", reduction="mean", log_target=False)
    if found["log_target"]:
        raise NotOurs("kl_div has probabilities as targets")
    return y(said("kl_div", str(sample.x), str(found["target"]), reduction=found["reduction"]))


def gaussian_nll(sample: Sample) -> str:
    found = sample.named("target", "var", full=False, eps=1e-6, reduction="mean")
    if found["var"].array.min() < found["eps"]:
        raise NotOurs("a variance below its bound, which ours has not")
    if len({t.array.shape for t in (sample.x, found["target"], found["var"])}) > 1:
        raise NotOurs("a loss of tensors of several shapes")
    kw = {"full": found["full"], "reduction": found["reduction"]}
    return y(said("gaussian_nll", str(sample.x), str(found["target"]), str(found["var"]), **kw))


def poisson_nll(sample: Sample) -> str:
    found = sample.named("target", log_input=True, full=False, eps=1e-8, reduction="mean")
    if found["full"]:
        raise NotOurs("poisson_nll has not Stirling's term")
    kw = {"log_input": found["log_input"], "epsilon": found["eps"], "reduction": found["reduction"]}
    return y(said("poisson_nll", str(sample.x), str(found["target"]), **kw))


def cosine(sample: Sample) -> str:
    found = sample.named("x2", "dim", "eps", dim=1, eps=1e-8)
    if sample.x.array.shape != found["x2"].array.shape:
        raise NotOurs("of two shapes")
    kw = {"axis": sample.axis(found["dim"]), "epsilon": found["eps"]}
    return y(said("cosine_similarity", str(sample.x), str(found["x2"]), **kw))


def triplet(sample: Sample) -> str:
    found = sample.named("positive", "negative", margin=1.0, p=2, eps=1e-6, swap=False, reduction="mean")
    if found["swap"] or found["p"] != 2:
        raise NotOurs("triplet_margin has the distance of the anchor alone")
    kw = {"margin": found["margin"], "epsilon": found["eps"], "reduction": found["reduction"]}
    return y(said("triplet_margin", str(sample.x), str(found["positive"]), str(found["negative"]), **kw))


def indexed(op: str) -> Said:
    """Indices along an axis, and for scatter_add what is added."""

    def text(sample: Sample) -> str:
        dim, indices, *more = sample.args[1:]
        at, n = sample.axis(dim), sample.x.array.shape
        if indices.array.dtype != np.int64 or (indices.ndim != sample.x.ndim and op != "take"):
            raise NotOurs("indices of another dtype or dimension")
        if op != "take" and any(
            a != b for i, (a, b) in enumerate(zip(indices.array.shape, n, strict=True)) if i != at
        ):
            raise NotOurs("indices of its input's shape but along the axis")
        return y(said(op, str(sample.x), str(indices), *map(str, more), axis=at))

    return text


def embedding(sample: Sample) -> str:
    found = sample.named("weight", padding_idx=None)
    return y(said("embedding", str(found["weight"]), str(sample.x), padding_idx=found["padding_idx"]))


def conv(op: str, names: tuple[str, ...]) -> Said:
    def text(sample: Sample) -> str:
        found = sample.named("weight", "bias", *names)
        space = int(op[-2])
        tensors = [t for t in (sample.x, found.pop("weight"), found.pop("bias", None)) if t is not None]
        if sample.x.ndim != space + 2:
            raise NotOurs("without an axis of samples")
        padding = found.get("padding", 0)
        if padding == "valid":
            found["padding"] = 0
        if padding == "same":
            size, each = tensors[1].array.shape[2:], found.get("dilation", 1)
            dilation = [each] * space if isinstance(each, int) else each
            total = [d * (k - 1) for d, k in zip(dilation, size, strict=True)]
            found["padding"] = tuple((t // 2, t - t // 2) for t in total)
        return y(said(op, *map(str, tensors), **{name: tupled(value) for name, value in found.items()}))

    return text


def tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


POOL = ("kernel_size", "stride", "padding")
AVERAGE = (*POOL, "ceil_mode", "count_include_pad", "divisor_override")
LARGEST = (*POOL, "dilation", "ceil_mode", "return_indices")


def pool(op: str) -> Said:
    """A pooling of samples with channels; the places of the largest elements are no output of ours."""

    def text(sample: Sample) -> str:
        further = {
            "stride": None,
            "padding": 0,
            "ceil_mode": False,
            "count_include_pad": True,
            "return_indices": False,
        }
        names = AVERAGE if op.startswith("avg") else LARGEST
        found = sample.named(*names, divisor_override=None, dilation=1, **further)
        if sample.x.ndim != int(op[-2]) + 2:
            raise NotOurs("without an axis of samples")
        if found["divisor_override"] is not None or np.any(np.asarray(found["dilation"]) != 1):
            raise NotOurs("poolings have no other divisor, and are not dilated")
        if found["return_indices"]:
            sample.drop_last()
        kw = {"size": found["kernel_size"], "stride": found["stride"] or None, "padding": found["padding"]}
        kw = {
            name: value[0] if isinstance(value, list | tuple) and len(value) == 1 else tupled(value)
            for name, value in kw.items()
        }
        kw |= {"count_padding": found["count_include_pad"]} if op.startswith("avg") else {}
        return y(said(op, str(sample.x), **kw, ceil_mode=found["ceil_mode"]))

    return text


def adaptive(op: str) -> Said:
    def text(sample: Sample) -> str:
        size = tupled(sample.args[1])
        if sample.x.ndim != int(op[-2]) + 2 or (isinstance(size, tuple) and None in size):
            raise NotOurs("without an axis of samples, or without a size")
        return y(said(op, str(sample.x), size=size))

    return text


def layer_norm(op: str) -> Said:
    def text(sample: Sample) -> str:
        names = ("normalized_shape", "weight", *(["bias"] if op == "layer_norm" else []), "eps")
        found = sample.named(*names, weight=None, bias=None, eps=1e-5 if op == "layer_norm" else None)
        epsilon = np.finfo(np.float64).eps if found["eps"] is None else found["eps"]
        if epsilon < 0:
            raise NotOurs("a negative epsilon")
        at = tuple(range(sample.x.ndim - len(found["normalized_shape"]), sample.x.ndim))
        return y(said(op, str(sample.x), *affine(found), axis=at, epsilon=float(epsilon)))

    return text


def affine(found: dict[str, Any]) -> list[str]:
    """The weight and the bias that are there."""
    if found["weight"] is None and found["bias"] is not None:
        raise NotOurs("a bias without a weight")
    return [str(t) for t in (found["weight"], found["bias"]) if t is not None]


def batch_norm(*, training: bool) -> Said:
    """Its running statistics after the call are no output of torch's."""

    def text(sample: Sample) -> str:
        names = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
        found = sample.named(*names, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5)
        if bool(found["training"]) != training:
            raise NotOurs("the other of both kinds")
        op, means = "batch_norm", []
        if not training:
            op, means = "batch_norm_inference", [str(found["running_mean"]), str(found["running_var"])]
        return y(said(op, str(sample.x), *means, *affine(found), epsilon=found["eps"]))

    return text


def group_norm(sample: Sample) -> str:
    found = sample.named("num_groups", "weight", "bias", "eps", weight=None, bias=None, eps=1e-5)
    if found["eps"] < 0:
        raise NotOurs("a negative epsilon")
    return y(
        said("group_norm", str(sample.x), *affine(found), groups=found["num_groups"], epsilon=found["eps"])
    )


def instance_norm(sample: Sample) -> str:
    names = ("running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps")
    defaults = dict.fromkeys(names[:4]) | {"use_input_stats": True, "momentum": 0.1, "eps": 1e-5}
    found = sample.named(*names, **defaults)
    if not found["use_input_stats"] or found["eps"] < 0:
        raise NotOurs("with other statistics, or a negative epsilon")
    return y(said("instance_norm", str(sample.x), *affine(found), epsilon=found["eps"]))


def chosen(op: str) -> Said:
    def text(sample: Sample) -> str:
        found = sample.named("dim", "keepdim", keepdim=False)
        if found["keepdim"] or "dim" not in found:
            raise NotOurs("its axis is kept, or it is of all axes")
        return y(said(op, str(sample.x), axis=sample.axis(found["dim"])))

    return text


def sort(sample: Sample) -> str:
    found = sample.named("dim", "descending", dim=-1, descending=False, stable=False)
    sample.drop_last()
    return y(said("sort", str(sample.x), axis=sample.axis(found["dim"]), descending=found["descending"]))


def topk(sample: Sample) -> str:
    found = sample.named("k", "dim", "largest", "sorted", dim=-1, largest=True, sorted=True)
    if not found["sorted"] or not found["largest"]:
        raise NotOurs("topk gives the largest, in their order")
    return f"y0, y1 = {said('topk', str(sample.x), k=found['k'], axis=sample.axis(found['dim']))}"


def shape_of_output(op: str) -> Said:
    """The shape is that of torch's result, however torch is told of it."""
    return lambda sample: y(said(op, str(sample.x), shape=sample.outputs[0].shape))


def joined(op: str) -> Said:
    def text(sample: Sample) -> str:
        dim = ([*sample.args[1:], *sample.kwargs.values()] or [0])[0]
        tensors = sample.args[0]
        n = tensors[0].ndim + (op == "stack")
        if any(t.array.size == 0 for t in tensors) or not n:
            raise NotOurs("of nothing, or of single numbers")
        return y(said(op, *map(str, tensors), axis=dim % n))

    return text


def squeeze(sample: Sample) -> str:
    dim = (sample.args[1:] or [None])[0]
    if dim == ():
        raise NotOurs("along no axis")
    at = axes(sample, dim)
    kept = [a for a in at or () if sample.x.array.shape[a] == 1]
    if at is not None and len(kept) < len(at):
        raise NotOurs("an axis that is longer, which torch leaves and ours refuses")
    return y(said("squeeze", str(sample.x), axis=at))


def moved(op: str, *names: str) -> Said:
    """Axes alone."""

    def text(sample: Sample) -> str:
        values = sample.args[1:]
        if sample.x.ndim == 0 or sample.kwargs:
            raise NotOurs("a single number has no axes with us")
        return y(said(op, str(sample.x), **{name: tupled(a) for name, a in zip(names, values, strict=True)}))

    return text


def roll(sample: Sample) -> str:
    shift, dims = ([*sample.args[1:], ()] if len(sample.args) < 3 else sample.args[1:])[:2]
    if dims in ((), [], None):
        raise NotOurs("rolled as a row of all elements")
    return y(said("roll", str(sample.x), shift=tupled(shift), axis=tupled(dims)))


def repeat(sample: Sample) -> str:
    found = sample.named("repeats", "dim", dim=None)
    if not isinstance(found["repeats"], int) or found["dim"] is None or found["repeats"] < 1:
        raise NotOurs("each so many times, or of a row of all elements")
    return y(said("repeat", str(sample.x), repeats=found["repeats"], axis=sample.axis(found["dim"])))


def tile(sample: Sample) -> str:
    times = tuple(sample.args[1])
    if len(times) < sample.x.ndim:
        times = (1,) * (sample.x.ndim - len(times)) + times
    if len(times) > sample.x.ndim or 0 in times:
        raise NotOurs("more axes than there are, or none of it")
    return y(said("tile", str(sample.x), repeats=times))


def triangle(op: str) -> Said:
    def text(sample: Sample) -> str:
        return y(said(op, str(sample.x), k=([*sample.args[1:], *sample.kwargs.values()] or [0])[0]))

    return text


def diagonal(op: str) -> Said:
    def text(sample: Sample) -> str:
        last = {"dim1": 0, "dim2": 1} if op == "diagonal" else {"dim1": -2, "dim2": -1}
        found = sample.named("offset", "dim1", "dim2", offset=0, **last)
        n = sample.x.ndim + (op == "diag")
        if (found["dim1"] % n, found["dim2"] % n) != (n - 2, n - 1) or (op == "diag" and found["offset"]):
            raise NotOurs("of other axes than the last two, or another diagonal")
        return y(said(op, str(sample.x), **({"k": found["offset"]} if op == "diagonal" else {})))

    return text


def pad(sample: Sample) -> str:
    """Torch's pairs begin with the last axis."""
    found = sample.named("pad", "mode", "value", mode="constant", value=None)
    pairs = [(a, b) for a, b in zip(found["pad"][::2], found["pad"][1::2], strict=True)][::-1]
    if any(min(pair) < 0 for pair in pairs):
        raise NotOurs("less than nothing around it")
    mode = {"replicate": "edge"}.get(found["mode"], found["mode"])
    value = {"value": float(found["value"] or 0.0)} if mode == "constant" else {}
    around = ((0, 0),) * (sample.x.ndim - len(pairs)) + tuple(pairs)
    return y(said("pad", str(sample.x), padding=around, mode=mode, **value))


def unfold(sample: Sample) -> str:
    found = sample.named("kernel_size", "dilation", "padding", "stride", dilation=1, padding=0, stride=1)
    if sample.x.ndim != 4:
        raise NotOurs("without an axis of samples")
    names = {"kernel_size": "size", "dilation": "dilation", "padding": "padding", "stride": "stride"}
    return y(said("unfold", str(sample.x), **{names[name]: tupled(value) for name, value in found.items()}))


def einsum(sample: Sample) -> str:
    tensors, equation = sample.args
    operands, _, result = equation.partition("->")
    if (
        "..." in equation
        or len(tensors) > 2
        or any(len(set(term)) < len(term) for term in operands.split(","))
    ):
        raise NotOurs("einsum has letters alone, each once in an operand, of which there are at most two")
    if any(
        t.array.shape[operands.split(",")[i].index(a)] == 1
        for i, t in enumerate(tensors)
        for a in operands.split(",")[i]
    ):
        raise NotOurs("letters of size 1, which torch broadcasts")
    return y(said("einsum", *map(str, tensors), equation=equation))


def index(sample: Sample) -> str:
    at = sample.args[1]
    parts = at if isinstance(at, tuple) else (at,)
    if any(not isinstance(part, int | slice) or isinstance(part, bool) for part in parts):
        raise NotOurs("an array, or ... as an index")
    return y(f"{sample.x}[{', '.join(map(part_of_index, parts))}]")


def part_of_index(part: int | slice) -> str:
    if isinstance(part, int):
        return str(part)
    return ":".join("" if a is None else str(a) for a in (part.start, part.stop, part.step))


def split(*names: str) -> Said:
    def text(sample: Sample) -> str:
        found = sample.named(*names, dim=0)
        at, parts = sample.axis(found["dim"]), len(sample.outputs)
        if len({out.shape for out in sample.outputs}) > 1 or parts < 2:
            raise NotOurs("parts of several sizes, or one")
        outs = ", ".join(f"y{i}" for i in range(parts))
        return f"{outs} = {said('split', str(sample.x), parts=parts, axis=at)}"

    return text


def logical(op: str) -> Said:
    """Torch takes numbers: those that are not 0 are true."""
    return lambda sample: y(
        said(op, *(f"{x} != 0" if x.array.dtype.kind == "f" else str(x) for x in sample.args))
    )


def hard_tanh(sample: Sample) -> str:
    found = sample.named(min_val=-1.0, max_val=1.0)
    if found["min_val"] >= found["max_val"]:
        raise NotOurs("a high bound that is not above the low one")
    return y(said("hard_tanh", str(sample.x), low=found["min_val"], high=found["max_val"]))


def smooth_l1(sample: Sample) -> str:
    if sample.kwargs.get("beta") == 0:
        raise NotOurs("a beta of 0, with which it is mae")
    return loss("smooth_l1", "target", beta=1.0)(sample)


def transpose(sample: Sample) -> str:
    (order,) = sample.args[1:]
    return y(said("transpose", str(sample.x), axes=tuple(sample.axis(a) for a in order)))


def flip(sample: Sample) -> str:
    at = axes(sample, sample.named("dims")["dims"])
    if at is None:
        raise NotOurs("along no axis")
    return y(said("flip", str(sample.x), axis=at))


def softplus(sample: Sample) -> str:
    """Torch's is linear above a threshold; below it beta and all are ours."""
    found = sample.named("beta", "threshold", beta=1, threshold=20)
    if sample.x.array.max() * found["beta"] > found["threshold"]:
        raise NotOurs("above its threshold it is another function")
    return y(f"softplus({found['beta']!r} * {sample.x}) / {found['beta']!r}")


def cosine_embedding(sample: Sample) -> str:
    """Vectors beside each other, and for each pair a label."""
    found = sample.named("input2", "target", margin=0.0, reduction="mean")
    if sample.x.ndim != 2 or not np.all(np.abs(found["target"].array) == 1):
        raise NotOurs("one pair of vectors, or targets that are not 1 or -1")
    sample.labels.add(str(found["target"]))
    kw = {"margin": found["margin"], "reduction": found["reduction"]}
    return y(said("cosine_embedding", str(sample.x), str(found["input2"]), str(found["target"]), **kw))


PRODUCTS = 25
"""Above so many vectors torch.cdist is the root of |x|^2 + |y|^2 - 2 x y, unless told otherwise: another formula, as it documents."""


def distances(sample: Sample) -> str:
    found = sample.named("x2", "p", "compute_mode", p=2.0, compute_mode=None)
    if found["p"] < 1:
        raise NotOurs("p below 1, which is no norm")
    many = max(sample.x.array.shape[-2], found["x2"].array.shape[-2]) > PRODUCTS
    by_products = many if found["compute_mode"] is None else found["compute_mode"].startswith("use_mm")
    if found["p"] == 2 and by_products:
        raise NotOurs("distances by products, whose terms are larger")
    return y(said("cdist", str(sample.x), str(found["x2"]), p=found["p"]))


def slogdet(sample: Sample) -> str:
    return f"y0, y1 = {said('slogdet', str(sample.x))}"


def solve(sample: Sample) -> str:
    found = sample.named("B", left=True)
    if found["B"].ndim < sample.x.ndim or not found["left"]:
        raise NotOurs("a single right side, or matrices on the right")
    return y(said("solve", str(sample.x), str(found["B"])))
