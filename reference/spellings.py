"""What libraries call ops that are here under another name, or that are made of others: so an unknown op is told what to write.

Keys are as `folded` has them, without "loss" at their end. Of a function with a parameter it is the usual one that stands here.
"""

from .names import folded, nearest
from .ops import OPS

RECIPE = 'compose it of these, or add it as "Add an op" in CONTRIBUTING.md says'

RENAMED = {
    "absolute": "abs", "fabs": "abs",
    "addmm": "linear", "affine": "linear", "dense": "linear", "fullyconnected": "linear", "innerproduct": "linear",
    "amax": "max", "reducemax": "max", "fmax": "maximum", "elementwisemax": "maximum",
    "average": "mean", "reducemean": "mean",
    "binarycrossentropy": "bce", "logloss": "bce",
    "binarycrossentropywithlogits": "bce_with_logits", "bcelogits": "bce_with_logits",
    "sigmoidcrossentropy": "bce_with_logits", "sigmoidcrossentropywithlogits": "bce_with_logits",
    "sigmoidbinarycrossentropy": "bce_with_logits",
    "softmaxcrossentropy": "cross_entropy", "softmaxcrossentropywithlogits": "cross_entropy",
    "softmaxcrossentropywithintegerlabels": "cross_entropy",
    "sparsesoftmaxcrossentropywithlogits": "cross_entropy",
    "cat": "concat", "concatenate": "concat", "chunk": "split", "arraysplit": "split", "tensorsplit": "split",
    "divide": "div", "truedivide": "div", "multiply": "mul", "subtract": "sub", "negative": "neg",
    "power": "pow", "sqr": "square", "ln": "log",
    "expit": "sigmoid", "logistic": "sigmoid", "lrelu": "leaky_relu", "softrelu": "softplus",
    "meansquarederror": "mse", "squarederror": "mse",
    "l2norm": "norm", "vectornorm": "norm", "frobeniusnorm": "norm", "euclideannorm": "norm",
    "permute": "transpose", "swapaxes": "transpose", "moveaxis": "transpose", "permutedims": "transpose",
    "reducelogsumexp": "logsumexp", "reducesum": "sum", "sumsq": "sum_squares", "sumofsquares": "sum_squares",
    "select": "where", "view": "reshape", "slice": "index", "getitem": "index",
    "mm": "matmul", "bmm": "matmul", "mv": "matmul",
}  # fmt: skip
"""Ops of the table by the names that they have elsewhere."""

WRITTEN = {
    "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y", "pow": "x ** y", "neg": "-x", "matmul": "x @ y",
    "index": "x[0, 1:]",
}  # fmt: skip
"""Ops that an operator calls."""

COMPOSED = {
    "attention": "softmax(q @ k.T / sqrt(d)) @ v, with d a size",
    "batchnorm": "(x - mean(x, axis=0)) / sqrt(mean(square(x - mean(x, axis=0)), axis=0) + 1e-5)",
    "celu": "relu(x) + exp(-relu(-x)) - 1",
    "clamp": "-maximum(-maximum(x, low), -high)",
    "clip": "-maximum(-maximum(x, low), -high)",
    "clipbyvalue": "-maximum(-maximum(x, low), -high)",
    "cosh": "(exp(x) + exp(-x)) / 2",
    "cosinesimilarity": "sum(x * y, axis=-1) / (norm(x, axis=-1) * norm(y, axis=-1))",
    "cumsum": "lower @ x, with lower a tensor { tril = 1 }",
    "dot": "x @ y",
    "dropout": "x * mask, with mask a tensor of the case",
    "elu": "relu(x) + exp(-relu(-x)) - 1",
    "embedding": "one_hot @ W, with one_hot a tensor { one_hot = -1 }",
    "exp2": "2 ** x",
    "expanddims": "x[None]",
    "expm1": "exp(x) - 1",
    "flatten": "reshape(x, shape=(6,)), with 6 its number of elements",
    "flip": "x[::-1]",
    "fmin": "-maximum(-x, -y)",
    "gather": "one_hot @ x, with one_hot a tensor { one_hot = -1 }",
    "gelu": "0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))",
    "glu": "left * sigmoid(right), with left, right = split(x)",
    "hardsigmoid": "-maximum(-relu(x + 3), -6) / 6",
    "hardtanh": "-maximum(-maximum(x, -1), -1)",
    "hinge": "mean(relu(1 - y * x))",
    "huber": "mean(square(abs(x - y) - relu(abs(x - y) - 1)) / 2 + relu(abs(x - y) - 1))",
    "hypot": "sqrt(x * x + y * y)",
    "inner": "x @ y",
    "kldiv": "sum(p * (log(p) - log(q)))",
    "l1": "mean(abs(x - y))",
    "l2": "sum_squares(x) / 2",
    "l2normalize": "x / norm(x, axis=-1, keepdims=True)",
    "layernorm": "(x - mean(x, axis=-1, keepdims=True))"
    " / sqrt(mean(square(x - mean(x, axis=-1, keepdims=True)), axis=-1, keepdims=True) + 1e-5)",
    "log10": "log(x) / log(10)",
    "log1p": "log(1 + x)",
    "log2": "log(x) / log(2)",
    "logaddexp": "y + softplus(x - y)",
    "logcosh": "x + softplus(-2 * x) - log(2)",
    "logit": "log(x / (1 - x))",
    "logsigmoid": "-softplus(-x)",
    "mae": "mean(abs(x - y))",
    "maskedfill": 'where(mask, value, x), with mask a tensor { dtype = "bool" }',
    "meanabsoluteerror": "mean(abs(x - y))",
    "min": "-max(-x)",
    "minimum": "-maximum(-x, -y)",
    "mish": "x * tanh(softplus(x))",
    "nll": "-mean(sum(one_hot * log_p, axis=-1)), with log_p of log_softmax; cross_entropy(z, labels) does both",
    "normalize": "x / norm(x, axis=-1, keepdims=True)",
    "outer": "x[:, None] * y[None, :]",
    "prelu": "relu(x) - slope * relu(-x)",
    "ravel": "reshape(x, shape=(6,)), with 6 its number of elements",
    "reciprocal": "1 / x",
    "reducemin": "-max(-x)",
    "relu6": "-maximum(-relu(x), -6)",
    "rmsnorm": "x / sqrt(mean(square(x), axis=-1, keepdims=True) + 1e-6)",
    "rsqrt": "1 / sqrt(x)",
    "scaleddotproductattention": "softmax(q @ k.T / sqrt(d)) @ v, with d a size",
    "selu": "1.0507009873554805 * (relu(x) + 1.6732632423543772 * (exp(-relu(-x)) - 1))",
    "silu": "x * sigmoid(x)",
    "sinh": "(exp(x) - exp(-x)) / 2",
    "smoothl1": "mean(square(abs(x - y) - relu(abs(x - y) - 1)) / 2 + relu(abs(x - y) - 1))",
    "softmin": "softmax(-x)",
    "softshrink": "relu(x - 0.5) - relu(-x - 0.5)",
    "softsign": "x / (1 + abs(x))",
    "squeeze": "x[0]",
    "stack": "concat(x[None], y[None])",
    "std": "sqrt(mean(square(x - mean(x))))",
    "swish": "x * sigmoid(x)",
    "tan": "sin(x) / cos(x)",
    "tanhshrink": "x - tanh(x)",
    "unsqueeze": "x[None]",
    "var": "mean(square(x - mean(x)))",
}  # fmt: skip
"""What is no op and made of ops: the expression, and after ", with" what stands in it."""

ATTRIBUTES = {
    "alpha": "slope", "negative_slope": "slope",
    "axes": "axis", "dim": "axis", "dims": "axis",
    "axis": "axes", "perm": "axes",
    "chunks": "parts", "indices_or_sections": "parts", "num_or_size_splits": "parts", "sections": "parts",
    "keep_dims": "keepdims", "keepdim": "keepdims",
    "newshape": "shape", "size": "shape",
}  # fmt: skip
"""Attributes by the names that they have elsewhere."""

OTHERS = {"atan", "exp10", "logdet", "maxpool", "rrelu", "sign", "sinc", "sort", "sparsemax"}
"""What is something else, though its name is near to one of ours."""


def called_elsewhere(name: str) -> str:
    """What to write for an op of another library; empty where nobody knows."""
    key = folded(name).removesuffix("loss") or folded(name)
    ours = RENAMED.get(key) or next((op for op in OPS if folded(op) == key), "")
    if ours:
        return f"write {WRITTEN.get(ours, ours)}"
    return f"it is made of others: write {COMPOSED[key]}" if key in COMPOSED else ""


def unknown_op(name: str) -> str:
    """`unknown op "reduce_sum"; write sum`: what is said of an op that is none, and what to do."""
    known = called_elsewhere(name)
    slip = "" if known or folded(name) in OTHERS else nearest(name, OPS)
    return f'unknown op "{name}"' + (
        f"; {known}" if known else slip or f"; the ops are: {' '.join(OPS)}; {RECIPE}"
    )
