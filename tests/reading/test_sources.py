"""What is loaded is what is named: a module is compiled from bytes that are read once, whatever lies beside it."""

import shutil
import sys

import pytest
from copied import Copied

ROW = "reference/ops/elementary.py"
"""A row that the tests edit."""
ASK = "from gradient_conformance.reference.ops import elementary; print(elementary.MARK)"
NAMED = "from gradient_conformance.harness.references import cache; print(cache.rules().hex())"


@pytest.fixture
def here(tmp_path):
    copied = Copied(tmp_path)
    with (tmp_path / ROW).open("a") as file:
        file.write("\nMARK = 'one'\n")
    return copied


def test_an_edit_that_keeps_time_and_length_is_loaded_and_named(here):
    before = here.run("-c", NAMED)
    assert here.run("-c", ASK).strip() == "one"
    assert list((here.folder / "reference" / "ops" / "__pycache__").glob("elementary*.pyc"))
    here.edit(ROW, "MARK = 'one'", "MARK = 'two'")
    assert here.run("-c", ASK).strip() == "two"
    assert here.run("-c", NAMED) != before


@pytest.mark.parametrize("mode", ["TIMESTAMP", "UNCHECKED_HASH"])
def test_a_pyc_that_does_not_name_its_source_by_content_is_not_believed(here, mode):
    """As pip and other tools compile them."""
    compiled = (
        "import py_compile; py_compile.compile({!r}, invalidation_mode=py_compile.PycInvalidationMode.{})"
    )
    here.run("-c", compiled.format(ROW, mode))
    here.edit(ROW, "MARK = 'one'", "MARK = 'two'")
    assert here.run("-c", ASK).strip() == "two"


@pytest.mark.parametrize("content", [b"", b"\0" * 16, b"half"])
def test_a_pyc_that_is_broken_is_made_anew(here, content):
    here.run("-c", ASK)
    [kept] = (here.folder / "reference" / "ops" / "__pycache__").glob("elementary*.pyc")
    whole = kept.read_bytes()
    for broken in (content, whole[:16] + content, whole[: len(whole) // 2]):
        kept.write_bytes(broken)
        assert here.run("-c", ASK).strip() == "one"
        assert kept.read_bytes() == whole


def test_what_was_compiled_for_the_same_bytes_is_not_compiled_again(here):
    here.run("-c", ASK)
    refusing = "import sys; from gradient_conformance import Loader; Loader.source_to_code = None; " + ASK
    assert here.run("-c", refusing).strip() == "one"


def test_an_edit_between_loading_and_naming_names_what_was_loaded(here):
    """A row that is saved after it was imported: its references must not carry the new one's name."""
    before = here.run("-c", NAMED)
    file = here.folder / ROW
    saved = f"from pathlib import Path; p = Path({str(file)!r}); p.write_text(p.read_text() + '# edited\\n')"
    script = f"import gradient_conformance.reference; {saved}; {NAMED}"
    assert here.run("-c", script, bytecode=False) == before
    assert here.run("-c", NAMED) != before


@pytest.mark.parametrize(
    "file", ["reference/rounding.py", "reference/backprop.py", ROW, "harness/references/variant.py"]
)
def test_every_edit_of_a_row_or_of_the_rule_has_another_name(here, file):
    before = here.run("-c", NAMED)
    with (here.folder / file).open("a") as stream:
        stream.write("\n# an edit\n")
    assert here.run("-c", NAMED) != before


def test_nothing_is_compiled_into_a_folder_that_cannot_be_written(here):
    folder = here.folder / "reference" / "ops"
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    (folder / "__pycache__").write_text("a file in its place")
    assert here.run("-c", ASK).strip() == "one"


def test_every_module_of_ours_that_is_loaded_knows_its_digest():
    ours = {name: module for name, module in sys.modules.items() if name.startswith("gradient_conformance.")}
    assert len(ours) > 5
    assert all(module.__spec__.loader.digest for module in ours.values() if module.__spec__.origin)
