"""The JSON Schema of case files, for editors: made from the loader's own types, so that it cannot drift from them."""

from typing import Any

import msgspec

from harness.document import NESTED, Document


def case_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of what a case file may contain.

    It says what can be said of a file's structure. Whether shapes fit or names exist is for `harness check`.
    """
    schema = msgspec.json.schema(Document)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A case of the gradient conformance harness",
        **schema,
        "$defs": {**schema["$defs"], **NESTED},
    }
