"""Ledgers and runs may be large: what a cell costs, and a proposal, grows with them and not faster."""

import tempfile
from pathlib import Path

from gradient_conformance.harness.ledger.entries import Ledger
from gradient_conformance.harness.ledger.propose import propose
from gradient_conformance.harness.ledger.reading import load
from gradient_conformance.harness.report.causes import Ledgers
from gradient_conformance.harness.run.ids import CellId
from gradient_conformance.harness.run.lines import Run
from gradient_conformance.harness.verdict import Verdict
from growth import grows_straight
from runs import a_run, call, cell

ENTRY = """[[deviation]]
cell = "{}"
version = ">=0"
used = [1, 2]
reason = "{}"
evidence = "e"
"""
CAUSE = """[[deviation]]
op = "relu"
version = ">=0"
at_most = 1
case = "ops/c{}"
reason = "r"
evidence = "e"
"""
FEW = 10
"""Cells that are asked about."""


def ledger(text: str) -> Ledger:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deviations.toml")
        path.write_text(text)
        return load(path, "mxnet")


def cells(count: int) -> list[str]:
    return [f"ops/c{i}::k:{i}-float32-mxnet-eager" for i in range(count)]


def judged(known: Ledger) -> list[Verdict]:
    asked = cells(FEW)
    return [known.judge(id, "float32", "1.0", Verdict.DISAGREE, 5.0, ["gradient"])[0] for id in asked]


def test_a_cell_asks_the_entries_of_its_own_case_alone() -> None:
    known = ledger("".join(ENTRY.format(f"ops/c{i}::*", "r") for i in range(100)))
    assert judged(known) == [Verdict.STALE] * FEW
    for id in cells(FEW):
        assert len(known._near(id)) == 1


def test_entries_that_match_nothing_are_found_in_time_that_grows_with_entries_and_cells() -> None:
    def made(count: int) -> tuple[Ledger, list[str]]:
        text = "".join(ENTRY.format(f"ops/c{i}::*", "r") + CAUSE.format(i) for i in range(count))
        return ledger(text), cells(count)

    known, ids = made(5)
    assert known.unmatched(ids) == []
    assert len(known.unmatched(ids[1:])) == 2
    assert grows_straight(made, lambda both: both[0].unmatched(both[1]), 150)


def test_entries_that_ended_are_those_of_the_case() -> None:
    """`ops/c1` shows the cells of no other case, though another's name goes on after it."""
    known = ledger(CAUSE.format(1) + CAUSE.format("1-more"))
    (told,) = known.ended(CellId("ops/c1-more", "k:1", "float32", "mxnet", "eager"), ())
    assert "deviations.toml:8: " in told
    many = lambda count: ledger("".join(map(CAUSE.format, range(count))))
    asked = [CellId.parse(id) for id in cells(FEW)]
    assert grows_straight(many, lambda known: [known.ended(id, ()) for id in asked if id], 200)


def of_one_case(count: int) -> Run:
    """Every other variant disagrees, so that no pattern covers two of them."""
    verdicts = (Verdict.AGREE, Verdict.DISAGREE)
    return a_run([
        cell("ops/f", f"k:{i}", "mxnet", verdicts[i % 2], 2.0, message="m") for i in range(count)
    ])  # fmt: skip


def of_many_frameworks(count: int) -> Run:
    return a_run([cell("ops/f", "", f"f{i}", Verdict.DISAGREE, 2.0, message="m") for i in range(count)])


def test_a_proposal_takes_time_that_grows_with_the_run() -> None:
    assert propose(of_one_case(40)).count("[[deviation]]") == 20
    assert grows_straight(of_one_case, propose, 300)
    assert grows_straight(of_many_frameworks, propose, 500)


def test_a_report_looks_entries_up_by_what_the_run_file_says(tmp_path: Path) -> None:
    """Their evidence stands in a report for every cell that they speak of."""

    def made(count: int) -> tuple[Path, Run]:
        path = tmp_path / f"{count}.toml"
        path.write_text("".join(ENTRY.format(f"ops/c{i}::*", f"reason {i}") for i in range(count)))
        own = [
            cell(
                f"ops/c{i}", f"k:{i}", "mxnet", Verdict.KNOWN_DEVIATION, 2.0,
                calls=[call(entry=f"{path}:{6 * i + 1}", note=f"{path}:{6 * i + 1}: reason {i}")],
            )
            for i in range(count)
        ]  # fmt: skip
        return path, a_run(own)

    def told(given: tuple[Path, Run]) -> None:
        ledgers = Ledgers()
        for one in given[1].cells:
            ledgers.of(one)

    assert grows_straight(made, told, 100)
