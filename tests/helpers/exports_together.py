"""Many functions of one file, exported in one process of the framework: to start it takes longer than all of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from client import interpreter
from gradient_conformance.harness.frameworks.found import framework, shipped_adapters
from gradient_conformance.harness.own import exported
from gradient_conformance.harness.own.exported import Exported

EACH = """
import os, traceback
for request in sent["request"]:
    os.mkdir(request["folder"])
    try:
        module.main(**request)
    except (Exception, SystemExit):
        open(os.path.join(request["folder"], "error"), "w").write(traceback.format_exc())
"""


def exported_together(name: str, text: str, folder: Path, asked: Mapping[str, Mapping[str, Any]]) -> Path:
    """The folder, in which what comes back of each request, or its "error", has a folder of the request's name."""
    (folder / "mine.py").write_text(text)
    file = {"file": str(folder / "mine.py"), "at": "", "loss": ""}
    requests = [{**file, **request, "folder": str(folder / own)} for own, request in asked.items()]
    start = exported.START.replace('module.main(**sent["request"])', EACH)
    door = framework(name, shipped_adapters() / name / "adapter.py")
    done = exported.started(interpreter(name), door, requests, start)
    assert done.returncode == 0, done.stderr
    return folder


def held(own: Path, ops: str) -> Exported:
    """What has come back there, which is the module's own and has calls of these ops."""
    assert not (own / "error").exists(), (own / "error").read_text()
    found = exported.read_back(own)
    assert not found.missing
    exported.check(found)
    assert {node.op for node in exported.program_of(found).nodes} >= set(ops.split()), found.text
    return found
