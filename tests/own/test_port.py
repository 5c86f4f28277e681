"""`harness port`: right ports differ in nothing, and wrong conventions that are planted are found, placed and named."""

from dataclasses import dataclass

import numpy as np
import pytest
from client import interpreter
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.writing import write
from gradient_conformance.harness.frameworks.found import framework, shipped_adapters
from gradient_conformance.harness.own.exported import document_of, export
from gradient_conformance.harness.own.porting.differing import told_of
from gradient_conformance.harness.own.porting.door import Described, Model
from gradient_conformance.harness.own.porting.porting import Porting
from ports import FAULTS, ORIGINALS, PORTS, faulty

pytestmark = pytest.mark.framework


@dataclass
class Original:
    exported: object
    variant: object
    described: Described


@pytest.fixture(scope="session")
def originals(tmp_path_factory):
    """Each original exported once, by name."""
    known = {}

    def get(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            file, target = folder / "mine.py", folder / "cases" / "own" / "mine.toml"
            file.write_text(ORIGINALS[name])
            python = interpreter("torch")
            torch = framework("torch", shipped_adapters() / "torch" / "adapter.py")
            with Model(python, file, "make", dtype="") as model:
                exported = export(torch, python, file, "make")
                described = model.described()
            target.parent.mkdir(parents=True)
            target.write_text(write(document_of(exported, "t", "s", "mine.npz", redrawn=False)))
            np.savez(target.with_suffix(".npz"), **exported.tensors)
            [variant] = load(target, folder / "cases").variants
            known[name] = Original(exported, variant, described)
        return known[name]

    return get


def compared(original, python, text, tmp_path):
    """What becomes of a port with this text, and what is said."""
    (tmp_path / "theirs.py").write_text(text)
    with Model(python, tmp_path / "theirs.py", "make") as port:
        porting = Porting.of(original.exported, original.variant, original.described, port, {})
        porting.check_paired()
        found = porting.compares()
    return found, "\n".join([*porting.pairing.lines(), *told_of(found, porting.sources)])


def python_of(name):
    import sys

    return [sys.executable] if name == "tests" else interpreter(name)


@pytest.mark.parametrize("name", PORTS)
def test_nothing_differs_in_a_right_port_however_it_lays_its_parameters(name, originals, tmp_path):
    original, python, text = PORTS[name]
    found, said = compared(originals(original), python_of(python), text, tmp_path)
    assert found.agrees, said
    assert "nothing differs" in said


def test_a_port_that_shows_no_gradients_is_told_so_and_one_of_numpys_arrays_is_its_functions(
    originals, tmp_path
):
    found, said = compared(
        originals("block"), python_of("jax"), PORTS["block to JAX, its parameters NumPy's"][2], tmp_path
    )
    assert found.agrees
    assert "NOT SHOWN" not in said
    assert "gradient" in said
    text = PORTS["block to NumPy"][2].replace("return loss, g", "return loss")
    found, said = compared(originals("block"), python_of("tests"), text, tmp_path)
    assert "NOT SHOWN by the port, so not judged: gradient of " in said


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_convention_is_found_placed_and_named(name, originals, tmp_path):
    port, _, _, op, words = FAULTS[name]
    original, python, _ = PORTS[port]
    original = originals(original)
    found, said = compared(original, python_of(python), faulty(name), tmp_path)
    print(said)
    assert not found.agrees
    first = found.differences[0]
    assert original.variant.program.nodes[first.calls[0]].op == op
    assert words in first.likely
