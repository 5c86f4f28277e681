"""A case's name stands in ids, commands, patterns and files' names: one rule says which names do, and everybody holds to it."""

import unicodedata
from pathlib import Path

import pytest
from gradient_conformance.harness.case.library import CaseGone, Library
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.cli import main
from gradient_conformance.harness.errors import CaseError
from gradient_conformance.harness.reading.text import CONTROL
from gradient_conformance.harness.run.ids import CellId
from wrong import BASE

ALLOWED = [
    "a b", "größe", unicodedata.normalize("NFD", "größe"), "日本", "हिन्दी", "x=1,y", "a+b@c", "v1.2-rc_3", "_a", "2", "deep/er/a b", "a.", "x" * 200,
]  # fmt: skip
REFUSED = [
    "a::b", "a:b", "a'b", 'a"b', "a[1]", "a;b", "$(x)", "a\nb", "a\tb", "a\\b", "-a", ".a", " a", "a ", "a  b", "deep/-a", "de ep /a", "a*", "a?", "a|b",
    "a`b", "<a>", "a&b", "a%b", "a#b", "a{b}", "a~b", "a!b", "a\u202eb", "a\u200bb", "@a", "x" * 201,
]  # fmt: skip


def placed(root: Path, name: str) -> Path:
    path = root / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(BASE)
    return path


@pytest.mark.parametrize("name", ALLOWED)
def test_a_name_of_letters_of_any_script_is_found_and_its_ids_are_read_back(
    tmp_path: Path, name: str
) -> None:
    case = load(placed(tmp_path, name), tmp_path)
    assert case.name == name
    assert Library([tmp_path]).case(name).name == name
    id = CellId(name, "k:3-x:a", "float32", "torch", "eager")
    assert CellId.parse(str(id)) == id


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_name_is_refused_alike_wherever_it_comes_from(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = placed(tmp_path, name)
    with pytest.raises(CaseError, match="a case's name can't have ") as caught:
        load(path, tmp_path)
    assert not CONTROL.search(str(caught.value))
    for words in (["check", str(tmp_path)], ["certify", str(tmp_path)]):
        assert main(words) in (1, 2)
        assert caught.value.message in capsys.readouterr().err
    with pytest.raises(CaseGone):
        Library([tmp_path]).case(name)
    _, broken = Library([tmp_path]).all()
    assert [error.message for error in broken.values()] == [caught.value.message]
