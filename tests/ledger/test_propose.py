"""Proposals say what a run shows and no more, and can't be committed unread."""

import tomllib
from pathlib import Path

import pytest
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.ledger.entries import Ledger, LedgerError, phases_of, used_of
from gradient_conformance.harness.ledger.propose import propose
from gradient_conformance.harness.ledger.reading import load_given
from gradient_conformance.harness.run.lines import LARGEST, CellLine, Run
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, header, tensor, write

AGREE, DISAGREE = Verdict.AGREE, Verdict.DISAGREE


def entries(run: Run) -> list[dict]:
    """The proposed entries."""
    return tomllib.loads(propose(run)).get("deviation", [])


def variants(**verdicts: Verdict) -> list[CellLine]:
    """Cells of mxnet in both dtypes: `a_1=AGREE` is the variant form:a-k:1, `a_1_float32` one dtype of it."""
    own: list[CellLine] = []
    for name, verdict in verdicts.items():
        form, k, *dtypes = name.split("_")
        used = 0.5 if verdict is AGREE else 2.34
        own += [
            cell("ops/f", f"form:{form}-k:{k}", "mxnet", verdict, used, dtype=dtype, message="m")
            for dtype in dtypes or ("float32", "float64")
        ]
    return own


def filled_in(run: Run, tmp_path: Path) -> Ledger:
    """The proposals as a ledger of mxnet, when somebody has written down the evidence."""
    path = tmp_path / "own.toml"
    path.write_text(propose(run).replace('evidence  = ""', 'evidence = "seen"'))
    return Ledger("mxnet").joined(load_given([path]))


def test_an_entry_says_all_that_the_run_shows() -> None:
    """CellLine, version, phase, date, first difference; `used` is rounded outwards to two digits."""
    one = cell(
        "ops/f", "", "mxnet", DISAGREE, 2.34, message="m", first_difference='y = f(x) "\x7f",\n line 2'
    )
    assert entries(a_run([one])) == [
        {
            "framework": "mxnet",
            "cell": "ops/f::float32-mxnet-eager",
            "version": "==1.9.1",
            "used": [2.3, 2.4],
            "phase": "gradient",
            "since": tomllib.loads("d = 2026-01-02")["d"],
            "reason": 'y = f(x) "\x7f", line 2; TODO: find out who is wrong',
            "evidence": "",
        }
    ]


def test_an_unread_proposal_is_refused(tmp_path: Path) -> None:
    """And the text itself says so."""
    path = tmp_path / "own.toml"
    path.write_text(propose(a_run(variants(a_1=DISAGREE))))
    assert "whose evidence is empty, as it is here, is refused" in " ".join(path.read_text().split())
    with pytest.raises(LedgerError, match="evidence = '': must be a text that isn't empty"):
        load_given([path])


@pytest.mark.parametrize(
    ("verdicts", "found"),
    [
        ({"a_1": DISAGREE, "a_2": DISAGREE}, [("ops/f::*", None)]),
        ({"a_1": DISAGREE, "a_2": DISAGREE, "b_1": AGREE}, [("ops/f::form:a-*", None)]),
        ({"a_1": DISAGREE, "a_2": AGREE}, [("ops/f::form:a-k:1-*", None)]),
        ({"a_1_float32": DISAGREE, "a_1_float64": AGREE}, [("ops/f::form:a-k:1-float32-mxnet-eager", None)]),
        (
            {"a_1_float32": DISAGREE, "a_1_float64": AGREE, "a_2_float32": DISAGREE, "a_2_float64": AGREE},
            [("ops/f::*", "float32")],
        ),
        ({"a_1": DISAGREE, "a_2": Verdict.KNOWN_DEVIATION}, [("ops/f::form:a-k:1-*", None)]),
        ({"a_1": DISAGREE, "a_11": AGREE}, [("ops/f::form:a-k:1-*", None)]),
        (
            {"a_1": DISAGREE, "a_2": AGREE, "b_1": DISAGREE, "b_2": DISAGREE},
            [("ops/f::form:a-k:1-*", None), ("ops/f::form:b-*", None)],
        ),
    ],
)
def test_one_pattern_covers_what_disagrees_and_nothing_else(
    verdicts: dict[str, Verdict], found: list[tuple[str, str | None]], tmp_path: Path
) -> None:
    """The widest that does; and the ledger made of the patterns knows exactly those cells."""
    run = a_run(variants(**verdicts))
    assert [(entry["cell"], entry.get("dtype")) for entry in entries(run)] == found
    ledger = filled_in(run, tmp_path)
    for c in run.cells:
        now, _, entry = ledger.judge(c.cell, c.dtype, "1.9.1", c.verdict, c.used, phases_of(c.tensors))
        assert (entry is not None) == (c.verdict is DISAGREE)
        assert now is (Verdict.KNOWN_DEVIATION if c.verdict is DISAGREE else c.verdict)


def test_modes_and_dtypes_that_were_not_run_are_not_excused() -> None:
    """A pattern matches more cells than the run has."""
    own = variants(a_1_float32=DISAGREE, a_2_float32=DISAGREE)
    (entry,) = entries(a_run(own))
    assert (entry["dtype"], entry["mode"]) == ("float32", "eager")
    jit = [cell("ops/f", f"k:{k}", "mxnet", v, 2.0 if v is DISAGREE else 0.5, mode=mode, message="m")
           for k in (1, 2) for mode, v in (("eager", AGREE), ("jit", DISAGREE))]  # fmt: skip
    (entry,) = entries(a_run(jit))
    assert (entry["cell"], entry["mode"]) == ("ops/f::*", "jit")


def test_a_group_has_the_range_and_the_phases_of_all_its_cells() -> None:
    """Infinity as TOML writes it; the reason is of the worst."""
    worst = tensor(used=LARGEST, role="value")
    own = [
        cell("ops/f", "k:1", "mxnet", DISAGREE, 1.58, message="small"),
        cell("ops/f", "k:2", "mxnet", DISAGREE, LARGEST, tensors=[worst], message="large\nmore"),
    ]
    (entry,) = entries(a_run(own))
    assert entry["used"] == [1.5, float("inf")]
    assert entry["phase"] == ["value", "gradient"]
    assert entry["reason"] == "large; TODO: find out who is wrong"


def test_a_disagreement_that_no_entry_could_excuse_is_named() -> None:
    """Without numbers, without a version, or only at a smaller K than ledgers are written for."""
    own = [
        cell("ops/f", "k:1", "mxnet", DISAGREE, message="changed its inputs in place: x"),
        cell("ops/f", "k:1", "gone", DISAGREE, 3.0),
        cell("ops/f", "k:2", "mxnet", DISAGREE, 1.2, tensors=[tensor(used=1.2, ratio=4.8)]),
    ]
    text = propose(a_run(own))
    assert tomllib.loads(text) == {}
    for number, why in enumerate(
        ("changed its inputs in place: x", "told no version", "at the K that ledgers")
    ):
        assert f"# {own[number].cell}: no entry can excuse it: " in text
        assert why in text


def test_ranges_are_in_terms_of_the_k_of_ledgers() -> None:
    """Whatever K the run was judged with."""
    assert used_of([tensor(used=99.0, ratio=16.0), tensor(used=1.0, ratio=8.0)]) == 2.0
    assert used_of([tensor(used=LARGEST)]) == LARGEST


def test_the_command_prints_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For a run file; nothing to propose is said too."""
    run = a_run(variants(a_1=DISAGREE), header())
    assert main(["deviations", "--propose", str(write(tmp_path / "run.jsonl", run))]) == 0
    assert capsys.readouterr().out == propose(run)
    assert propose(a_run(variants(a_1=AGREE))).endswith("# No cell disagrees.\n")
