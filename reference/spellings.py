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
    "amin": "min", "reducemin": "min", "unsqueeze": "expand_dims", "reverse": "flip", "fliplr": "flip", "flipud": "flip",
    "repeatinterleave": "repeat", "diagembed": "diag", "matrixdiag": "diag", "diagpart": "diagonal", "bandpart": "tril",
    "reduceprod": "prod", "cumulativesum": "cumsum", "cumulativeprod": "cumprod",
    "embeddinglookup": "embedding", "indexselect": "take", "takealongaxis": "gather", "takealongdim": "gather",
    "gatherelements": "gather", "scatterelements": "scatter_add", "expand": "broadcast_to", "broadcast": "broadcast_to",
    "average": "mean", "reducemean": "mean",
    "binarycrossentropy": "bce", "logloss": "bce",
    "binarycrossentropywithlogits": "bce_with_logits", "bcelogits": "bce_with_logits",
    "sigmoidcrossentropy": "bce_with_logits", "sigmoidcrossentropywithlogits": "bce_with_logits",
    "sigmoidbinarycrossentropy": "bce_with_logits",
    "softmaxcrossentropy": "cross_entropy", "softmaxcrossentropywithlogits": "cross_entropy",
    "softmaxcrossentropywithintegerlabels": "cross_entropy",
    "sparsesoftmaxcrossentropywithlogits": "cross_entropy",
    "kldivergence": "kl_div", "kullbackleiblerdivergence": "kl_div",
    "l1": "mae", "meanabsoluteerror": "mae", "absolutedifference": "mae",
    "negativeloglikelihood": "nll", "poisson": "poisson_nll", "logpoisson": "poisson_nll",
    "triplet": "triplet_margin", "ctc": "ctc_loss", "connectionisttemporalclassification": "ctc_loss",
    "cat": "concat", "concatenate": "concat", "chunk": "split", "arraysplit": "split", "tensorsplit": "split",
    "convolution1d": "conv1d", "convolution2d": "conv2d", "convolution3d": "conv3d", "convolution": "conv2d",
    "depthwiseconv2d": "conv2d", "depthwiseconv1d": "conv1d",
    "convtranspose": "conv_transpose2d", "deconvolution": "conv_transpose2d", "conv1dtranspose": "conv_transpose1d",
    "conv2dtranspose": "conv_transpose2d", "conv3dtranspose": "conv_transpose3d",
    "im2col": "unfold", "extractpatches": "unfold", "convgeneraldilatedpatches": "unfold",
    "upsampling2d": "upsample_nearest", "bilinearsampler": "grid_sample", "spatialtransformer": "grid_sample", "zeropad2d": "pad", "zeropadding2d": "pad", "reflectionpad2d": "pad",
    "maxpool": "max_pool2d", "maxpooling1d": "max_pool1d", "maxpooling2d": "max_pool2d", "maxpooling3d": "max_pool3d",
    "avgpool": "avg_pool2d", "averagepool": "avg_pool2d", "averagepooling1d": "avg_pool1d",
    "averagepooling2d": "avg_pool2d", "averagepooling3d": "avg_pool3d",
    "adaptiveaveragepool": "adaptive_avg_pool2d", "adaptiveaveragepooling1d": "adaptive_avg_pool1d",
    "adaptiveaveragepooling2d": "adaptive_avg_pool2d",
    "divide": "div", "truedivide": "div", "multiply": "mul", "subtract": "sub", "negative": "neg",
    "clamp": "clip", "clipbyvalue": "clip",
    "fmin": "minimum", "elementwisemin": "minimum", "elementwiseminimum": "minimum", "elementwisemaximum": "maximum",
    "recip": "reciprocal", "invsqrt": "rsqrt",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "gammaln": "lgamma", "loggamma": "lgamma", "remainder": "mod", "floormod": "mod", "rint": "round",
    "detach": "stop_gradient", "blockgrad": "stop_gradient",
    "power": "pow", "sqr": "square", "ln": "log",
    "swish": "silu", "hardsilu": "hard_swish",
    "expit": "sigmoid", "logistic": "sigmoid", "lrelu": "leaky_relu", "softrelu": "softplus",
    "meansquarederror": "mse", "squarederror": "mse",
    "l2norm": "norm", "vectornorm": "norm", "frobeniusnorm": "norm", "euclideannorm": "norm",
    "inverse": "inv", "matrixinverse": "inv", "linsolve": "solve", "determinant": "det", "matrixdeterminant": "det",
    "logabsdet": "slogdet", "potrf": "cholesky",
    "permute": "transpose", "swapaxes": "transpose", "moveaxis": "transpose", "permutedims": "transpose",
    "reducelogsumexp": "logsumexp", "reducesum": "sum", "sumsq": "sum_squares", "sumofsquares": "sum_squares",
    "select": "where", "view": "reshape", "slice": "index", "getitem": "index",
    "mm": "matmul", "bmm": "matmul", "mv": "matmul",
    "batchnormalization": "batch_norm", "groupnormalization": "group_norm", "instancenormalization": "instance_norm",
    "layernormalization": "layer_norm", "rmsnormalization": "rms_norm",
    "reducevariance": "var", "variance": "var", "reducestd": "std", "standarddeviation": "std",
    "dotproductattention": "attention", "scaleddotproductattention": "attention",
    "simplernn": "rnn", "elmanrnn": "rnn",
}  # fmt: skip
"""Ops of the table by the names that they have elsewhere."""

WRITTEN = {
    "add": "x + y", "sub": "x - y", "mul": "x * y", "div": "x / y", "pow": "x ** y", "neg": "-x", "matmul": "x @ y",
    "index": "x[0, 1:]",
}  # fmt: skip
"""Ops that an operator calls."""

COMPOSED = {
    "dot": "x @ y",
    "flatten": "reshape(x, shape=(6,)), with 6 its number of elements",
    "inner": "x @ y",
    "l2": "sum_squares(x) / 2",
    "l2normalize": "x / norm(x, axis=-1, keepdims=True)",
    "logcosh": "x + softplus(-2 * x) - log(2)",
    "logit": "log(x / (1 - x))",
    "maskedfill": 'where(mask, value, x), with mask a tensor { dtype = "bool" }',
    "normalize": "x / norm(x, axis=-1, keepdims=True)",
    "ravel": "reshape(x, shape=(6,)), with 6 its number of elements",
    "softmin": "softmax(-x)",
    "softshrink": "relu(x - 0.5) - relu(-x - 0.5)",
    "tanhshrink": "x - tanh(x)",
}  # fmt: skip
"""What is no op and made of ops: the expression, and after ", with" what stands in it."""

ATTRIBUTES = {
    "alpha": "slope", "negative_slope": "slope",
    "ord": "p", "order": "p",
    "axes": "axis", "dim": "axis", "dims": "axis",
    "axis": "axes", "perm": "axes",
    "ignore_class": "ignore_index",
    "chunks": "parts", "indices_or_sections": "parts", "num_or_size_splits": "parts", "sections": "parts",
    "keep_dims": "keepdims", "keepdim": "keepdims",
    "newshape": "shape", "size": "shape",
    "strides": "stride", "window_strides": "stride",
    "dilations": "dilation", "dilation_rate": "dilation", "rhs_dilation": "dilation", "dilate": "dilation",
    "feature_group_count": "groups", "num_group": "groups", "data_format": "layout",
    "kernel_size": "size", "pool_size": "size", "ksize": "size", "window_shape": "size", "output_size": "size",
    "count_include_pad": "count_padding", "adj": "output_padding",
    "upscale_factor": "factor", "scale_factor": "scale", "pad_width": "padding", "paddings": "padding",
    "constant_values": "value",
}  # fmt: skip
"""Attributes by the names that they have elsewhere."""

OTHERS = {"arcsin", "exp10", "logdet", "rrelu", "scatter", "sinc", "sparsemax", "svd"}
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
