"""Places of keys and values in every shape that TOML allows."""

import pytest
from gradient_conformance.harness.reading.locate import Locator

TEXT = """# a comment with [brackets] and "quotes
title = "a # no comment"
'quoted key' = 'x'
a.b.c = [1, [2, 3], # comment
  { d = 4, "e f" = 5 } ]
multi = '''
first
second'''

[table.inner] # comment
when = 2020-01-01 10:00:00
[[list]]
x = 1
[[list]]
x = 2
[list.sub]
y = 3
"""


@pytest.mark.parametrize(
    ("path", "word"),
    [
        (("title",), '"a # no'),
        (("quoted key",), "'x'"),
        (("a", "b", "c"), "[1,"),
        (("a", "b", "c", 0), "1,"),
        (("a", "b", "c", 1, 1), "3]"),
        (("a", "b", "c", 2, "d"), "4"),
        (("a", "b", "c", 2, "e f"), "5"),
        (("table", "inner", "when"), "2020-01-01 10:00:00"),
        (("list", 0, "x"), "1\n[[list]]\nx = 2"),
        (("list", 1, "x"), "2\n[list.sub]"),
        (("list", 1, "sub", "y"), "3\n"),
    ],
)
def test_a_value_is_found(path: tuple[str | int, ...], word: str) -> None:
    locator = Locator(TEXT)
    line, column = locator.value(path) or (0, 0)
    assert locator.place(TEXT.index(word)) == (line, column)


def test_a_key_is_found() -> None:
    assert Locator(TEXT).key(("a", "b", "c", 2, "e f")) == (5, 12)


def test_an_unknown_path_falls_back_on_what_surrounds_it() -> None:
    assert Locator(TEXT).value(("a", "b", "c", 2, "nothing")) == (5, 3)
    assert Locator(TEXT).value(("nothing",)) is None


def test_a_place_in_a_string_counts_from_its_first_line() -> None:
    assert Locator(TEXT).in_string(("multi",), 1, 1) == (7, 1)
    assert Locator(TEXT).in_string(("multi",), 2, 3) == (8, 3)


def test_escapes_and_continued_lines_keep_their_places() -> None:
    locator = Locator('x = """\\\n   a\\tb \\\n  \\u00e9 c"""')
    assert locator.in_string(("x",), 1, 1) == (2, 4)
    assert locator.in_string(("x",), 1, 3) == (2, 7)
    assert locator.in_string(("x",), 1, 5) == (3, 3)
    assert locator.in_string(("x",), 1, 7) == (3, 10)


def test_duplicates_are_seen_with_both_places() -> None:
    duplicate = Locator("[t]\na = 1\nb = 2\na = 3\n").duplicates[0]
    assert (duplicate.path, duplicate.first, duplicate.second) == (("t", "a"), 4, 16)


def test_a_table_after_its_subtable_is_no_duplicate() -> None:
    assert Locator("[t.s]\na = 1\n[t]\nb = 2\n").duplicates == []
