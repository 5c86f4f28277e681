"""Root causes: what is counted, under which name, and of how many cells."""

from dataclasses import replace

import msgspec
import pytest
from gradient_conformance.harness.report import failure, html, markdown
from gradient_conformance.harness.report.causes import Ledgers, affected, causes
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.report.summary import table
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, call, cell

LEDGER = """
[[deviation]]
op       = ["matmul", "linear"]
phase    = "vjp"
version  = "==1.9.*"
at_most  = 1e-5
case     = "notebooks/hostile"
reason   = "sums the wrong products"
evidence = "https://example.org/issues/8 (open)"
"""
PLACE = "adapters/mxnet/deviations.toml:2"


def known(op="matmul", **more):
    return call(op, entry=PLACE, note="sums the wrong products", **more)


def wrong(variant, *calls, framework="mxnet", case="ops/a", dtype="float32", **more):
    verdict = Verdict.KNOWN_DEVIATION if all(one.entry for one in calls) else Verdict.DISAGREE
    return cell(
        case, variant, framework, more.pop("verdict", verdict), 9.0, calls=list(calls), dtype=dtype, **more
    )


def agrees(variant, dtype="float32", **more):
    return cell("ops/a", variant, "mxnet", Verdict.AGREE, 0.5, dtype=dtype, **more)


def found(*cells):
    return causes(cells, Ledgers())


def test_all_that_an_entry_excuses_is_one_cause():
    (row,) = found(
        wrong("k:1", known(), known("linear", relative=0.7)),
        wrong("k:2", known(towards="y"), dtype="float64"),
        agrees("k:3"),
    )
    assert (row.name, row.cells, row.calls, row.relative) == ("sums the wrong products", 2, 3, 0.7)
    assert (row.dtypes, row.share) == (["float32", "float64"], "2 of 3 in all")
    assert row.result == "matmul, linear: vjp towards x, y"


@pytest.mark.parametrize(
    "other",
    [
        wrong("k:2", call(), framework="torch"),
        wrong("k:2", call(), dtype="float64"),
        wrong("k:2", call("max")),
        wrong("k:2", call(towards="y")),
        wrong("k:2", call(phase="forward")),
        wrong("k:2", known("where")),
    ],
    ids=["framework", "dtype", "op", "towards", "phase", "entry"],
)
def test_calls_that_no_entry_excuses_are_one_cause_if_alike(other):
    assert len(found(wrong("k:1", call()), other)) == 2
    assert len(found(wrong("k:1", call()), wrong("k:2", call(line=9), mode="compiled"))) == 1


def test_new_causes_come_first_and_then_those_of_most_cells():
    max_ = call("max", entry=f"{PLACE}0", note="takes every one")
    rows = found(wrong("k:1", max_), wrong("k:2", known(), call()), wrong("k:3", known()))
    assert [row.name for row in rows] == ["new", "sums the wrong products", "takes every one"]


def test_an_entry_by_cells_is_a_cause_without_a_call():
    message = "value y = 0.2\nmine.toml:3: it fuses"
    whole = cell("ops/a", "k:1", "mxnet", Verdict.KNOWN_DEVIATION, 9.0, message=message)
    (row,) = found(whole)
    assert (row.name, row.result, row.calls, row.error) == ("it fuses", "no single call", 0, "-")
    (row,) = found(msgspec.structs.replace(whole, calls=[call()]))
    assert (row.name, row.result) == ("it fuses", "where: vjp towards x")


@pytest.mark.parametrize(
    ("calls", "kind"),
    [
        ([known()], "gradients"),
        ([known(), known(phase="forward")], "values and gradients"),
        ([known(phase="forward")], "values"),
        ([call("sgd", "update")], "updates"),
        ([call("", "sum")], "gradients"),
        ([call("", "")], "no single call"),
        ([call("", "update")], "no single call"),
    ],
)
def test_a_cause_is_of_gradients_of_values_or_of_both(calls, kind):
    assert {row.kind for row in found(wrong("k:1", *calls))} == {kind}


def test_an_update_by_a_gradient_that_is_not_shown_is_not_told_as_the_update():
    (row,) = found(wrong("k:1", call("", "update")))
    assert row.result == "a gradient that is not shown, or its update"


def test_what_is_likely_stands_with_the_cause_on_the_first_page(here):
    likely = ["all of it is <10> × what it should be", "", "it is the transpose"]
    facts = report(a_run([wrong(f"k:{i}", call(likely=words)) for i, words in enumerate(likely)]))
    (row,) = facts.causes
    assert row.likely == ["all of it is <10> × what it should be", "it is the transpose"]
    page = html.one_file(facts)
    assert (
        "new, likely: all of it is &lt;10&gt; × what it should be; or, elsewhere: it is the transpose</td>"
        in page
    )


def test_the_sentence_of_a_framework_adds_up():
    cells = [
        wrong("k:1", known(), call("where")),
        wrong("k:2", known()),
        cell("ops/a", "k:3", "mxnet", Verdict.DISAGREE, 9.0),
        agrees("k:4"),
        cell("ops/a", "k:1", "torch", Verdict.AGREE, 0.5),
    ]
    (row,) = affected(cells, found(*cells))
    assert (
        row.sentence
        == "mxnet: 3 cells deviate, 2 causes: 2 in gradients; 1 of them new; 1 cell without a cause"
    )
    assert sum(row.causes.values()) == 2


def test_a_cause_is_told_with_its_evidence_link_and_minimal_case(here):
    (here / "adapters/mxnet/deviations.toml").write_text(LEDGER)
    facts = report(a_run([wrong("k:1", known())]))
    (row,) = facts.causes
    assert (row.case, row.link) == ("notebooks/hostile", "https://example.org/issues/8")
    assert facts.cells[0].deviations == [row.deviation]
    assert "sums the wrong products [link](https://example.org/issues/8) |" in markdown.render(facts)


def test_a_cause_whose_entry_is_gone_keeps_its_reason_and_leads_nowhere(here):
    (row,) = report(a_run([wrong("k:1", call(entry=PLACE, note="see https://example.org/x"))])).causes
    assert (row.name, row.link) == ("see https://example.org/x", "")


def test_the_minimal_case_of_a_new_cause_is_the_one_of_the_fewest_elements():
    (row,) = found(wrong("k:1", call(elements=50)), wrong("k:2", call(elements=3)))
    assert (row.case, row.shown) == ("ops/a::k:2", "ops/a::k:2-float32-mxnet-eager")


def test_cells_are_counted_among_those_that_have_the_op_where_the_case_is_as_it_was_run(here):
    """The program of notebooks/hostile has a matmul, a mul and a sum; that of ops/a isn't here."""
    own = wrong("", call("matmul"), case="notebooks/hostile")
    other = cell("notebooks/hostile", "", "mxnet", Verdict.AGREE, 0.1, mode="compiled")
    assert report(a_run([own, other])).causes[0].share == "1 of 2"
    assert report(a_run([own, other, agrees("k:1")])).causes[0].share == "1 of 3 in all"
    without = msgspec.structs.replace(own, calls=[call("where")])
    assert report(a_run([without, other])).causes[0].share == "1 of 2 in all"


def test_an_infinite_error_is_told_as_one():
    (row,) = found(wrong("k:1", call(relative=LARGEST)))
    assert row.error == "∞"


def test_a_run_of_the_first_format_says_that_it_tells_no_causes(here):
    run = a_run([agrees("k:1")])
    facts = report(replace(run, header=msgspec.structs.replace(run.header, format=1)))
    assert (
        "This run is of format 1, which tells no wrong calls: causes are entries by cells alone."
        in facts.notices
    )


CHOSEN = {"used": LARGEST, "composed": 0.125, "conventions": ["backward of abs, line 8"]}


def test_what_agrees_by_a_convention_is_counted_apart_and_never_shown_as_infinite(here):
    """Its whole is outside the tolerance; what is left once the choice is taken as it is, is within."""
    own = [msgspec.structs.replace(agrees("k:1"), **CHOSEN), agrees("k:2")]
    facts = report(a_run(own))
    assert facts.headline == "2 of 2 cells agree (1 by a convention); none failed"
    assert facts.sentence.startswith("2 cells: 2 agree (1 by a convention), 0 known deviation")
    assert facts.box.used == 0.5
    text = table(own, width=100, colour=False)
    assert "2 cells: 2 agree (1 by a convention)\n" in text
    assert "0.50" in text
    assert all("1797693" not in shown for shown in (text, markdown.render(facts)))


def test_the_end_of_a_run_names_its_causes():
    text = table([wrong("k:1", known(), call("where")), agrees("k:2")], width=120, colour=False)
    assert text.index("root cause") < text.index("largest error / tolerance")
    assert "mxnet: 1 cell deviates, 2 causes: 2 in gradients; 1 of them new\n" in text


def test_a_failing_cell_tells_where_it_begins_only_where_its_calls_do_not():
    told = {"message": "value y = 0.2", "first_difference": "line 2"}
    assert failure.lines(wrong("k:1", **told, verdict=Verdict.DISAGREE))[-1] == "first difference: line 2"
    assert failure.lines(wrong("k:1", call(), **told)) == ["value y = 0.2"]


def test_the_page_leads_with_findings_and_tells_versions_below_them(here):
    page = html.one_file(report(a_run([wrong("1", call("exp"))])))
    places = [page.index(text) for text in ("<h1", 'id="causes"', 'class="frameworks"', 'id="matrix"')]
    assert places == sorted(places)
    assert "= 1 cell<" in page
