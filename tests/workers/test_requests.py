"""What a worker is sent: literals in the cell's dtype, nothing else of the case changed."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.case.document import MAX_STEPS
from gradient_conformance.harness.case.limits import MAX_TRACED
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.workers import requests
from gradient_conformance.harness.workers.answer import read_answer
from gradient_conformance.harness.workers.asked import DESCRIPTION, Asked
from gradient_conformance.harness.workers.wire import MAGIC, PREFIX, frame, read_frame

TEXT = """
title = "A layer that is trained"
source = "A test of the harness"
program = "loss = sum(leaky_relu({k} * W + 0.1, slope=0.7))"
gradients = ["W"]

[tensors]
W = { shape = [2], uniform = [-1, 1] }

[sweep]
k = [0.3]

[training]
optimizer = { sgd = { lr = 0.9 } }
parameters = ["W"]
steps = 2
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_literals_go_out_in_the_cells_dtype(case, dtype):
    [variant] = case(text=TEXT).variants
    wanted = VariantReference(variant)
    cell = Cell(variant, dtype, Framework("mine", Path("adapter.py"), ("eager",)), "eager")
    for message in (
        requests.whole(cell, wanted, {}),
        requests.trace(cell, wanted),
    ):
        sent = json.loads(message[2])
        numbers = [
            *(arg for node in sent["program"] for arg in node["args"] if isinstance(arg, float)),
            *(node["kw"]["slope"] for node in sent["program"] if node["kw"].get("slope")),
            sent["training"]["optimizer"]["sgd"]["lr"],
        ]
        assert numbers == [float(np.dtype(dtype).type(number)) for number in (0.3, 0.1, 0.7, 0.9)]
    assert json.loads(bytes(message[0]["bindings"])) == {"k": 0.3}


CONSTANT = """
title = "A layer with a mask"
program = "y = W * x * mask"
[tensors]
W = { shape = [2], uniform = [-1, 1] }
x = { shape = [2], uniform = [-1, 1] }
[constants]
mask = { values = [0, 1] }
"""


def test_own_code_is_given_no_constants_and_nobody_is_asked_for_their_gradients(case):
    [variant] = case(text=CONSTANT).variants
    wanted, known = VariantReference(variant), {}
    theirs = Framework("torch", Path("adapter.py"), ("eager",))
    mine = Framework("mine", Path("adapter.py"), ("eager",), subject=Path("mine.py"))
    for framework, inputs in ((theirs, {"W", "x", "mask"}), (mine, {"W", "x"})):
        cell = Cell(variant, "float32", framework, "eager")
        for _, sent, line, asked in (requests.whole(cell, wanted, known), requests.trace(cell, wanted)):
            assert {s.name for s in sent if s.role == "input"} == inputs
            assert {told["name"] for told in json.loads(line)["arrays"]} == {*inputs, "y"}
            assert ("gradient", "mask") not in asked.shapes
            assert ("gradient", "W") in asked.shapes


def test_a_message_knows_what_its_answer_may_hold(case):
    """In a training every tensor of every step, and no other; a trace asks for more of them."""
    [variant] = case(text=TEXT).variants
    cell = Cell(variant, "float32", Framework("mine", Path("adapter.py"), ("eager",)), "eager")
    wanted = VariantReference(variant)
    *_, asked = requests.whole(cell, wanted, {})
    whole = [("value", "loss"), ("gradient", "W"), ("parameter", "W")]
    assert asked.shapes == {("value", "loss"): (), ("gradient", "W"): (2,), ("parameter", "W"): (2,)}
    assert asked.stray((*key, step) for key in whole for step in range(2)) == ""
    assert asked.stray([("gradient", "W", 2)]) == (
        "it answered gradient of W in step 2; the training has steps 0 to 1"
    )
    assert asked.stray([("gradient", "W", None)]) == (
        "it answered gradient of W without a step; the training has steps 0 to 1"
    )
    assert asked.stray([("value", "W", 0)]).startswith(
        "it answered value W in step 0, which was not asked for"
    )
    *_, traced = requests.trace(cell, wanted, [(0, 1)])
    assert traced.shapes.keys() > asked.shapes.keys()
    assert traced.shapes["gradient", "use 0.1"] == (2,)


def test_an_answer_may_be_of_a_wider_dtype_and_a_wrong_shape_but_not_of_any_size():
    narrow = Asked({("value", "y"): (10**6,)}, "float16")
    assert narrow.most >= 8 * 10**6
    assert Asked({("value", "y"): ()}).most < 20e6
    assert Asked({("value", "y"): (10**6,)}, "float16", steps=100).most >= 8 * 10**8


def test_the_longest_description_fits_the_header_of_its_answer():
    """Of a name, a shape and a step as long as a case may have them."""
    spec = ("parameter", "n" * 200, 9999, "float64", (50_000_000,) + (1,) * 15)
    described = json.dumps(
        {"arrays": [dict(zip(("role", "name", "step", "dtype", "shape"), spec, strict=True))]}
    )
    assert len(described) < DESCRIPTION


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "1e308", "9007199254740992", "-0.0"])
def test_every_number_that_a_case_may_sweep_arrives(case, number):
    """JSON as encoders write it has no infinity: a subject would be given None."""
    text = TEXT.replace("k = [0.3]", f"k = [{number}]")
    [variant] = case(text=text).variants
    cell = Cell(variant, "float32", Framework("mine", Path("adapter.py"), ("eager",)), "eager")
    own, *_ = requests.whole(cell, VariantReference(variant), {})
    line, _, _ = b"".join(map(bytes, frame(own)))[PREFIX.size :].partition(b"\n")
    assert str(json.loads(line)["bindings"]["k"]) == str(variant.bindings["k"])


def test_an_answer_of_as_many_tensors_as_a_case_may_ask_for_is_read():
    """With names as long as they may be, in a training of the most steps."""
    names = [f"{i:0200}" for i in range(MAX_TRACED // MAX_STEPS)]
    asked = Asked({("value", name): () for name in names}, "float32", MAX_STEPS)
    specs = ",".join(
        f'{{"role": "value", "name": "{name}", "step": {step}, "dtype": "float32", "shape": []}}'
        for step in range(MAX_STEPS)
        for name in names
    )
    header = (
        f'{{"type": "done", "id": 1, "seconds": 0.5, "compiling": 0.0}}\n{{"arrays": [{specs}]}}'.encode()
    )
    stream = io.BytesIO(PREFIX.pack(MAGIC, len(header), 8 * MAX_TRACED) + header + bytes(8 * MAX_TRACED))
    assert len(read_answer(read_frame(stream.read, asked), 1).arrays) == MAX_TRACED
