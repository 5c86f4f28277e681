"""Faults judged call by call: what is blamed is what is faulty, one fault or two at once, and correct code is not."""

import random
from pathlib import Path

import pytest
from gradient_conformance.benchmarks.studies.faults_by_calls import FAULTS, Faults, Pair, variants
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.judging.blame import Suspect
from gradient_conformance.harness.power.faults import load_faults
from gradient_conformance.harness.power.figures import Power, placed, power_markdown, power_text
from gradient_conformance.harness.power.measuring import measure
from gradient_conformance.harness.power.networks import DEEP_AND_WIDE, network
from gradient_conformance.harness.power.programs import PROGRAMS
from gradient_conformance.harness.power.rules import CALLS, OURS, SCHEMES
from gradient_conformance.harness.power.specimens import Specimen
from gradient_conformance.harness.power.traced import Traced, placement

SMALL = 660
IMPLEMENTATION = load_faults(FAULTS)
SHARED = """\
title = "One name read twice"
source = "test"
seed = 1
program = \"\"\"
h = tanh(linear(x, W, b))
y = h * h + sigmoid(h)
loss = mse(y, t)
\"\"\"
[tensors]
x = { shape = [4, 3], uniform = [-1, 1] }
W = { shape = [3, 3], uniform = [-1, 1] }
b = { shape = [3], uniform = [-1, 1] }
t = { shape = [4, 3], uniform = [-1, 1] }
"""


@pytest.fixture(scope="module", params=["float32", "float64"])
def shared(request):
    [variant] = parse(SHARED, "shared").variants
    return Faults(IMPLEMENTATION, variant, request.param)


@pytest.fixture(scope="module", params=["float32", "float64"])
def small(request):
    return Faults(IMPLEMENTATION, next(variants(1, SMALL + 1)), request.param)


# What is faulty


def test_in_a_correct_implementation_nothing_is_faulty_and_nothing_is_blamed(shared, small):
    for cell in (shared, small):
        assert cell.traced().faulty == {}
        assert cell.traced().judged.alarms == ()


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        ("fanout_overwrite", {Suspect("sum", name="h")}),
        ("grad_double", {Suspect("seed", name="loss")}),
        ("add_first_only", {Suspect("vjp", 4, 1)}),
        ("tanh_no_sq", {Suspect("vjp", 1, 0)}),
        ("mse_no2", {Suspect("vjp", 5, 0), Suspect("vjp", 5, 1)}),
        ("loss_sum", {Suspect("forward", 5)}),
    ],
)
def test_a_fault_is_faulty_where_it_strikes_and_not_in_what_follows(shared, fault, parts):
    found = shared.alone(fault)
    assert found.faulty.keys() == parts
    assert {alarm.suspect for alarm in found.judged.alarms} == parts
    assert placement(found).exact


def test_what_a_penalty_adds_to_a_gradient_after_the_walk_is_the_gradients_fault():
    """A subject tells the gradient of a bias as it is in the end: for whoever looks on, its layer gave it."""
    variant = next(v for v in variants(3, 0) if "sum_squares" in {node.op for node in v.program.nodes})
    found = Faults(IMPLEMENTATION, variant, "float64").alone("l2_on_bias")
    assert {suspect.phase for suspect in found.faulty} == {"vjp"}
    assert placement(found).exact


def test_computing_in_float32_inside_is_a_fault_of_every_call_that_rounds():
    [variant] = parse(SHARED, "shared").variants
    found = Faults(IMPLEMENTATION, variant, "float64").alone("sub_f32")
    assert {Suspect("forward", i) for i in range(6)} <= found.faulty.keys()
    assert placement(found).exact


def test_every_fault_of_a_small_network_is_placed_exactly(small):
    for name in small.names:
        found = placement(small.alone(name))
        assert found.exact, (name, found)


def test_a_placement_tells_what_is_false_vague_and_unnamed(shared):
    """Alarms held against another truth: what is faulty is said to be the loss, of which no alarm speaks."""
    right = shared.alone("tanh_no_sq")
    found = placement(Traced(right.trace, {Suspect("vjp", 5, 0): 1e9, Suspect("vjp", 5, 1): 1.0}))
    assert not found.exact
    assert len(found.false) == found.alarms == 1
    assert found.unnamed == [str(("vjp", 5, 0, ""))]


# Two at once


def test_two_faults_that_are_visible_alone_are_both_named_together(small):
    for pair in small.pairs(8, random.Random(3)):
        if all(pair.visible) and not pair.undone:
            assert all(pair.named), pair.names
        assert not placement(pair.together).false


def test_a_fault_that_another_one_undoes_is_told_apart(shared):
    """Where the other one leaves nothing of it, a fault cannot be named: no call errs by it."""
    names = ("l2_no_half", "tanh_no_sq")
    nothing, something = (shared.alone(name) for name in names)
    pair = Pair(names, (something, nothing), something)
    assert pair.visible == [True, False]
    assert pair.undone


# The figures


@pytest.fixture(scope="module")
def power():
    what = [Specimen("random", f"network_{s}", network(s).text, placed=True) for s in (SMALL, SMALL + 2)]
    cells = [cell for specimen in what for cell in measure(specimen, Path(FAULTS), by_calls=True)]
    return Power(cells, IMPLEMENTATION.FAULTS, by_calls=True)


def test_by_calls_no_fault_is_caught_less_than_by_the_whole_and_some_more(power):
    for dtype in ("float32", "float64"):
        assert power.mean(dtype, CALLS) >= power.mean(dtype, OURS)
    assert power.called_wrong("float32", CALLS) == power.called_wrong("float64", CALLS) == 0


def test_figures_tell_how_faults_are_placed_and_which_no_call_shows(power):
    found = placed(power.cells)
    assert found.exact == found.faults > 50
    assert found.false == found.on_correct == 0 < found.alarms
    summary = power.summary()
    assert summary["placed"]["exact"] == found.exact
    assert summary["mean_share_by_calls"]["float64"] == 1
    for page in (power_text(power), power_markdown(power, "harness power --judge calls")):
        assert CALLS in page
        assert "placed exactly" in page
        assert f"{found.exact} of {found.faults}, 100.0 %" in page


def test_without_judging_calls_there_is_no_column_for_them(power):
    whole = Power(power.cells, power.faults)
    assert whole.schemes == SCHEMES
    assert CALLS not in power_text(whole)
    assert CALLS not in power_markdown(whole, "harness power")


# Programs


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_seed_is_a_program_everywhere_and_every_one_can_be_read(kind):
    for seed in range(12):
        text = PROGRAMS[kind](seed)
        assert text == PROGRAMS[kind](seed)
        [variant] = parse(text, f"{kind}_{seed}").variants
        assert variant.outputs == ("loss",)
    assert len({PROGRAMS[kind](seed) for seed in range(12)}) == 12


def test_deep_and_wide_networks_are_and_others_are_what_they_were():
    for seed in range(5):
        specs = parse(network(seed, DEEP_AND_WIDE).text, "deep").variants[0].specs
        assert "x6" in specs
        assert specs["x1"].shape[-1] > 200
    assert "depth 1, width 8, batch 64" in network(SMALL).title
