"""What is written of a case is the same case when it is read again, and reads as people write it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gradient_conformance.harness.case.document import Document
from gradient_conformance.harness.case.loading import document_of, load, parse, structure
from gradient_conformance.harness.case.variant import Case
from gradient_conformance.harness.case.writing import write
from gradient_conformance.harness.errors import CaseError
from hypothesis import example, given
from hypothesis import strategies as st
from wrong import BASE

ROOT = Path(__file__).parents[2] / "cases"
FILES = sorted(ROOT.rglob("*.toml"))


def counting(case: Case) -> tuple[Any, ...]:
    """All of a case but where it stands in a file."""
    variants = [replace(variant, text="", file="") for variant in case.variants]
    return replace(case, variants=(), expects=()), variants, [replace(e, place="") for e in case.expects]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_case_is_itself_when_it_is_written_and_read_again(path: Path) -> None:
    case, text = load(path, ROOT, proven=False), write(document_of(path.read_text()))
    assert counting(parse(text, case.name, root=ROOT, proven=False)) == counting(case)


texts = st.text(st.characters(exclude_categories=["Cs"]))
words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
numbers = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats())
documents = st.fixed_dictionaries(
    {
        "title": texts.filter(bool),
        "program": st.one_of(texts, st.lists(texts).map("\n".join)),
        "tensors": st.dictionaries(
            words, st.fixed_dictionaries({"values": st.recursive(numbers, st.lists)}), min_size=1
        ),
    },
    optional={
        "gradients": st.lists(texts, min_size=1),
        "sweep": st.dictionaries(words, st.lists(st.one_of(numbers, words), min_size=1)),
        "cotangents": st.dictionaries(
            texts, st.fixed_dictionaries({"choice": st.lists(numbers, min_size=1)})
        ),
        "expect": st.lists(st.fixed_dictionaries({"value": texts, "is": st.just(["1/5", ".5e-3"])})),
    },
)


@example({"title": "0", "program": '\n"', "tensors": {"C": {"values": []}}})
@given(documents)
def test_every_text_and_number_is_read_as_it_was_written(data: dict[str, Any]) -> None:
    wanted = structure(data)
    for text in (write(data), write(wanted)):
        assert repr(document_of(text)) == repr(wanted)


def test_a_written_case_reads_as_people_write_it() -> None:
    assert write(document_of(BASE)) == BASE.replace("-1, 1", "-1.0, 1.0")


def test_a_text_alone_is_a_case_and_has_no_files_beside_it(tmp_path: Path) -> None:
    case = parse(BASE, "of/a/shrinker")
    assert (case.name, [variant.id for variant in case.variants]) == ("of/a/shrinker", [""])
    assert case.variants[0].draw("float32").keys() == {"A", "x"}
    assert isinstance(document_of(BASE), Document)
    text = BASE.replace("shape = [3], uniform = [-1, 1]", 'shape = [3], file = "x.npy"')
    with pytest.raises(
        CaseError, match=r'^a/b.toml:10:27: "x.npy": a case that is a text alone has no files'
    ):
        parse(text, "a/b")
    with pytest.raises(CaseError, match=r'there is no file "x.npy" beside the case'):
        parse(text, "a/b", root=tmp_path)
