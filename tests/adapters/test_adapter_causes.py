"""Every entry by op of the shipped ledgers against what its framework computes: it excuses that, and no more."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from client import ADAPTERS, Client, interpreter
from gradient_conformance.harness.ledger.causes import WrongCall
from gradient_conformance.harness.ledger.entries import Ledger
from gradient_conformance.harness.ledger.reading import load
from gradient_conformance.harness.truth.derivatives import tensors
from gradient_conformance.reference.contexts import EXACT
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.optimizers import OPTIMIZERS
from gradient_conformance.reference.rounding import expected, tolerance
from samples_convolution import SAMPLES as CONVOLUTION
from samples_functions import SAMPLES as FUNCTIONS
from samples_indexing import SAMPLES as INDEXING
from samples_linear_algebra import SAMPLES as LINEAR_ALGEBRA
from samples_normalization import SAMPLES as NORMALIZATION

pytestmark = pytest.mark.framework
RANDOM = np.random.default_rng(0)
BOTH = ("float32", "float64")
NONE = {"reduction": "none"}


@dataclass(frozen=True)
class Sample:
    """One op call of a framework, and which of its results are wrong for the reason that the entry gives."""

    framework: str
    op: str
    inputs: Mapping[str, Any]
    wrong: set[str]
    reason: str
    kw: Mapping[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = BOTH


def float32(a: Any) -> np.ndarray:
    """Numbers that both dtypes have, so that no error is that of an input."""
    return np.asarray(a, dtype=np.float32).astype(np.float64)


def spread(*shape: int, low: float = -3, high: float = 3) -> np.ndarray:
    return float32(RANDOM.uniform(low, high, shape))


def dominated(most: float) -> np.ndarray:
    """Logits whose first is far above the others: what is left of their softmax is small."""
    return float32(spread(200, 4) + np.array([most, 0, 0, 0]))


CONDITION = RANDOM.random((2, 1, 3)) < 0.5
P = spread(40, low=0.05, high=0.95)
AT_THE_ENDS = np.array([2.0**-20, 1 - 2.0**-20, 2.0**-16])
TARGETS = RANDOM.choice([0, 0.25, 1.0], 40)
DISTRIBUTION = float32(RANDOM.dirichlet(np.ones(4), 200))
LABELS = RANDOM.integers(0, 4, 200)
HALF = np.full((2, 2, 5), 0.5)
FAR = np.array([2e38, -3e38, 0.5])
OTHERS, PRODUCTS, ONE_DNN = "places of the other branch", "sums the wrong products", "approximate logarithm"
SHORT = {"x": float32([[6e-8, -4e-8, 2e-8], [1, 2, 3]]), "y": float32([[2, -1, 1], [3e-8, 1e-8, -2e-8]])}
SIGNS = np.array([1, -1, 1])
LOSSES = [
    *(
        Sample("mxnet", "bce", {"p": P, "t": TARGETS, "w": spread(40, low=0.25, high=2)}, {"out", "p", "t"}, "with weights too",
               {"reduction": r}, ("float64",))
        for r in ("none", "sum", "mean")
    ),
    Sample("mxnet", "bce_with_logits", {"z": spread(40), "t": np.ones(40), "w": np.ones(40), "pos_weight": spread(40, low=0.25, high=2)},
           {"pos_weight"}, ONE_DNN, NONE, ("float32",)),
    Sample("torch", "soft_margin", {"x": np.array([-100.0, 89, 1]), "y": SIGNS}, {"out", "x"}, "as it is written", NONE, ("float32",)),
    Sample("torch", "cosine_similarity", SHORT, {"x", "y"}, "without their gradient", {"axis": -1, "epsilon": 2.0**-23}),
    *(
        Sample("mxnet", "soft_margin", {"x": np.array([0, -0.0, 2]), "y": SIGNS}, {"x"}, "softrelu(-|x|)", {"reduction": r})
        for r in ("none", "sum", "mean")
    ),
    Sample("mxnet", "soft_margin", {"x": spread(500, low=5, high=20), "y": np.ones(500, dtype=np.int64)}, {"out"}, ONE_DNN, NONE,
           ("float32",)),
    *(
        Sample("mxnet", "cross_entropy", {"z": spread(4, 4), "target": np.arange(4), "w": spread(4, low=0.25, high=2)},
               {"w"}, ONE_DNN, {"axis": -1, "reduction": r}, ("float32",))
        for r in ("none", "sum")
    ),
    *(
        Sample("mxnet", "kl_div", {"x": spread(9, low=-3, high=0), "t": spread(9, low=low, high=high)}, wrong, "1e-12",
               {"reduction": r}, ("float64",))
        for r in ("none", "sum", "mean", "batchmean")
        for low, high, wrong in ((0.05, 0.95, {"out"}), (1e-11, 1e-9, {"out", "t"}))
    ),
    *(
        Sample(framework, op, {"p": FAR, "t": np.zeros(3)}, {"p", "t"}, "squares every error", NONE, ("float32",))
        for framework, op in (("mxnet", "huber"), ("mxnet", "smooth_l1"), ("tensorflow", "huber"))
    ),
    *(
        Sample("tensorflow", "cross_entropy", {"z": spread(2, 2, 5), "target": HALF}, {"out", "z"}, "last axis",
               {"axis": axis, "reduction": r, "label_smoothing": 0.25})
        for axis in (0, 1)
        for r in ("none", "sum", "mean")
    ),
]  # fmt: skip
SAMPLES = [
    Sample("mxnet", "where", {"condition": CONDITION, "x": spread(2, 4, 3), "y": -2.0}, {"x"}, OTHERS),
    Sample("mxnet", "where", {"condition": CONDITION, "x": 0.5, "y": spread(3)}, {"y"}, OTHERS),
    Sample("mxnet", "matmul", {"x": spread(2, 1, 2, 3), "y": spread(5, 3, 4)}, {"x"}, PRODUCTS),
    Sample("mxnet", "matmul", {"x": spread(2, 3, 2, 2, 3), "y": spread(2, 1, 2, 3, 4)}, {"y"}, PRODUCTS),
    *(
        Sample("mxnet", "leaky_relu", {"x": spread(50)}, {"out", "x"}, "in float32", {"slope": s}, ("float64",))
        for s in (0.3, 0.01, 1.7)
    ),
    Sample("mxnet", "leaky_relu", {"x": spread(50) + 1e-9}, {"out"}, "in float32", {"slope": 0.25}, ("float64",)),
    Sample("mxnet", "leaky_relu", {"x": spread(2, 9)}, {"x"}, "sign of its output", {"slope": -0.5}, ("float64",)),
    *(
        Sample("mxnet", "bce", {"p": P, "t": TARGETS}, {"out", "p", "t"}, "1e-12", {"reduction": r}, ("float64",))
        for r in ("none", "sum", "mean")
    ),
    Sample("mxnet", "bce", {"p": AT_THE_ENDS, "t": np.array([1.0, 0, 1])}, {"p"}, "1e-12", NONE),
    *(
        Sample("mxnet", "bce_with_logits", {"z": np.array([0, -0.0, 2, -1]), "t": np.array([0, 0.25, 1, 1])}, {"z"},
               "softrelu(-|z|)", {"reduction": r})
        for r in ("none", "sum", "mean")
    ),
    *(
        Sample("mxnet", "max", {"x": np.round(spread(4, 9, low=-1, high=1))}, {"x"}, "whole cotangent", kw)
        for kw in ({"axis": 1, "keepdims": False}, {"axis": 0, "keepdims": True}, {"axis": None, "keepdims": False})
    ),
    *(
        Sample("mxnet", "log_softmax", {"x": dominated(most)}, {"out", "x"}, ONE_DNN, {"axis": -1}, ("float32",))
        for most in (0, 8)
    ),
    *(
        Sample("mxnet", "cross_entropy", {"z": dominated(m), "target": target}, wrong, ONE_DNN,
               {"axis": -1, "reduction": r}, ("float32",))
        for m in (0, 8)
        for r in ("none", "sum", "mean")
        for target, wrong in ((LABELS, {"z"}), (DISTRIBUTION, {"z", "target"}))
    ),
    Sample("mxnet", "softplus", {"x": spread(500, low=-20, high=8)}, {"out"}, ONE_DNN, {}, ("float32",)),
    Sample("mxnet", "softplus", {"x": spread(50, low=15, high=30)}, {"out"}, "above 20", {}, ("float64",)),
    *(
        Sample("tensorflow", "leaky_relu", {"x": spread(50)}, {"out", "x"}, "slope in float32", {"slope": s}, ("float64",))
        for s in (0.3, 0.01, 1.7)
    ),
    *(
        Sample("jax", "bce", {"p": spread(200, low=0.3, high=0.414), "t": np.zeros(200)}, wrong, "log1p",
               {"reduction": r}, ("float64",))
        for r, wrong in (("none", {"out", "t"}), ("mean", {"t"}))
    ),
    *(Sample(**sample) for sample in FUNCTIONS),
    *(Sample(**sample) for sample in INDEXING),
    *(Sample(**sample) for sample in NORMALIZATION),
    *LOSSES,
    *(Sample(**sample) for sample in CONVOLUTION),
    *(Sample(**sample) for sample in LINEAR_ALGEBRA),
]  # fmt: skip


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[str, Client]]:
    """A worker of each framework with an entry."""
    names = dict.fromkeys(sample.framework for sample in SAMPLES)
    started = {name: Client(interpreter(name), ADAPTERS / name / "adapter.py") for name in names}
    yield started
    for client in started.values():
        client.close()


def shipped(framework: str) -> Ledger:
    """The framework's ledger."""
    return load(ADAPTERS / framework / "deviations.toml", framework)


def named(outputs: int) -> list[str]:
    """What a call of so many outputs gives."""
    return ["out"] if outputs == 1 else [f"out{i}" for i in range(outputs)]


def results(sample: Sample, g: np.ndarray) -> dict:
    """Every result of the call with its tolerance, by the row of the op; `g` is the last output's cotangent."""
    row = OPS[sample.op]
    kw = {**row.defaults, **sample.kw}
    inputs = tuple(sample.inputs.values())

    def compute(c: Any) -> dict[str, Any]:
        out = row.forward(c, *inputs, **kw)
        outs = tensors(out)
        gs = (*(np.zeros(np.shape(a)) for a in outs[:-1]), g)
        vjps = {
            name: row.vjp(c, i, out, inputs, gs if len(outs) > 1 else g, kw)
            for i, (name, a) in enumerate(sample.inputs.items())
            if isinstance(a, np.ndarray) and a.dtype.kind == "f"
        }
        return {**dict(zip(named(len(outs)), outs, strict=True)), **vjps}

    return expected(compute, sum(map(np.size, inputs)), 0)


def wrong_calls(client: Client, sample: Sample, dtype: str) -> dict[str, WrongCall]:
    """What the framework gives wrongly in the one call, by the result's name."""
    kw = {**OPS[sample.op].defaults, **sample.kw}
    arrays = {
        n: a.astype(dtype) if a.dtype.kind == "f" else a
        for n, a in sample.inputs.items()
        if isinstance(a, np.ndarray)
    }
    args = [n if n in arrays else a for n, a in sample.inputs.items()]
    floats = [n for n, a in arrays.items() if a.dtype.kind == "f"]
    with np.errstate(all="ignore"):
        outs = tensors(OPS[sample.op].forward(EXACT, *sample.inputs.values(), **kw))
    g, names = (
        np.random.default_rng(1).uniform(0.5, 2, np.shape(outs[-1])).astype(np.float32),
        named(len(outs)),
    )
    reply = client.run(
        [{"out": names, "op": sample.op, "args": args, "kw": kw}], arrays, values=names, gradients=floats,
        mode=client.mode, cotangent=g.astype(dtype), outputs=names[-1:], dtype=dtype,
    )  # fmt: skip
    assert reply["type"] == "done", reply
    found = {}
    for result, due in results(sample, g.astype(np.float64)).items():
        name, role = ("out", "value") if result in names else (result, "gradient")
        got, allowed = reply["arrays"][role, result].astype(np.float64), tolerance(due.sigma, dtype)
        wrong = ~(np.abs(got - due.value) <= allowed)
        if wrong.any():
            found[name] = WrongCall(
                op=sample.op, phase="forward" if name == "out" else "vjp", towards="" if name == "out" else name,
                dtype=dtype, mode=client.mode, names={**sample.inputs, **kw}, g=None if name == "out" else g.astype(np.float64),
                got=got, want=due.value, tolerance=allowed, wrong=wrong,
                relative=float(np.max(np.abs(got - due.value)) / np.max(np.abs(due.value))),
            )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("sample", "dtype"),
    [(sample, dtype) for sample in SAMPLES for dtype in sample.dtypes],
    ids=lambda value: value if isinstance(value, str) else f"{value.framework}-{value.op}-{value.kw}",
)
def test_an_entry_excuses_what_the_framework_computes_and_no_more(clients, sample, dtype):
    """Also in a confident classifier, at the ends of probabilities, with a reduction; and an error more is told."""
    client, ledger = clients[sample.framework], shipped(sample.framework)
    version = client.ready["about"]["version"]
    found = wrong_calls(client, sample, dtype)
    assert set(found) >= sample.wrong
    for call in found.values():
        cause, near = ledger.cause_of(call, version)
        assert cause is not None, near
        assert sample.reason in cause.reason
        assert ledger.speaks_of(call, version)
        worse = np.where(call.wrong, np.where(np.isfinite(call.got), 3 * call.got + 1, 1), call.got)
        assert ledger.cause_of(replace(call, got=worse, relative=2.0), version)[0] is None


@pytest.mark.parametrize("framework", sorted(path.parent.name for path in ADAPTERS.glob("*/deviations.toml")))
def test_every_entry_by_op_is_held_to_its_bounds(framework):
    """None is there without a sample."""
    own = [sample for sample in SAMPLES if sample.framework == framework]
    updates = OPTIMIZERS.keys()  # held to theirs by the next test
    for cause in shipped(framework).causes:
        assert set(cause.ops) <= updates or any(
            sample.op in cause.ops and sample.reason in cause.reason for sample in own
        ), cause.place


def test_the_learning_rate_that_mxnet_rounds_is_excused_and_no_other(clients):
    """Of an optimizer's step an entry knows the parameter before it, the gradient and the options."""
    lr, before, gradient = 0.1, np.array([1.0, -2.0]), np.array([2.0, -4.0])
    reply = clients["mxnet"].run(
        [{"out": ["l"], "op": "sum_squares", "args": ["w"], "kw": {}}], {"w": before}, gradients=["w"],
        training={"optimizer": {"sgd": {"lr": lr}}, "parameters": ["w"], "steps": 1},
        mode="imperative", dtype="float64",
    )  # fmt: skip
    got, want = reply["arrays"]["parameter", "w", 0], before - lr * gradient
    call = WrongCall(
        op="sgd", phase="update", towards="", dtype="float64", mode="imperative",
        names={"parameter": before, "gradient": gradient, "lr": lr}, g=None, got=got, want=want,
        tolerance=np.full(2, 1e-15), wrong=np.abs(got - want) > 1e-15,
        relative=float(np.max(np.abs(got - want)) / 2),
    )  # fmt: skip
    assert call.wrong.all()
    version = clients["mxnet"].ready["about"]["version"]
    assert shipped("mxnet").cause_of(call, version)[0] is not None
    assert shipped("mxnet").cause_of(replace(call, got=want + 1e-9), version)[0] is None
