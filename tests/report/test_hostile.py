"""Texts from cases, workers and ledgers mean nothing to any renderer: whatever they say, the structure stays the same."""

import json
import re
import tomllib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from gradient_conformance.harness.ledger.propose import propose
from gradient_conformance.harness.reading.text import CONTROL
from gradient_conformance.harness.report import html, junit, markdown
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.report.pairwise import Pairwise, pairwise
from gradient_conformance.harness.report.summary import table
from gradient_conformance.harness.run.diff import diff
from gradient_conformance.harness.run.diff import render as render_diff
from gradient_conformance.harness.run.lines import Machine, Share
from gradient_conformance.harness.verdict import Verdict
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from runs import a_run, call, cell, header, tensor

PIECES = (
    "<script>alert(1)</script>", "</script>", "<!--", "-->", "]]>", "<![CDATA[", "&amp;", "&#60;b>", "'", '"', "<img src=x onerror=alert(2)>",
    '"onmouseover="alert(3)', "javascript:alert(4)", "{{ 7 * 7 }}", "{% raw %}", "|", "`", "````", "~~~", "\\", "*b*", "__b__", "[a](b)", "![a](b)",
    "# a", "> a", "- a", "1. a", "<https://example.org>", "<details>", "</details>", "</table>", "$x$", "[red]", "[/]", "[/red]", "[link=http://x]",
    "\x1b[31m", "\x1b]8;;http://x\x07", "\x9b2J", "\r", "\b", "\x00", "\x7f", "\u2028", "\u202e", "\ufffe", "@team", "a\tb",
)  # fmt: skip
"""What means something to a renderer: HTML, script, Jinja, Markdown, XML, rich, a terminal, TOML."""

TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), min_size=1, max_size=5).map("".join)
LINES = st.lists(TEXTS, min_size=1, max_size=3).map("\n".join)

quickly = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Texts:
    """A text for each place, all different and none empty: `t("title")`."""

    def __init__(self, lines, text):
        self.lines, self.text = lines, text

    def __call__(self, place):
        return f"{place} {self.text}".replace("\n", " ") + "."

    def many(self, place):
        return f"{place} {self.lines}"


CALM = Texts("first\nsecond\nthird", "text")


def hostile_run(t):
    """A run with every verdict, in which every text that a stranger may choose is one of `t`."""
    name = re.sub(r"[/:\s]", "_", t("case")).strip(".")
    own = [
        cell(
            f"folder {t('folder')}/{name}",
            t("variant"),
            t("framework"),
            verdict,
            0.5 if verdict in (Verdict.AGREE, Verdict.DISAGREE) else None,
            dtype=f"float{i}",
            mode=t("mode"),
            message=t.many("message"),
            first_difference=t("first"),
            calls=[_call(t, entry=t("ledger"), note=t("known"))]
            if verdict is Verdict.KNOWN_DEVIATION
            else [_call(t), _call(t, note=t("near"), place=t("elsewhere"))]
            if verdict is Verdict.DISAGREE
            else [],
            conventions=[t("convention")],
            budget=[Share(share=0.5, place=t("share"))],
        )
        for i, verdict in enumerate(Verdict)
    ]
    wrong = tensor(t("tensor"), 3.0, got=t("got"), want=t("want"), problem=t("problem"))
    own[0] = msgspec.structs.replace(own[0], dtype="float32")
    own.append(
        cell(
            f"folder {t('folder')}/{name}", t("other"), t("framework"), Verdict.KNOWN_DEVIATION, 3.0,
            tensors=[wrong], message=f"{t('said')}\nadapters/x/deviations.toml:3: {t('reason')} https://x.org/{t('link')}",
        )
    )  # fmt: skip
    head = msgspec.structs.replace(
        header(), started=t("started"), python=t("python"), commit=t("commit"), command=["pytest", t("command")],
        machine=Machine(cpu=t("cpu"), cores=2, os=t("os")), frameworks=[t("framework")], roots=["cases"], harness=t("harness"),
    )  # fmt: skip
    about = {"framework": t("framework"), "version": t("version"), t("key"): t("value")}
    return replace(a_run(own, head), abouts={t("framework"): about})


def _call(t, **more):
    texts = {name: t(name) for name in ("op", "towards", "place", "name", "got", "want")}
    return call(**{**texts, **more})


def before(t):
    """A run before it: another version, other verdicts."""
    run = hostile_run(t)
    cells = [
        msgspec.structs.replace(c, verdict=Verdict.CRASHED if c.verdict is Verdict.AGREE else Verdict.AGREE, tensors=[], used=0.5, calls=[])
        for c in run.cells[:-1]
    ]  # fmt: skip
    older = a_run(cells, msgspec.structs.replace(run.header, started="2000", commit=t("older")))
    return replace(older, abouts={t("framework"): {"framework": t("framework"), "version": t("old version")}})


def facts_of(t):
    run = hostile_run(t)
    return report(run, since=diff(before(t), run))


class Structure(HTMLParser):
    """The elements of a page with the names of their attributes, comments, and addresses."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.addresses, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        self.elements.append(("/", tag))

    def handle_comment(self, data):
        self.elements.append(("comment", data))

    def handle_decl(self, decl):
        self.elements.append(("declaration", decl))

    def unknown_decl(self, data):
        self.elements.append(("unknown", data))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """A working directory without cases and ledgers."""
    monkeypatch.chdir(tmp_path)


def pages(t):
    run = hostile_run(t)
    found = pairwise(run, Path())
    return dict(html.render(facts_of(t), found))


@quickly
@given(lines=LINES, text=TEXTS)
def test_no_text_adds_an_element_or_an_address_to_a_page(nothing, lines, text):
    hostile, calm = pages(Texts(lines, text)), pages(CALM)
    assert hostile.keys() == calm.keys()
    for name in ("index.html", "pairwise.html"):
        found, expected = Structure(hostile[name]), Structure(calm[name])
        assert found.elements == expected.elements
        strange = [
            a
            for a in found.addresses
            if not re.match(r"#|data:,$|(index|pairwise)\.html|(report\.js|style\.css)$", a)
        ]
        assert strange == []
        assert len(found.addresses) == len(expected.addresses)


@quickly
@given(lines=LINES, text=TEXTS)
def test_no_text_ends_the_script_that_carries_it_and_it_arrives_whole(nothing, lines, text):
    t = Texts(lines, text)
    files = pages(t)
    embedded = re.search(r'<script type="application/json" id="facts">(.*?)</script>', files["index.html"])[1]
    assert json.loads(embedded)["columns"][0][0] == t("framework")
    for name, script in files.items():
        if name.startswith(("cells/", "changes/")):
            assert not set("<>&\u2028\u2029") & set(script)
            head, _, data = script.partition(", ")
            assert head == f'loaded("{name}"'
            data = json.loads(data.removesuffix(");\n"))
    cells = json.loads(files["cells/0.js"].partition(", ")[2].removesuffix(");\n"))["cells"]
    assert cells[0]["result"]["message"] == t.many("message")


def markdown_elements(text):
    """The elements that GitHub's Markdown makes of it."""
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    return Structure(rendered).elements


@quickly
@example(lines="x\n````\n# a <b>\n````", text="` | <b> [a](b)")
@given(lines=LINES, text=TEXTS)
def test_no_text_becomes_markup_in_markdown(nothing, lines, text):
    found = markdown.render(facts_of(Texts(lines, text)))
    assert markdown_elements(found) == markdown_elements(markdown.render(facts_of(CALM)))
    assert not CONTROL.search(found.replace("\n", ""))


@quickly
@given(lines=LINES, text=TEXTS)
def test_junit_stays_xml_with_the_same_elements(nothing, lines, text):
    found, expected = (ET.fromstring(junit.render(facts_of(t))) for t in (Texts(lines, text), CALM))
    assert [(e.tag, *e.attrib) for e in found.iter()] == [(e.tag, *e.attrib) for e in expected.iter()]


@quickly
@given(lines=LINES, text=TEXTS)
def test_a_terminal_gets_neither_control_characters_nor_markup(nothing, lines, text):
    t = Texts(lines, text)
    found, expected = (table(hostile_run(one).cells, width=10_000, colour=False) for one in (t, CALM))
    assert not CONTROL.search(found.replace("\n", ""))
    assert found.count("\n") == expected.count("\n")
    assert "[red]" in found or "[red]" not in t("framework")
    changed, expected = (render_diff(diff(before(one), hostile_run(one))) for one in (t, CALM))
    assert not CONTROL.search(changed.replace("\n", ""))
    assert changed.count("\n") == expected.count("\n")


def test_with_colours_a_terminal_gets_those_of_the_verdicts_alone(nothing):
    text = table(hostile_run(Texts("x", "[red]\x1b[5m[/]")).cells, width=1000, colour=True)
    assert set(re.findall(r"\x1b\[([0-9;]*)m", text)) <= {"0", "1", "2", "32", "33", "1;31"}
    assert r"[red]\x1b[5m[/]" in text


@quickly
@given(lines=LINES, text=TEXTS)
def test_proposed_ledger_entries_stay_toml(nothing, lines, text):
    t = Texts(lines, text)
    run = hostile_run(t)
    wrong = tensor(t("tensor"), 3.0)
    own = [
        msgspec.structs.replace(c, verdict=Verdict.DISAGREE, tensors=[wrong] * (i % 2)) for i, c in enumerate(run.cells)
    ]  # fmt: skip
    for version in ("1.0", t("version")):
        about = {t("framework"): {"version": version}}
        proposed = propose(
            replace(a_run(own, msgspec.structs.replace(run.header, started="2026-01-02T00")), abouts=about)
        )
        assert not CONTROL.search(proposed.replace("\n", ""))
        entries = tomllib.loads(proposed).get("deviation", [])
        assert {e["framework"] for e in entries} == ({t("framework")} if version == "1.0" else set())


def test_the_texts_have_a_place_that_each_renderer_shows(nothing):
    """Else the properties above would hold of nothing."""
    t = Texts("LINES", "TEXT")
    files = pages(t)
    for place in ("version", "key", "value", "cpu", "command", "started", "old version"):
        assert f"{place} TEXT." in files["index.html"], place
    for place in ("op", "towards", "known", "reason"):
        assert f"{place} TEXT." in files["index.html"].partition('id="causes"')[2], place
    for place in (
        "message LINES",
        "first TEXT.",
        "got TEXT.",
        "problem TEXT.",
        "reason TEXT.",
        "near TEXT.",
        "convention TEXT.",
        "share TEXT.",
    ):
        assert place in files["cells/0.js"], place
    for place in ("version", "op", "towards", "known", "place"):
        assert f"{place} TEXT." in markdown.render(facts_of(t)), place
    assert "version TEXT." in junit.render(facts_of(t))
    assert isinstance(pairwise(hostile_run(t), Path()), Pairwise)
