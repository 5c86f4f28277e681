"""The programs of ONNX's node cases on a framework, at their inputs: an adapter says what others write down as the op's meaning.

Each value is within its tolerance of the reference, which `test_onnx.py` holds to what ONNX expects. Torch alone: it has the most ops.
"""

from collections.abc import Iterator

import numpy as np
import onnx_cases
import pytest
from client import ADAPTERS, Client, interpreter, node
from gradient_conformance.harness.ledger import reading
from gradient_conformance.harness.own.onnx.ops import OPS as SAID
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.ops import OPS
from gradient_conformance.reference.program import Program
from onnx_cases import Said
from outside import beyond, reference

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def torch() -> Iterator[Client]:
    client = Client(interpreter("torch"), ADAPTERS / "torch" / "adapter.py")
    assert client.ready["type"] == "ready", client.ready["error"]
    yield client
    assert client.close(told=True) == 0, client.logged()


@pytest.fixture(scope="module")
def cases() -> dict[str, list[Said]]:
    """By operator its cases without gradients, in a dtype of cells, with a value that is a float."""
    found: dict[str, list[Said]] = {operator: [] for operator in SAID}
    for name, case in onnx_cases.every():
        if (
            isinstance(case, Said)
            and not case.cotangents
            and {a.dtype.name for a in case.inputs.values()} - {"float16"}
        ):
            found[onnx_cases.models()[name][0].graph.node[0].op_type].append(case)
    return found


def asked(program: Program) -> list[dict[str, object]]:
    return [node(" ".join(n.outs), n.op, *n.args, **OPS[n.op].defaults | n.kw) for n in program.nodes]


def has_ties(case: Said) -> bool:
    """Of equal elements ONNX prescribes that the first comes first; with torch it may be any: their places are left out."""
    return "topk" in case.text and len(np.unique(case.inputs["x0"])) < case.inputs["x0"].size


def wrong(client: Client, case: Said) -> list[str]:
    """What of the framework's values is not the reference's."""
    program = parse(case.text)
    floats = {a.dtype for a in case.inputs.values() if a.dtype.kind == "f"}
    dtype = "float64" if floats == {np.dtype("float64")} else "float32"
    inputs = {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in case.inputs.items()}
    values = [name for _, name in case.expected if not (name == "y1" and has_ties(case))]
    reply = client.run(asked(program), inputs, values=values, dtype=dtype, outputs=values[:1])
    if reply["type"] == "unsupported":
        return []
    assert reply["type"] == "done", (case.text, reply)
    ours = reference(program, case.inputs, list(case.expected), {}, dtype)
    return [
        f"{case.text}: {miss}"
        for key, a in reply["arrays"].items()
        for miss in beyond(" ".join(key), a, ours[key])
    ]


def test_torch_says_what_onnx_means(torch: Client, cases: dict[str, list[Said]]) -> None:
    known = {
        op
        for cause in reading.load(ADAPTERS / "torch" / "deviations.toml", "torch").causes
        for op in cause.ops
    }
    held, told = 0, []
    for case in (case for of_operator in cases.values() for case in of_operator):
        found = wrong(torch, case)
        if not (found and known & {n.op for n in parse(case.text).nodes}):
            told += found
            held += 1
    print(f"{held} cases")
    assert held > 500
    assert not told, "\n".join(told)
