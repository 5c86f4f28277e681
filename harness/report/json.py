"""The report for machines: the facts as JSON, and their schema, made from the same types."""

import re
from typing import Any

import msgspec

from .model import Report

SCHEMA = "https://json-schema.org/draft/2020-12/schema"

MARK = re.compile(rb'\A\{"format":\d+,"harness":"')
"""How a file of ours begins: another is not replaced."""


def render(report: Report) -> str:
    """All facts, as JSON that `report_schema` describes."""
    return msgspec.json.encode(report).decode() + "\n"


def report_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a JSON report."""
    schema = msgspec.json.schema(Report)
    return {"$schema": SCHEMA, "title": "A report of the gradient conformance harness", **schema}
