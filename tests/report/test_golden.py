"""Each renderer gives exactly the text that is kept here; HARNESS_REWRITE_GOLDEN=1 rewrites the files for review."""

import json
import os
import re
from pathlib import Path

import pytest
from gradient_conformance.harness.report import html, junit, markdown
from gradient_conformance.harness.report import json as json_report
from gradient_conformance.harness.report.model import report
from gradient_conformance.harness.report.pairwise import pairwise
from gradient_conformance.harness.run.diff import diff
from runs import a_run, earlier

GOLDEN = Path(__file__).parent / "golden"
COPIED = ("style.css", "report.js")


def rendered(folder):
    run = a_run()
    facts = report(run)
    yield "report.md", markdown.render(facts)
    yield "report.json", json.dumps(json.loads(json_report.render(facts)), indent=1) + "\n"
    yield "report.xml", junit.render(facts)
    for name, text in html.render(facts, pairwise(run, folder)):
        if name not in COPIED:
            yield name.replace("/", "_"), text
    since = dict(html.render(report(run, since=diff(earlier(), run)), pairwise(run, folder)))
    yield (
        "changes.html",
        re.search(r'^<section id="changes".*?^</section>\n', since["index.html"], re.DOTALL | re.MULTILINE)[
            0
        ],
    )
    yield from ((name.replace("/", "_"), text) for name, text in since.items() if name.startswith("changes/"))


def test_every_renderer_gives_the_golden_text(here, monkeypatch):
    monkeypatch.setattr(html, "LISTED", 1)
    found = dict(rendered(here))
    if os.environ.get("HARNESS_REWRITE_GOLDEN"):
        for name, text in found.items():
            (GOLDEN / name).write_text(text)
    assert sorted(found) == sorted(path.name for path in GOLDEN.iterdir())
    for name, text in found.items():
        assert text == (GOLDEN / name).read_text(), f"{name}: HARNESS_REWRITE_GOLDEN=1 rewrites it"


def test_the_same_run_gives_the_same_text_twice(here):
    assert dict(rendered(here)) == dict(rendered(here))


@pytest.mark.parametrize("name", COPIED)
def test_what_is_copied_has_no_address_in_it(name):
    assert "://" not in (Path(html.TEMPLATES) / name).read_text()
