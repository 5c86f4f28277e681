"""What each renderer promises beyond its golden text."""

import json
import re
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import msgspec
import pytest
from gradient_conformance.harness.report import html, junit, markdown
from gradient_conformance.harness.report import json as json_report
from gradient_conformance.harness.report.json import report_schema
from gradient_conformance.harness.report.model import Report, report
from gradient_conformance.harness.report.pairwise import pairwise
from gradient_conformance.harness.run.diff import diff
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict
from runs import a_run, cell, cells, earlier


@pytest.fixture
def facts(here):
    return report(a_run())


@pytest.fixture
def page(facts, here):
    return dict(html.render(facts, pairwise(a_run(), here)))


def test_the_json_report_is_as_its_schema_says(facts):
    data = json.loads(json_report.render(facts))
    jsonschema.Draft202012Validator.check_schema(report_schema())
    jsonschema.validate(data, report_schema())
    assert msgspec.convert(data, Report) == facts


def test_the_schema_refuses_a_report_without_totals_or_with_an_unknown_verdict(facts):
    data = json.loads(json_report.render(facts))
    data["cells"][0]["result"]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, report_schema())
    del data["box"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, report_schema())


def test_junit_has_a_testsuite_a_framework_whose_counts_are_those_of_its_testcases(facts):
    root = ET.fromstring(junit.render(facts))
    suites = root.findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["gone", "jax", "mxnet", "torch"]
    for parent in (root, *suites):
        for attribute, tag in (
            ("tests", "testcase"),
            ("failures", "failure"),
            ("errors", "error"),
            ("skipped", "skipped"),
        ):
            assert int(parent.get(attribute)) == len(list(parent.iter(tag)))
    assert int(root.get("tests")) == len(cells())


def test_junit_never_calls_an_opt_out_a_pass(facts):
    root = ET.fromstring(junit.render(facts))
    passed = [case for case in root.iter("testcase") if not len(case)]
    assert len(passed) == sum(c.verdict is Verdict.AGREE for c in cells())
    found = {child.get("type"): child.tag for case in root.iter("testcase") for child in case}
    assert found == {
        "known deviation": "skipped",
        "unsupported": "skipped",
        "absent": "skipped",
        "inconclusive": "failure",
        "not shown": "failure",
        "stale ledger entry": "failure",
        "disagree": "failure",
        "errored": "error",
        "crashed": "error",
    }


def test_markdown_that_would_be_too_long_says_how_much_it_leaves_out(here):
    own = [cell("a", f"k:{i}", "torch", Verdict.DISAGREE, 5.0, message="x" * 500) for i in range(500)]
    text = markdown.render(report(a_run(own)))
    assert len(text) <= markdown.LIMIT + 1000
    shown = text.count("```text")
    assert 50 < shown < 500
    assert f"**{500 - shown} more of 500 failures don't fit here**" in text


@pytest.mark.parametrize("used", [0.99999, 1.0, 1.00001, 0.123456, LARGEST])
def test_rounding_for_the_matrix_never_crosses_the_tolerance(used):
    assert (html._rounded(used) <= 1) == (used <= 1)
    assert html._rounded(used) == pytest.approx(used, rel=1e-3)


def test_a_long_list_of_changes_is_cut_into_files_that_hold_the_rest_once(here):
    now = a_run([cell("a", f"k:{i}", "torch", Verdict.DISAGREE, 5.0) for i in range(html.LISTED + 300)])
    files = dict(html.render(report(now, since=diff(earlier(), now)), pairwise(now, here)))
    listed = files["index.html"].partition("newly wrong: 310</summary>")[2].partition("</ol>")[0]
    rest = [json.loads(files[f"changes/0-{i}.js"].partition(", ")[2].removesuffix(");\n")) for i in (0, 1)]
    found = [*re.findall('#(a::[^"]*)', listed), *(cell for rows in rest for _, cell, _, _ in rows)]
    assert found == [c.cell for c in now.cells]
    assert [len(rows) for rows in rest] == [html.CHUNK, 300 - html.CHUNK]


@pytest.mark.parametrize("name", ["a::50%25-x", "a b::é#1?x", "a::k:3-float32-torch-eager"])
def test_the_address_of_a_box_holds_any_name_of_a_cell(name):
    assert unquote(html.fragment(name)) == f"#{name}"
    assert not set('"<> ') & set(html.fragment(name))


def test_details_are_cut_into_files_that_hold_every_cell_once(page, monkeypatch, here):
    monkeypatch.setattr(html, "CHUNK", 5)
    files = dict(html.render(report(a_run()), pairwise(a_run(), here)))
    found = []
    for index in range(3):
        head, _, data = files[f"cells/{index}.js"].partition(", ")
        assert head == f'loaded("cells/{index}.js"'
        chunk = json.loads(data.removesuffix(");\n"))
        assert {c["result"]["case"] for c in chunk["cells"]} == set(chunk["cases"])
        found += [c["result"]["cell"] for c in chunk["cells"]]
    assert found == [c.cell for c in cells()]
    assert "cells/3.js" not in files
