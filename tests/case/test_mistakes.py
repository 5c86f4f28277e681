"""Every mistake is one message with its place, and the schema for editors refuses what the loader refuses."""

import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from gradient_conformance.harness.case.document import Mistake, case_schema, structure
from gradient_conformance.harness.case.limits import MAX_BYTES
from gradient_conformance.harness.case.loading import load, parse
from gradient_conformance.harness.errors import CaseError, HarnessError

HERE = Path(__file__).parent
SHIPPED = sorted((HERE.parents[1] / "cases").rglob("*.toml"))
WRONG = sorted((HERE / "wrong").glob("*.toml"))
VALIDATOR = jsonschema.Draft202012Validator(case_schema())


def ids(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", WRONG, ids=ids)
def test_a_wrong_file_is_refused_with_the_message_in_its_first_line(path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        load(path, path.parent)
    message = path.read_text().splitlines()[0].removeprefix("#").strip()
    separator = ":" if message[0].isdigit() else ": "
    assert str(caught.value).split(".toml", 1)[1] == separator + message
    assert str(caught.value).startswith(caught.value.file)
    assert "\n" not in str(caught.value)


def accepted(document: dict[str, Any]) -> bool:
    try:
        structure(document)
    except Mistake:
        return False
    return True


def is_toml(path: Path) -> bool:
    try:
        tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError:
        return False
    return True


@pytest.mark.parametrize("path", [*filter(is_toml, WRONG), *SHIPPED], ids=ids)
def test_schema_and_loader_judge_the_structure_alike(path: Path) -> None:
    document = parse(path.read_text())
    assert VALIDATOR.is_valid(document) == accepted(document)


def test_the_wrong_files_are_wrong_in_structure_and_beyond_it() -> None:
    """Otherwise the test above would compare nothing."""
    documents = [tomllib.loads(path.read_text()) for path in WRONG if is_toml(path)]
    refused = sum(not accepted(document) for document in documents)
    assert refused > 40
    assert len(documents) - refused > 40


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(case_schema())


def test_an_error_is_ours_and_survives_pickling() -> None:
    import pickle

    error = CaseError("cases/x.toml", "message", 5, 9)
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(error, HarnessError)
    assert str(again) == str(error) == "cases/x.toml:5:9: message"
    assert (again.line, again.column) == (5, 9)


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=rf"absent.toml: cannot be read: {os.strerror(errno.ENOENT)}"):
        load(tmp_path / "absent.toml", tmp_path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'title = "t"\nsource = "\xff"')
    with pytest.raises(CaseError, match=r"x.toml:2: the file is not UTF-8"):
        load(path, tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(CaseError, match="larger than 1000000 bytes"):
        load(path, tmp_path)


def test_a_file_outside_its_root_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("")
    with pytest.raises(CaseError, match="does not lie below the case root"):
        load(path, tmp_path / "elsewhere")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "x = " + "[" * 5000,
        "x = " + "{a = " * 5000,
        "x = 1" + "0" * 5000,
        "a" + ".a" * 5000 + " = 1",
        "\0",
    ],
)
def test_a_monstrous_file_is_a_message(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(CaseError):
        load(path, tmp_path)


def test_places_are_found_in_other_line_ends_and_strings(case: Any) -> None:
    for quoted in ('"y = A @ x\\nz = \\u0073igmiod(y)"', "'''y = A @ x\r\nz = sigmiod(y)'''"):
        with pytest.raises(CaseError, match='unknown op "sigmiod"') as caught:
            case(('"""\ny = A @ x\nz = sigmoid(y)\n"""', quoted))
        assert caught.value.line == (4 if "\r" in quoted else 3)


def test_a_message_names_the_variant_in_which_a_shape_does_not_fit(case: Any) -> None:
    with pytest.raises(CaseError, match=r"sizes 3 and 4 differ \(variant k:4\)"):
        case(("shape = [3]", 'shape = ["k"]'), add="[sweep]\nk = [3, 4]\n")


def test_paths_are_shown_from_the_working_directory(case: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaseError, match=r"^group/base.toml:5:5: unknown op"):
        case(("sigmoid", "sigmiod"))
