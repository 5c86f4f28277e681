"""Backpropagation through whole programs, against numerical derivatives with 50 digits."""

from pathlib import Path

import numpy as np
import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.plugin.items import quick_variants
from gradient_conformance.harness.truth.programs import certify_program
from gradient_conformance.reference import backprop, parse

CASES = Path(__file__).parents[2] / "cases"
SMALL = 100
"""So many input elements: their derivatives take a second."""


def small_variants():
    """Of each case those that call all of its ops, and several: rows with every attribute are certified by themselves."""
    for path in sorted(CASES.rglob("*.toml")):
        case = load(path, CASES, proven=False)
        chosen = set(quick_variants(case))
        for variant in case.variants:
            size = sum(source.size for source in variant.sources.values())
            if variant.id in chosen and size <= SMALL and len(variant.program.nodes) > 1:
                yield pytest.param(variant, id=f"{variant.case_name}-{variant.id}")


@pytest.mark.parametrize("variant", list(small_variants()))
def test_a_shipped_program_has_the_values_and_gradients_of_its_definition(variant):
    """At a kink anything between the one-sided slopes is right."""
    certificate = certify_program(variant)
    assert not certificate.problems
    assert certificate.checked


def test_fan_out_accumulates():
    program = parse("a = x * x\nb = a * x\nc = sum(a + b + a)")
    x = np.array([0.5, -2.0])
    _, grads = backprop(program, {"x": x})
    np.testing.assert_array_equal(grads["x"], 4 * x + 3 * x**2)


BROADCAST = """
title = "t"
source = "s"
program = '''
y = W * r + b - c
loss = sum(y * y)
'''

[tensors]
W = { shape = [2, 3], uniform = [-1, 1] }
r = { shape = [3], uniform = [-1, 1] }
b = { shape = [2, 1], uniform = [-1, 1] }
c = { shape = [], uniform = [-1, 1] }
"""


def test_broadcasting_is_undone_by_sums(case):
    (variant,) = case(text=BROADCAST).variants
    assert certify_program(variant).problems == ()
    _, grads = backprop(variant.program, variant.draw())
    assert {name: g.shape for name, g in grads.items()} == {"W": (2, 3), "r": (3,), "b": (2, 1), "c": ()}


def test_a_tensor_used_twice_in_one_call_gets_both_cotangents():
    program = parse("y = x @ x")
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(backprop(program, {"x": x})[1]["x"], 2 * x)


def test_several_outputs_of_one_call():
    program = parse("a, b = split(x, parts=2)\ny = sum(a * a) + sum(b)")
    _, grads = backprop(program, {"x": np.array([1.0, 2.0, 3.0, 4.0])})
    np.testing.assert_array_equal(grads["x"], [2, 4, 1, 1])


def test_a_name_without_a_way_to_the_output_has_a_zero_gradient():
    program = parse("y = sum(x)\nz = sum(w)")
    _, grads = backprop(program, {"x": np.ones(2), "w": np.ones(3)}, cotangents={"y": np.ones(())})
    np.testing.assert_array_equal(grads["w"], np.zeros(3))


def test_an_output_that_is_no_scalar_needs_its_cotangent():
    with pytest.raises(ValueError, match=r"y has shape \(2,\): give its cotangent"):
        backprop(parse("y = x * x"), {"x": np.ones(2)})


@pytest.mark.parametrize("output", ["f1", "f2"])
def test_the_scalar_functions_agree_with_two_sided_differences(output):
    """The differences that the notebook prints beside its gradients; h = 1e-6 leaves ten digits."""
    variant = next(
        v
        for v in load(CASES / "notebooks" / "scalar_functions.toml", CASES).variants
        if v.outputs == (output,)
    )
    inputs, h = variant.draw(), 1e-6
    assert {name: float(a) for name, a in inputs.items()} == {"w1": 1.0, "w2": 2.0}
    _, grads = backprop(variant.program, inputs, cotangents={output: np.ones(())})
    for name, gradient in grads.items():
        ends = [
            backprop(variant.program, {**inputs, name: inputs[name] + d}, [], {})[0][output] for d in (h, -h)
        ]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(float(gradient), rel=1e-9)


def test_a_split_into_one_part_has_a_gradient_of_its_shape():
    _, grads = backprop(parse("a = split(x, parts=1)\ny = sum(a * a)"), {"x": np.ones((2, 3))})
    np.testing.assert_array_equal(grads["x"], np.full((2, 3), 2.0))
