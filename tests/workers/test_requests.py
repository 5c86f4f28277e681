"""What a worker is sent: literals in the cell's dtype, nothing else of the case changed."""

import json
from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.plan import Cell
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.harness.workers import requests

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
    assert message[0]["bindings"] == {"k": 0.3}
