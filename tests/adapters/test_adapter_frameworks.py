"""Each adapter says each op as its definition does: values, vjps, dtypes and shapes of the truth's samples.

A smoke test of the adapters' semantics: a wrong axis, factor, reduction or transposition shows, which is off by far
more than 1e-4. How closely a framework agrees is the matrix's business.
"""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, node
from gradient_conformance.harness.ledger import reading
from gradient_conformance.harness.truth.derivatives import contract, numerical_jacobian, tensors
from gradient_conformance.harness.truth.ops import TRUTH
from gradient_conformance.harness.truth.rows import cotangents, float_inputs
from gradient_conformance.reference.ops import OPS

pytestmark = pytest.mark.framework

CLOSE = 1e-4
"""Of a tensor's largest element, or of 1."""
ALL = {"axis": None, "keepdims": False}
RANDOM = np.random.default_rng(20)
PLAIN = [(op, n) for op, truth in TRUTH.items() for n, s in enumerate(truth.samples) if s.plain]


def form(op: str, number: int) -> tuple[Any, ...]:
    """Which inputs of a sample are tensors, scalars and numbers, and which attributes are given."""
    sample = TRUTH[op].samples[number]
    kinds = (
        ("tensor" if x.ndim else "scalar") if isinstance(x, np.ndarray) else "number" for x in sample.inputs
    )
    return op, *kinds, *sample.kw


def said(op: str, number: int) -> tuple[Any, ...]:
    """The same, and what the attributes are: other shapes are the business of the cases."""
    return *form(op, number), *map(repr, TRUTH[op].samples[number].kw.values())


NARROW = {form(op, n): (op, n) for op, n in PLAIN}
"""One sample of each form: what may come back wider, or as another number, is a promotion of dtypes."""
WIDE = {said(op, n): (op, n) for op, n in PLAIN}
SAMPLES = [(*sample, "float64") for sample in WIDE.values()] + [
    (*sample, "float32") for sample in NARROW.values()
]


def u(*shape: int) -> np.ndarray:
    return np.asarray(RANDOM.uniform(-1, 1, shape))


def name_of(framework: Client) -> str:
    return str(framework.ready["about"]["framework"])


def differentiated(op: str, outputs: int) -> int | None:
    """The number of the last output that is a float."""
    return next((n for n in reversed(range(outputs)) if OPS[op].given(outputs)[n] == "float"), None)


@functools.cache
def truth(op: str, number: int) -> tuple[list[np.ndarray], np.ndarray, Mapping[str, np.ndarray]]:
    """The outputs of a sample, a cotangent of the last float, and the gradients of its float inputs by their names."""
    definition, sample = TRUTH[op], TRUTH[op].samples[number]
    outs = tensors(definition.forward(*sample.inputs, **sample.kw))
    last = differentiated(op, len(outs))
    g = tensors(cotangents(outs))[last or 0] if outs[last or 0].ndim else np.ones(())
    upstream = [g if n == last else np.zeros(out.shape) for n, out in enumerate(outs)]
    vjps = {}
    for i in float_inputs(sample.inputs) if last is not None else ():
        jacobian = numerical_jacobian(definition.near(sample.inputs), sample.inputs, sample.kw, i)
        vjps[f"x{i}"] = contract(jacobian, upstream).astype(np.float64)
    return [out.astype(np.float64) for out in outs], g, vjps


@functools.cache
def known_wrong(framework: str, phase: str) -> frozenset[str]:
    """The ops whose values, or gradients, the framework's ledger knows to be wrong."""
    ledger = reading.load(ADAPTERS / framework / "deviations.toml", framework)
    return frozenset(op for cause in ledger.causes if phase in cause.phases for op in cause.ops)


@pytest.mark.parametrize(("op", "number", "dtype"), SAMPLES)
def test_an_op_means_what_its_definition_says(framework: Client, op: str, number: int, dtype: str) -> None:
    sample, (outs, g, vjps) = TRUTH[op].samples[number], truth(op, number)
    names = [f"y{i}" for i in range(len(outs))]
    given = {f"x{i}": x for i, x in enumerate(sample.inputs) if isinstance(x, np.ndarray)}
    args = [f"x{i}" if f"x{i}" in given else x for i, x in enumerate(sample.inputs)]
    program = [node(" ".join(names), op, *args, **TRUTH[op].defaults | sample.kw)]
    inputs = {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in given.items()}
    cotangent = g.astype(dtype) if g.ndim else None
    wanted = {"values": names, "gradients": list(vjps), "cotangent": cotangent, "dtype": dtype}
    output = names[differentiated(op, len(outs)) or 0]
    reply = framework.run(program, inputs, **wanted, outputs=[output])
    if reply["type"] == "unsupported":
        pytest.skip(reply["reason"])
    assert reply["type"] == "done", reply
    given_as = [dtype if kind == "float" else kind for kind in OPS[op].given(len(outs))]
    values = zip(names, outs, given_as, strict=True)
    gradients = ((name, vjp, dtype) for name, vjp in vjps.items())
    for role, phase, due in (("value", "forward", values), ("gradient", "vjp", gradients)):
        try:
            for name, wanted, kind in due:
                check(reply["arrays"][role, name], wanted, kind)
        except AssertionError:
            if op not in known_wrong(name_of(framework), phase):
                raise
            pytest.xfail(f"adapters/{name_of(framework)}/deviations.toml knows of a wrong {role} of {op}")


def check(found: np.ndarray, wanted: np.ndarray, dtype: str) -> None:
    assert (found.dtype, found.shape) == (dtype, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=CLOSE * np.max(np.abs(wanted), initial=1))


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
    arrays = framework.run(TWO_BRANCHES, inputs, values=["s", "x"], **names)["arrays"]
    s = 1 / (1 + np.exp(-inputs["A"] @ inputs["x"])) + inputs["B"] @ inputs["x"]
    np.testing.assert_allclose(arrays["value", "s"], s)
    np.testing.assert_allclose(arrays["gradient", "u"], 2 * s)
    np.testing.assert_allclose(arrays["gradient", "s"], 2 * s)
    assert arrays["gradient", "loss"] == 1


def test_a_probe_leaves_the_sign_of_a_zero(framework: Client) -> None:
    program = [node("y", "mul", "x", 2), node("z", "div", 1, "y"), node("w", "mul", "z", "x")]
    reply = framework.run(
        program,
        {"x": np.array([-0.0])},
        values=["z"],
        gradients=["y"],
        probes={"y": [1]},
        mode=framework.mode,
    )
    assert reply["arrays"]["value", "z"] == -np.inf


def test_a_gradient_without_a_path_is_zeros(framework: Client) -> None:
    program = [node("y", "exp", "x"), node("loss", "sum", "a", **ALL)]
    reply = framework.run(program, {"a": u(3), "x": u(2, 2)}, gradients=["x"])
    assert reply["type"] == "done", reply
    np.testing.assert_array_equal(reply["arrays"]["gradient", "x"], np.zeros((2, 2)), strict=True)


def test_several_outputs_are_differentiated_together_each_with_its_cotangent(framework: Client) -> None:
    program = [node("y", "mul", "x", 3), node("s", "sum", "y", **ALL), node("z", "neg", "w")]
    g = {"y": u(2), "s": np.float64(0.5), "z": u(1)}
    inputs = {"x": u(2), "w": u(1)}
    asked = {"outputs": ["y", "s", "z"], "cotangent": g, "probes": {"y": [2]}}
    found = framework.run(program, inputs, gradients=["x", "y"], **asked)["arrays"]
    np.testing.assert_allclose(found["gradient", "y"], g["y"] + 0.5)
    np.testing.assert_allclose(found["gradient", "x"], 3 * (g["y"] + 0.5))


def test_nothing_to_differentiate_is_a_forward_pass(framework: Client) -> None:
    reply = framework.run([node("y", "exp", "x")], {"x": u(3)}, cotangent=u(3))
    assert reply["type"] == "done", reply
    assert list(reply["arrays"]) == [("value", "y")]


def test_an_adapters_own_lines_are_in_a_traceback(framework: Client) -> None:
    reply = framework.run([node("y", "matmul", "a", "b")], {"a": u(2, 3), "b": u(2, 3)})
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
