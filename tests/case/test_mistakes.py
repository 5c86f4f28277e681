"""Every mistake is one message with its place, and the schema for editors refuses what the loader refuses."""

import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from gradient_conformance.harness.case.document import case_schema
from gradient_conformance.harness.case.limits import MAX_BYTES
from gradient_conformance.harness.case.loading import load, parse, read_toml, structure
from gradient_conformance.harness.case.mistakes import Mistake
from gradient_conformance.harness.errors import CaseError, HarnessError
from wrong import BASE, MESSAGES, WRONG, changed

HERE = Path(__file__).parent
SHIPPED = {path.stem: path.read_text() for path in sorted((HERE.parents[1] / "cases").rglob("*.toml"))}
VALIDATOR = jsonschema.Draft202012Validator(case_schema())


@pytest.mark.parametrize("name", WRONG)
def test_a_text_with_one_mistake_is_refused_with_one_message(name: str) -> None:
    """Nothing is told beside it of what only follows from it."""
    with pytest.raises(CaseError) as caught:
        parse(WRONG[name], "base", root=HERE)
    separator = ":" if MESSAGES[name][0].isdigit() else ": "
    assert str(caught.value) == f"base.toml{separator}{MESSAGES[name]}"


MANY = '''title = "t"
sorce = "s"
program = """
y = A @ x
z = sigmiod(y)
w = exp(x + B)
u = (w + 1) @ v
q = relu(u, axis=1)
loss = sum(q * n) + sum(z) + y
"""
values = ["nothing"]

[sizes]
k = 3
pi = 2

[tensors]
A = { shape = [2, 3], uniform = [1, -1] }
x = { shape = [3], unifrom = [-1, 1], dtype = "int23" }
B = { shape = [4], full = 1 }
v = { shape = [2], full = true }
n = { shape = ["k + "], full = 1 }
m = { shape = [3], full = 1 }
o = { shape = [4], full = 1 }

[cotangents]
loss = { shape = [2], full = 2 }

[[expect]]
value = "loss"
is = "1e999"

[[expect]]
gradient = "A"
is = 1
'''


def test_all_mistakes_that_do_not_follow_from_another_are_told_in_the_order_of_the_file(
    tmp_path: Path,
) -> None:
    with pytest.raises(CaseError) as caught:
        parse(MANY, "many", root=tmp_path)
    found = [line.removeprefix("many.toml:").partition(";")[0] for line in str(caught.value).splitlines()]
    assert found == [
        '2:1: unknown key "sorce"',
        '5:5: unknown op "sigmiod"',
        '8:13: relu has no attribute "axis"',
        '11:11: "nothing" is not assigned in the program',
        '15:1: "pi" cannot be a size: it is a constant already',
        "18:33: uniform needs low and high, in this order, not 1.0 and -1.0",
        '19:20: unknown key "unifrom"',
        '19:47: tensors.x.dtype is "int23"',
        '21:27: true needs dtype = "bool"',
        '22:17: the dimension "k + " cannot be read',
        '27:10: unknown key "shape"',
        '31:6: "1e999" is beyond what a float64 holds',
        "33:3: expect[1] has 1, but must have a string or a list of such",
    ]


def test_shapes_of_independent_statements_and_names_that_nothing_uses_are_told_together() -> None:
    with pytest.raises(CaseError) as caught:
        parse(
            changed(
                ("z = sigmoid(y)", "u = y + A\nv = A @ A\nz = sigmoid(y) + sum(u) * sum(v)"),
                "B = { shape = [2], full = 1 }\n\n[sizes]\nk = 1\n",
            ),
            "base",
        )
    found = [line.removeprefix("base.toml:").partition(";")[0] for line in caught.value.lines]
    assert [line.split(": ")[1] for line in found[:2]] == ["add", "matmul"]
    assert found[2:] == ['13:1: the program does not use the tensor "B"', '16:1: "k" is used nowhere']


def test_of_many_mistakes_twenty_are_told_and_the_others_counted() -> None:
    def lines(count: int) -> list[str]:
        statements = "".join(f"y{i} = nothing{i}(x)\n" for i in range(count))
        with pytest.raises(CaseError) as caught:
            parse(changed(("y = A @ x\n", f"y = A @ x\n{statements}")), "base")
        return caught.value.lines

    assert len(lines(20)) == 20
    assert (len(lines(57)), lines(57)[-1]) == (21, "base.toml: and 37 more mistakes")
    assert lines(2_000)[-1] == "base.toml: and at least 80 more mistakes"


def accepted(document: dict[str, Any]) -> bool:
    try:
        structure(document)
    except Mistake:
        return False
    return True


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


DOCUMENTS = {name: text for name, text in WRONG.items() if is_toml(text)}


@pytest.mark.parametrize("text", [*DOCUMENTS.values(), *SHIPPED.values()], ids=[*DOCUMENTS, *SHIPPED])
def test_schema_and_loader_judge_the_structure_alike(text: str) -> None:
    document = read_toml(text)
    assert VALIDATOR.is_valid(document) == accepted(document)


def test_the_wrong_texts_are_wrong_in_structure_and_beyond_it() -> None:
    """Otherwise the test above would compare nothing."""
    refused = sum(not accepted(tomllib.loads(text)) for text in DOCUMENTS.values())
    assert refused > 40
    assert len(DOCUMENTS) - refused > 40


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(case_schema())


def test_an_error_is_ours_and_survives_pickling() -> None:
    import pickle

    error = CaseError("cases/x.toml", "message", 5, 9, [CaseError("cases/x.toml", "other", 6)], "7")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(error, HarnessError)
    assert str(again) == str(error)
    assert again.lines == [
        "cases/x.toml:5:9: message", "cases/x.toml:6: other", "cases/x.toml: and 7 more mistakes",
    ]  # fmt: skip
    assert (again.line, again.column) == (5, 9)


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=rf"absent.toml: cannot be read: {os.strerror(errno.ENOENT)}"):
        load(tmp_path / "absent.toml", tmp_path)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'title = "t"\nsource = "\xff"')
    with pytest.raises(CaseError, match=r"x.toml:2: the file is not UTF-8"):
        load(path, tmp_path)


def test_a_mark_of_byte_order_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "x.toml").write_text(BASE.replace("A @ x", "A @ u"), encoding="utf-8-sig")
    with pytest.raises(CaseError, match=r'x.toml:4:9: unknown name "u"'):
        load(tmp_path / "x.toml", tmp_path)


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
