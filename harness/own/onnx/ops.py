"""ONNX's operators as programs of ours: by operator, the text that its inputs and attributes become.

Inputs are `x0`, `x1` and so on; outputs are `y0`, `y1`. An output that the text does not assign is none of ours, and is not
compared. What cannot be said raises NotOurs with its reason; WITHOUT has the reasons of whole operators.
Semantics: https://onnx.ai/onnx/operators/.
"""

from .layers import (
    attention,
    batch_norm,
    clip,
    col2im,
    conv,
    conv_transpose,
    cross_entropy,
    dropout,
    einsum,
    gelu,
    gemm,
    group_norm,
    layer_norm,
    lp_norm,
    lp_pool,
    mean_variance,
    nll,
    pooled,
    recurrent,
    rms_norm,
    selu,
)
from .node import Said, call, chain, in_words, said, y
from .shapes import (
    cumulated,
    depth_to_space,
    expand,
    indexed,
    largest,
    pad,
    reduced,
    resize,
    shaped,
    sliced,
    space_to_depth,
    split,
    topk,
    trilu,
    unsqueeze,
)

OPS: dict[str, Said] = {
    **{
        theirs: call(ours)
        for ours, theirs in {
            "abs": "Abs", "acos": "Acos", "acosh": "Acosh", "add": "Add", "asin": "Asin", "asinh": "Asinh", "atan": "Atan",
            "atanh": "Atanh", "ceil": "Ceil", "cos": "Cos", "cosh": "Cosh", "div": "Div", "equal": "Equal", "erf": "Erf",
            "exp": "Exp", "floor": "Floor", "greater": "Greater", "greater_equal": "GreaterOrEqual",
            "hard_swish": "HardSwish", "less": "Less", "less_equal": "LessOrEqual", "log": "Log", "logical_and": "And",
            "logical_not": "Not", "logical_or": "Or", "matmul": "MatMul", "mish": "Mish", "mul": "Mul", "neg": "Neg",
            "pow": "Pow", "reciprocal": "Reciprocal", "relu": "Relu", "round": "Round", "sigmoid": "Sigmoid",
            "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "softplus": "Softplus", "softsign": "Softsign", "sqrt": "Sqrt",
            "sub": "Sub", "tan": "Tan", "tanh": "Tanh", "where": "Where",
        }.items()
    },
    "ArgMax": largest("argmax"),
    "ArgMin": largest("argmin"),
    "Attention": attention,
    "AveragePool": pooled("avg_pool", count_padding="count_include_pad"),
    "BatchNormalization": batch_norm,
    "Celu": call("celu", alpha=1.0),
    "Clip": clip,
    "Col2Im": col2im,
    "Concat": call("concat", axis=None),
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "CumProd": cumulated("cumprod", 1.0),
    "CumSum": cumulated("cumsum", 0.0),
    "DepthToSpace": depth_to_space,
    "Dropout": dropout,
    "Einsum": einsum,
    "Elu": call("elu", alpha=1.0),
    "Expand": expand,
    "Flatten": shaped,
    "GRU": recurrent("gru", 3, gates="zrn"),
    "Gather": indexed("take"),
    "GatherElements": indexed("gather"),
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": lambda node: y(said("mean", "x0", axis=tuple(range(2, node.ndim)), keepdims=True)),
    "GlobalMaxPool": lambda node: y(said("max", "x0", axis=tuple(range(2, node.ndim)), keepdims=True)),
    "GroupNormalization": group_norm,
    "HardSigmoid": in_words("clip(x0 * {alpha} + {beta}, low=0, high=1)", alpha=0.2, beta=0.5),
    "InstanceNormalization": call("instance_norm", epsilon=1e-5),
    "IsInf": lambda node: y(
        "abs(x0) == inf"
        if node.get("detect_positive", 1) and node.get("detect_negative", 1)
        else f"x0 == {'inf' if node.get('detect_positive', 1) else '-inf'}"
    ),
    "IsNaN": in_words("x0 != x0"),
    "LSTM": recurrent("lstm", 4, gates="iofg"),
    "LayerNormalization": layer_norm,
    "LeakyRelu": in_words("leaky_relu(x0, slope={alpha})", alpha=0.01),
    "LogSoftmax": call("log_softmax", axis=-1),
    "LpNormalization": lp_norm,
    "LpPool": lp_pool,
    "Max": chain("maximum({}, {})"),
    "MaxPool": pooled("max_pool"),
    "Mean": lambda node: y(f"({chain('{} + {}')(node).removeprefix('y0 = ')}) / {len(node.inputs)}"),
    "MeanVarianceNormalization": mean_variance,
    "Min": chain("minimum({}, {})"),
    "Mod": lambda node: y("sign(x0) * mod(abs(x0), abs(x1))" if node.get("fmod", 0) else "mod(x0, x1)"),
    "NegativeLogLikelihoodLoss": nll,
    "PRelu": in_words("where(x0 > 0, x0, x0 * x1)"),
    "Pad": pad,
    "RMSNormalization": rms_norm,
    "RNN": recurrent("rnn", 1),
    "ReduceL1": reduced("{}", "abs(x0)"),
    "ReduceL2": reduced("sqrt({})", "square(x0)"),
    "ReduceLogSum": reduced("log({})"),
    "ReduceLogSumExp": reduced("{}", reduction="logsumexp"),
    "ReduceMax": reduced("{}", reduction="max"),
    "ReduceMean": reduced("{}", reduction="mean"),
    "ReduceMin": reduced("{}", reduction="min"),
    "ReduceProd": reduced("{}", reduction="prod"),
    "ReduceSum": reduced("{}"),
    "ReduceSumSquare": reduced("{}", "square(x0)"),
    "Reshape": shaped,
    "Resize": resize,
    "ScatterElements": indexed("scatter_add"),
    "Selu": selu,
    "Shrink": in_words(
        "where(x0 < -{lambd}, x0 + {bias}, where(x0 > {lambd}, x0 - {bias}, 0))", lambd=0.5, bias=0.0
    ),
    "Slice": sliced,
    "Softmax": call("softmax", axis=-1),
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": lambda node: y(said("squeeze", "x0", axis=node.ints(1) if node.has(1) else None)),
    "Sum": chain("{} + {}"),
    "Swish": in_words("x0 * sigmoid({alpha} * x0)", alpha=1.0),
    "ThresholdedRelu": in_words("where(x0 > {alpha}, x0, 0)", alpha=1.0),
    "Tile": lambda node: y(said("tile", "x0", repeats=node.ints(1))),
    "TopK": topk,
    "Transpose": lambda node: y(said("transpose", "x0", axes=tuple(node["perm"]) if "perm" in node.attributes else None)),
    "Trilu": trilu,
    "Unsqueeze": unsqueeze,
    "Upsample": resize,
    "Xor": in_words("logical_and(logical_or(x0, x1), logical_not(logical_and(x0, x1)))"),
}  # fmt: skip

MOVES = frozenset({
    "ArgMax", "ArgMin", "Clip", "Concat", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "MaxPool", "Min",
    "Pad", "Sign", "TopK", "Trilu", "Where",
})  # fmt: skip
"""What compares and moves numbers and computes none: of integers it says what it says of floats."""

INTEGERS, TEXT = "integers alone, or their bits", "text, sequences, or values that may be missing"
NO_ROW = "no op of ours; what several of them would make is not written down here"

WITHOUT: dict[str, str] = {
    **dict.fromkeys(
        ("BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "BitCast", "ConvInteger", "MatMulInteger", "Shape", "Size"),
        INTEGERS,
    ),
    **dict.fromkeys(
        ("DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QuantizeLinear"), "quantization"
    ),
    **dict.fromkeys(("Cast", "CastLike"), "a change of dtype: a program has one"),
    **dict.fromkeys(
        ("OptionalGetElement", "OptionalHasElement", "RegexFullMatch", "SequenceInsert", "SequenceMap", "SplitToSequence",
         "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer", "LabelEncoder"),
        TEXT,
    ),
    **dict.fromkeys(("If", "Loop", "Scan"), "control flow: a program has none"),
    **dict.fromkeys(("Constant", "ConstantOfShape", "Range", "EyeLike", "Bernoulli"), "it has no input that it computes from"),
    **dict.fromkeys(("BlackmanWindow", "HammingWindow", "HannWindow", "MelWeightMatrix"), "a constant table"),
    **dict.fromkeys(("Compress", "NonZero", "Unique", "NonMaxSuppression"), "its shape depends on values"),
    **dict.fromkeys(("ArrayFeatureExtractor", "Binarizer", "TreeEnsemble", "ImageDecoder"), "no network's layer"),
    **dict.fromkeys(("Identity",), "it is its input: there is no op"),
    **dict.fromkeys(("GatherND", "ScatterND", "Scatter", "TensorScatter", "OneHot", "ReverseSequence", "MaxUnpool"), "indices of another kind"),
    **dict.fromkeys(
        ("AffineGrid", "CausalConvWithState", "CenterCropPad", "DFT", "DeformConv", "Det", "FlexAttention", "GridSample", "Hardmax",
         "LRN", "LinearAttention", "RoiAlign", "RotaryEmbedding", "STFT"),
        NO_ROW,
    ),
}  # fmt: skip
"""Operators of which no case is ours, and why."""
