"""Each adapter says each op as the table of ops does: values, gradients by differences, dtypes and shapes.

A smoke test of the adapters' semantics in float64. How closely a framework agrees is the matrix's business;
here a wrong axis, factor, reduction or transposition shows, which is off by far more than 1e-4.
"""

import ast
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node

pytestmark = pytest.mark.framework

ALL = {"axis": None, "keepdims": False}
RANDOM = np.random.default_rng(20)


@dataclass
class Sample:
    """A program, its inputs, and the same as a NumPy function of the inputs."""

    name: str
    program: list[dict[str, Any]]
    inputs: dict[str, np.ndarray]
    forward: Callable[..., Any]


def u(*shape: int) -> np.ndarray:
    return np.asarray(RANDOM.uniform(-1, 1, shape))


def p(*shape: int) -> np.ndarray:
    """Positive, inside (0, 1): arguments of log and pow, probabilities."""
    return np.asarray(RANDOM.uniform(0.2, 0.8, shape))


def one(op: str, forward: Callable[..., Any], *args: Any, tag: str = "", **kw: Any) -> Sample:
    """A program of one op; arrays are inputs a, b, c, ..., numbers stay numbers."""
    names = ["abcdef"[i] if isinstance(arg, np.ndarray) else arg for i, arg in enumerate(args)]
    inputs = {name: arg for name, arg in zip(names, args, strict=True) if isinstance(arg, np.ndarray)}
    fixed = dict(enumerate(args))

    def of_inputs(**given: np.ndarray) -> Any:
        return forward(*(given.get(str(name), fixed[i]) for i, name in enumerate(names)))

    return Sample("-".join(filter(None, (op, tag))), [node("y", op, *names, **kw)], inputs, of_inputs)


def lse(x: np.ndarray, axis: Any = -1, keepdims: bool = False) -> np.ndarray:
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def log_softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return x - lse(x, axis, True)


def cross_entropy(z: np.ndarray, t: np.ndarray, axis: int) -> np.ndarray:
    if t.dtype == np.int64:
        return -np.take_along_axis(log_softmax(z, axis), np.expand_dims(t, axis), axis).squeeze(axis)
    return -np.sum(t * log_softmax(z, axis), axis=axis)


def bce(q: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -(t * np.log(q) + (1 - t) * np.log(1 - q))


REDUCE: dict[str, Callable[..., Any]] = {"mean": np.mean, "sum": np.sum, "none": lambda x: x}


def unary() -> list[Sample]:
    table: dict[str, Callable[..., Any]] = {
        "neg": np.negative,
        "exp": np.exp,
        "square": np.square,
        "abs": np.abs,
        "sin": np.sin,
        "cos": np.cos,
        "tanh": np.tanh,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "relu": lambda x: np.maximum(x, 0),
        "softplus": lambda x: np.log1p(np.exp(x)),
        "sum_squares": lambda x: np.sum(x * x),
    }
    samples = [one(op, f, u(2, 3)) for op, f in table.items()] + [
        one(op, f, u(), tag="0d") for op, f in table.items()
    ]
    return [*samples, one("log", np.log, p(2, 3)), one("sqrt", np.sqrt, p(2, 3))]


def binary() -> list[Sample]:
    table: dict[str, Callable[..., Any]] = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "pow": np.power,
        "maximum": np.maximum,
    }
    samples = [one(op, f, p(2, 3), p(3)) for op, f in table.items()]
    samples += [one(op, f, p(2, 3), 0.55, tag="number") for op, f in table.items()]
    samples += [one(op, f, 0.55, p(2, 3), tag="of number") for op, f in table.items() if op != "pow"]
    samples += [
        one("pow", np.power, u(2, 3), 2, tag="integer"),
        one("pow", np.power, u(2, 3), -1, tag="inverse"),
    ]
    slope = one("leaky_relu", lambda x: np.where(x > 0, x, 0.25 * x), u(2, 3), slope=0.25)
    c = np.array([[True, False, True], [False, False, True]])
    wheres = [
        one("where", np.where, c, *xy, tag=tag)
        for tag, xy in [("", (u(2, 3), u(3))), ("number", (u(2, 3), 0.1))]
    ]
    return [*samples, slope, *wheres, one("where", np.where, c, 0.1, u(2, 3), tag="of number")]


def shapes() -> list[Sample]:
    x = u(2, 3, 4)
    pairs = {"mm": (u(2, 3), u(3, 4)), "mv": (u(2, 3), u(3)), "vm": (u(2), u(2, 3)), "vv": (u(3), u(3))}
    pairs |= {
        "batch": (u(5, 2, 3), u(5, 3, 2)),
        "broadcast": (u(5, 2, 3), u(3, 2)),
        "batch-v": (u(5, 2, 3), u(3)),
    }
    pairs |= {"v-batch": (u(2), u(5, 2, 3)), "broadcast-2": (u(5, 1, 2, 3), u(4, 3, 2))}
    samples = [one("matmul", np.matmul, *pair, tag=tag) for tag, pair in pairs.items()]
    samples += [one("transpose", lambda a: a.T, x, axes=None)]
    samples += [one("transpose", lambda a: a.transpose(1, 2, 0), x, axes=[1, 2, 0], tag="axes")]
    samples += [one("reshape", lambda a: a.reshape(4, 6), x, shape=[4, 6])]
    samples += [one("reshape", lambda a: a.reshape(()), u(1, 1), shape=[], tag="0d")]
    indices: dict[str, tuple[list[Any], Any]] = {
        "row": ([1], np.s_[1]),
        "element": ([1, 2, -1], np.s_[1, 2, -1]),
        "slices": ([[None, None, None], [1, None, None], [None, None, 2]], np.s_[:, 1:, ::2]),
        "mixed": (["...", None, -1], np.s_[..., None, -1]),
        "reversed": ([[None, None, -1]], np.s_[::-1]),
    }
    samples += [one("index", lambda a, i=i: a[i], x, index=j, tag=tag) for tag, (j, i) in indices.items()]
    samples += [one("concat", lambda *a: np.concatenate(a, 1), u(2, 1), u(2, 3), u(2, 2), axis=1)]
    return [*samples, split()]


def split() -> Sample:
    program = [node("p q", "split", "a", parts=2, axis=-1), node("y", "sub", "p", "q")]
    return Sample("split", program, {"a": u(3, 4)}, lambda a: a[:, :2] - a[:, 2:])


def reductions() -> list[Sample]:
    def norm(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))

    table = {"sum": np.sum, "mean": np.mean, "max": np.max, "logsumexp": lse, "norm": norm}
    samples = []
    for op, f in table.items():
        for axis in (None, 1, -1, [0, 2], [1]):
            for keepdims in (False, True):
                np_axis = tuple(axis) if isinstance(axis, list) else axis
                call = lambda a, f=f, n=np_axis, k=keepdims: f(a, axis=n, keepdims=k)
                tag = f"{axis}{'-keepdims' if keepdims else ''}"
                samples.append(one(op, call, u(2, 3, 2), axis=axis, keepdims=keepdims, tag=tag))
    for axis in (-1, 0):
        samples.append(
            one("log_softmax", lambda a, n=axis: log_softmax(a, n), u(3, 4), axis=axis, tag=f"{axis}")
        )
        call = lambda a, n=axis: np.exp(log_softmax(a, n))
        samples.append(one("softmax", call, u(3, 4), axis=axis, tag=f"{axis}"))
    return samples


def layers() -> list[Sample]:
    samples = []
    for tag, x in {"vector": u(3), "batch": u(5, 3), "batches": u(2, 5, 3)}.items():
        for bias, b in {"": (), "bias": (u(4),), "row bias": (u(1, 4),)}.items():
            name = " ".join(filter(None, (tag, bias)))
            out_in = lambda x, W, b=0.0: x @ W.T + b
            in_out = lambda x, W, b=0.0: x @ W + b
            samples.append(one("linear", out_in, x, u(4, 3), *b, weights="out_in", tag=name))
            samples.append(one("linear", in_out, x, u(3, 4), *b, weights="in_out", tag=f"{name} in_out"))
    return samples


def losses() -> list[Sample]:
    samples = []
    with_logits = lambda z, t: np.log1p(np.exp(z)) - t * z
    for reduction, r in REDUCE.items():
        for shape in ((2, 3), (4,), ()):
            tag = f"{reduction}-{len(shape)}d"
            for op, f in {
                "mse": lambda a, b: (a - b) ** 2,
                "bce": bce,
                "bce_with_logits": with_logits,
            }.items():
                call = lambda a, b, f=f, r=r: r(f(a, b))
                samples.append(one(op, call, p(*shape), p(*shape), reduction=reduction, tag=tag))
        for shape, axis in (((4, 3), -1), ((4, 3), 0), ((2, 3, 4), 1), ((3,), -1), ((3, 2, 4), 0)):
            rest = [n for i, n in enumerate(shape) if i != axis % len(shape)]
            labels = np.asarray(RANDOM.integers(0, shape[axis], rest))
            spread = np.exp(log_softmax(u(*shape), axis))
            for kind, target in {"labels": labels, "distribution": spread}.items():
                call = lambda z, t, r=r, n=axis: r(cross_entropy(z, t, n))
                tag = f"{kind}-{reduction}-{len(shape)}d-{axis}"
                samples.append(
                    one("cross_entropy", call, u(*shape), target, axis=axis, reduction=reduction, tag=tag)
                )
    return samples


SAMPLES = [*unary(), *binary(), *shapes(), *reductions(), *layers(), *losses()]
# What an adapter declares that it cannot say: everything else has to work.
UNSUPPORTED = {("torch", "index-reversed"): "torch slices have no negative step"}
# What a framework has wrong in the pinned version, each shown by the smallest program that has it.
WRONG = {
    ("mxnet", "leaky_relu"): "multiplies in float32 whatever the dtype",
    (
        "mxnet",
        "where-number",
    ): "gradient goes to the number's places: apache/mxnet#17893, not mended in 1.9.1",
    ("mxnet", "where-of number"): "the same",
    ("mxnet", "matmul-broadcast-2"): "gradient of an inner batch axis of 1 that is broadcast",
}


def name_of(framework: Client) -> str:
    return str(framework.ready["about"]["framework"])


def mode(framework: Client) -> str:
    return {"jax": "jit", "mxnet": "imperative"}.get(name_of(framework), "eager")


def differences(
    forward: Callable[..., Any], inputs: dict[str, np.ndarray], name: str, cotangent: Any
) -> np.ndarray:
    h, gradient = 1e-6, np.zeros_like(inputs[name])
    for at in np.ndindex(gradient.shape):
        ends = []
        for way in (h, -h):
            moved = inputs[name].copy()
            moved[at] += way
            ends.append(np.sum(forward(**{**inputs, name: moved}) * cotangent))
        gradient[at] = (ends[0] - ends[1]) / (2 * h)
    return gradient


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_an_op_means_what_the_table_says(framework: Client, sample: Sample) -> None:
    expected = np.asarray(sample.forward(**sample.inputs))
    cotangent = None if expected.shape == () else u(*expected.shape)
    floats = [name for name, a in sample.inputs.items() if a.dtype.kind == "f"]
    request = {"gradients": floats, "mode": mode(framework), "cotangent": cotangent}
    reply = framework.run(sample.program, sample.inputs, **request)
    if reason := UNSUPPORTED.get((name_of(framework), sample.name)):
        assert (reply["type"], reply["reason"]) == ("unsupported", reason)
        return
    assert reply["type"] == "done", reply
    wrong = (name_of(framework), sample.name) in WRONG
    with pytest.raises(AssertionError) if wrong else nullcontext():
        check_value(expected, reply["arrays"]["value", "y"])
        for name in floats:
            check_gradient(sample, name, cotangent, reply["arrays"]["gradient", name])


def check_value(expected: np.ndarray, found: np.ndarray) -> None:
    assert (found.dtype, found.shape) == (np.float64, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


def check_gradient(sample: Sample, name: str, cotangent: Any, found: np.ndarray) -> None:
    wanted = differences(sample.forward, sample.inputs, name, 1 if cotangent is None else cotangent)
    assert (found.dtype, found.shape) == (np.float64, wanted.shape)
    np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_float32_stays_float32(framework: Client, sample: Sample) -> None:
    inputs = {k: a.astype("float32") if a.dtype.kind == "f" else a for k, a in sample.inputs.items()}
    expected = np.asarray(sample.forward(**sample.inputs))
    cotangent = None if expected.shape == () else np.ones(expected.shape, "float32")
    floats = [name for name, a in inputs.items() if a.dtype.kind == "f"]
    reply = framework.run(
        sample.program, inputs, gradients=floats, mode=mode(framework), cotangent=cotangent, dtype="float32"
    )
    if (name_of(framework), sample.name) not in UNSUPPORTED:
        assert reply["type"] == "done", reply
        assert {a.dtype.name for a in reply["arrays"].values()} == {"float32"}
        np.testing.assert_allclose(reply["arrays"]["value", "y"], expected, rtol=1e-5, atol=1e-5)


def test_every_op_is_sampled_and_the_adapters_have_the_same_ops(framework: Client) -> None:
    tree = ast.parse((ADAPTERS / name_of(framework) / "adapter.py").read_text())
    [table] = [
        n.value
        for n in tree.body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and n.target.id == "OPS"
    ]
    assert isinstance(table, ast.Dict)
    keys = [ast.literal_eval(key) for key in table.keys if key is not None]
    assert sorted(keys) == sorted({sample.program[0]["op"] for sample in SAMPLES})


TWO_BRANCHES = [
    node("y", "matmul", "A", "x"),
    node("u", "sigmoid", "y"),
    node("v", "matmul", "B", "x"),
    node("s", "add", "u", "v"),
    node("loss", "sum_squares", "s"),
]


def branches() -> dict[str, np.ndarray]:
    return {"A": u(3, 3), "B": u(3, 3), "x": u(3)}


def test_a_probe_answers_with_its_nodes_cotangent(framework: Client) -> None:
    inputs = branches()
    names = {"gradients": ["u", "s", "loss", "A"], "probes": {"u": [3], "s": [3], "loss": []}}
    arrays = framework.run(TWO_BRANCHES, inputs, values=["s", "x"], mode=mode(framework), **names)["arrays"]
    s = 1 / (1 + np.exp(-inputs["A"] @ inputs["x"])) + inputs["B"] @ inputs["x"]
    np.testing.assert_allclose(arrays["value", "s"], s)
    np.testing.assert_allclose(arrays["gradient", "u"], 2 * s)
    np.testing.assert_allclose(arrays["gradient", "s"], 2 * s)
    assert arrays["gradient", "loss"] == 1


def test_a_gradient_without_a_path_is_zeros(framework: Client) -> None:
    program = [node("y", "exp", "x"), node("loss", "sum", "a", **ALL)]
    reply = framework.run(program, {"a": u(3), "x": u(2, 2)}, gradients=["x"], mode=mode(framework))
    assert reply["type"] == "done", reply
    np.testing.assert_array_equal(reply["arrays"]["gradient", "x"], np.zeros((2, 2)), strict=True)


def test_nothing_to_differentiate_is_a_forward_pass(framework: Client) -> None:
    reply = framework.run([node("y", "exp", "x")], {"x": u(3)}, mode=mode(framework), cotangent=u(3))
    assert reply["type"] == "done", reply
    assert list(reply["arrays"]) == [("value", "y")]


def test_an_adapters_own_lines_are_in_a_traceback(framework: Client) -> None:
    reply = framework.run([node("y", "matmul", "a", "b")], {"a": u(2, 3), "b": u(2, 3)}, mode=mode(framework))
    assert reply["type"] == "raised"
    assert "env = task.walk(" in reply["error"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sgd_walks_its_steps_at_native_parameters(framework: Client, dtype: str) -> None:
    lr, steps = 0.125, 3
    W, b, x = u(2, 3).astype(dtype), np.asarray(0.5, dtype), u(steps, 4, 3).astype(dtype)
    program = [node("z", "linear", "x", "W", weights="out_in"), node("y", "add", "z", "b")]
    program += [node("loss", "sum_squares", "y")]
    training = {"optimizer": {"sgd": {"lr": lr}}, "parameters": ["W", "b"], "steps": steps}
    request = {
        "training": training,
        "each": ["x"],
        "gradients": ["W"],
        "mode": mode(framework),
        "dtype": dtype,
    }
    reply = framework.run(program, {"W": W, "b": b, "x": x}, **request)
    assert reply["type"] == "done", reply
    close = {"rtol": 1e-9 if dtype == "float64" else 1e-4, "strict": True}
    for step in range(steps):
        at = lambda role, name, step=step: reply["arrays"][role, name, step]
        y = x[step] @ W.T + b
        np.testing.assert_allclose(at("value", "loss"), np.asarray(np.sum(y * y)), **close)
        np.testing.assert_allclose(at("gradient", "W"), 2 * y.T @ x[step], **close)
        W, b = W - np.asarray(lr, dtype) * at("gradient", "W"), b - np.asarray(lr, dtype) * np.sum(2 * y)
        np.testing.assert_allclose(at("parameter", "W"), W, **close)
        np.testing.assert_allclose(at("parameter", "b"), np.asarray(b, dtype), **close)


def test_jax_op_by_op_agrees_with_its_jit(framework: Client) -> None:
    if name_of(framework) != "jax":
        pytest.skip("one mode only")
    inputs, found = branches(), {}
    for how in ("jit", "eager"):
        found[how] = framework.run(TWO_BRANCHES, inputs, gradients=["A", "x"], mode=how)["arrays"]
    for key, array in found["jit"].items():
        np.testing.assert_allclose(found["eager"][key], array, rtol=1e-12)
