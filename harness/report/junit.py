"""The report for CI viewers: JUnit XML, a testsuite a framework, a testcase a cell.

JUnit knows passed, failure, error and skipped only; the verdict stands in `type` and in the message, so that a
known deviation or an unsupported op is a named skip and never a pass.
"""

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from .failure import text
from .model import CellFacts, Framework, Report

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 can't hold, not even escaped."""

MARK = re.compile(rb'\A<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="gradient conformance"')
"""How a file of ours begins: another is not replaced."""


def render(report: Report) -> str:
    """The whole file."""
    suites = ET.Element("testsuites", {"name": "gradient conformance", **_counts(report.cells)})
    for framework in report.frameworks:
        own = [cell for cell in report.cells if cell.result.framework == framework.name]
        suites.append(_suite(framework, own, report))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _suite(framework: Framework, cells: Sequence[CellFacts], report: Report) -> ET.Element:
    started = report.started.removesuffix("+00:00")
    named = {"name": _safe(framework.name), "timestamp": _safe(started)}
    suite = ET.Element("testsuite", {**named, **_counts(cells)})
    properties = ET.SubElement(suite, "properties")
    for name, value in framework.about.items():
        ET.SubElement(properties, "property", name=_safe(name), value=_safe(str(value)))
    for notice in report.notices:
        ET.SubElement(properties, "property", name="notice", value=_safe(notice))
    suite.extend(_testcase(cell) for cell in cells)
    return suite


def _counts(cells: Sequence[CellFacts]) -> dict[str, str]:
    tags = Counter(cell.result.verdict.face.tag for cell in cells)
    return {
        "tests": str(len(cells)),
        "failures": str(tags["failure"]),
        "errors": str(tags["error"]),
        "skipped": str(tags["skipped"]),
        "time": f"{sum(cell.result.seconds for cell in cells):.3f}",
    }


def _testcase(facts: CellFacts) -> ET.Element:
    cell = facts.result
    _, _, name = cell.cell.rpartition("::")
    case = ET.Element(
        "testcase", classname=_safe(cell.case.replace("/", ".")), name=_safe(name), time=f"{cell.seconds:.3f}"
    )
    if tag := cell.verdict.face.tag:
        message = f"{cell.verdict}: {facts.said}".strip(": ")
        found = ET.SubElement(case, tag, type=cell.verdict.value, message=_safe(message))
        found.text = _safe(text(cell, facts.repeat))
    return case


def _safe(text: str) -> str:
    """Text that XML can hold: a control character is shown by its number, as Python writes it."""
    return NOT_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
