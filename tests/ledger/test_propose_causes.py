"""Proposals by op gather the wrong calls of a run into root causes, and say no more than the run shows."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from gradient_conformance.harness.ledger.entries import Ledger, LedgerError
from gradient_conformance.harness.ledger.propose import propose
from gradient_conformance.harness.ledger.reading import load_given
from gradient_conformance.harness.run.lines import LARGEST, CallLine, CellLine, Run
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, call, cell


def wrong(op: str = "max", **more: Any) -> CallLine:
    """A wrong call, as wrong when made alone."""
    fields = {"used": 9.0, "got": "1.0", "want": "0.5", "wrong": 1, "elements": 6}
    return call(op, **{**fields, **more})


def traced(variant: str, *calls: CallLine, mode: str = "eager", **more: Any) -> CellLine:
    """A cell of mxnet that disagrees because of these calls; agrees without any."""
    verdict, used = (Verdict.DISAGREE, 9.0) if calls else (Verdict.AGREE, 0.5)
    return cell("ops/f", variant, "mxnet", verdict, used, message="m", mode=mode, calls=list(calls), **more)


def forward(op: str = "max", **more: Any) -> CallLine:
    """A wrong value."""
    return wrong(op, phase="forward", towards="", **more)


def entries(run: Run) -> list[dict[str, Any]]:
    """The proposed entries."""
    return tomllib.loads(propose(run)).get("deviation", [])


def told(run: Run, *keys: str) -> list[tuple[Any, ...]]:
    """Some keys of every proposed entry."""
    return [tuple(entry.get(key) for key in keys) for entry in entries(run)]


def test_an_entry_by_op_says_all_that_the_run_shows(tmp_path: Path) -> None:
    """With a bound that leaves another machine some room; nobody can commit it unread."""
    run = a_run([traced("k:1", wrong(relative=0.26)), traced("k:2")])
    assert entries(run) == [
        {
            "framework": "mxnet",
            "op": "max",
            "phase": "vjp",
            "dtype": "float32",
            "version": "==1.9.1",
            "at_most": 1.1,
            "case": "ops/f::k:1",
            "since": tomllib.loads("d = 2026-01-02")["d"],
            "reason": "the gradient of max towards x is 1.0 where it should be 0.5; TODO: find out who is wrong",
            "evidence": "",
        }
    ]
    path = tmp_path / "own.toml"
    path.write_text(propose(run))
    with pytest.raises(LedgerError, match="evidence = '': must be a text that isn't empty"):
        load_given([path])
    path.write_text(propose(run).replace('evidence  = ""', 'evidence = "seen"'))
    (cause,) = Ledger("mxnet").joined(load_given([path])).causes
    assert cause.shown_by(run.cells[0].cell)


def test_calls_are_gathered_by_op_and_phase() -> None:
    """Whatever the case; phases that are wrong in the same cells are one cause, others are two."""
    both = [forward("bce"), wrong(op="bce", towards="p"), wrong(op="bce", towards="p", relative=2.0)]
    run = a_run([traced("k:1", *both), traced("k:2", *both), traced("k:3", forward("exp")),
                 traced("k:4", wrong(op="exp"))])  # fmt: skip
    assert told(run, "op", "phase", "towards", "at_most") == [
        ("bce", None, "p", 8.0),
        ("exp", "forward", None, 2.0),
        ("exp", "vjp", None, 2.0),
    ]


def test_a_call_of_several_causes_in_a_cell_is_proposed_for_each() -> None:
    """A cell is no cause."""
    run = a_run([traced("k:1", wrong(op="max"), wrong(op="where"), wrong(op="where", towards="y"))])
    assert told(run, "op", "towards") == [("max", None), ("where", ["x", "y"])]


def test_dtype_and_mode_are_said_where_one_was_wrong() -> None:
    """A mode only where another one ran: a framework's only one needs no name."""
    jit = [traced("k:1", wrong(), mode="jit"), traced("k:1", wrong(), mode="jit", dtype="float64")]
    assert told(a_run(jit), "dtype", "mode") == [(None, None)]
    assert told(a_run([*jit, traced("k:1")]), "dtype", "mode") == [(None, "jit")]
    assert told(a_run([jit[0], traced("k:1", wrong())]), "dtype", "mode") == [("float32", None)]


def test_the_minimal_case_is_the_smallest_that_shows_it_everywhere() -> None:
    """Each of its cells, of the entry's dtype and mode, has to."""
    large, small = wrong(elements=9), wrong(elements=2)
    run = [traced("k:1", large), traced("k:2", small), traced("k:3", small, small)]
    assert told(a_run(run), "case") == [("ops/f::k:2",)]
    assert told(a_run([*run, traced("k:2", mode="jit", dtype="float64")]), "case") == [("ops/f::k:2",)]
    eager = [*run, *(traced(f"k:{k}", large, mode="jit") for k in (1, 3)), traced("k:2", mode="jit")]
    assert told(a_run(eager), "case") == [("ops/f::k:3",)]
    assert told(a_run([traced("", large)]), "case") == [("ops/f",)]


@pytest.mark.parametrize("relative", [LARGEST, 0.0])
def test_without_a_bound_it_has_to_be_said_what_is_computed(relative: float) -> None:
    """An entry that holds for everything isn't proposed, and an empty expression is refused."""
    run = a_run([traced("k:1", forward(relative=relative), wrong())])
    if relative:
        assert told(run, "at_most", "gives") == [(None, {"out": "", "x": ""})]
    else:
        assert told(run, "at_most", "gives") == [(2.0, None)]


def test_calls_that_are_known_leave_the_cell_to_an_entry_by_cell() -> None:
    """So do ops that this harness doesn't have, and what is no op call."""
    known, together = wrong(entry="adapters/mxnet/deviations.toml:3"), wrong(phase="sum")
    for calls in ([known], [together], [wrong(op="gone")]):
        (entry,) = entries(a_run([traced("k:1", *calls)]))
        assert entry["cell"] == "ops/f::k:1-float32-mxnet-eager"
    run = a_run([traced("k:1", known, wrong(op="exp")), traced("k:2", together)])
    assert told(run, "op", "cell") == [("exp", None), (None, "ops/f::k:2-float32-mxnet-eager")]


def test_an_optimizers_step_is_proposed_by_its_name() -> None:
    """Its phase is the only one that it has."""
    run = a_run([traced("k:1", wrong(op="sgd", phase="update", towards=""))])
    assert told(run, "op", "phase", "towards") == [("sgd", None, None)]


def test_what_a_run_says_of_a_call_is_text() -> None:
    """Whoever wrote it."""
    strange = 'a"\n[[deviation]]\x1b'
    (entry,) = entries(a_run([traced("k:1", wrong(got=strange, want=strange))]))
    assert entry["reason"].startswith(f"the gradient of max towards x is {strange} where it")
