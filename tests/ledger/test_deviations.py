"""The ledger excuses what is written down, exactly, and fails where the world has moved on."""

import errno
import math
import os
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.ledger.entries import AmbiguousLedger, Ledger, LedgerError
from gradient_conformance.harness.ledger.reading import load, load_given
from gradient_conformance.harness.run.lines import LARGEST
from gradient_conformance.harness.verdict import Verdict

CELL = "notebooks/two_branches::k:3-float32-mxnet-eager"
ENTRY = """\
[[deviation]]
cell = "notebooks/two_branches::k:*-mxnet-eager"
dtype = "float32"
version = ">=1.9,<2"
used = [1.5, 3.0]
reason = "sigmoid's gradient is taken from a rounded output"
evidence = "https://example.org/issue/1"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger's place."""
    return tmp_path / "deviations.toml"


def ledger(path: Path, text: str = ENTRY) -> Ledger:
    """The ledger of mxnet with this text."""
    path.write_text(text)
    return load(path, "mxnet")


def judged(ledger: Ledger, verdict: Verdict, used: float | None, **changes: Any) -> tuple[Verdict, str]:
    """What the ledger makes of a cell that the entry speaks of, but for the changes."""
    cell = {"cell_id": CELL, "dtype": "float32", "version": "1.9.1", **changes}
    verdict, message, _ = ledger.judge(**cell, verdict=verdict, used=used)
    return verdict, message


def test_an_entry_is_read_whole(path: Path) -> None:
    """With the line where it begins."""
    (entry,) = ledger(path, "# a comment\n\n" + ENTRY).entries
    assert (entry.cell, entry.dtype) == ("notebooks/two_branches::k:*-mxnet-eager", "float32")
    assert entry.used == (1.5, 3.0)
    assert entry.evidence == "https://example.org/issue/1"
    assert entry.place == f"{path}:3"


@pytest.mark.parametrize("text", ["", "# Known disagreements of mxnet.\n"])
def test_a_ledger_may_hold_nothing(path: Path, text: str) -> None:
    """The usual case."""
    assert ledger(path, text).entries == ()


def test_an_adapter_without_a_ledger_has_no_known_deviations(tmp_path: Path) -> None:
    """A foreign adapter needs no empty file."""
    assert load(tmp_path / "none.toml", "mxnet") == Ledger("mxnet")


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax", "mxnet"])
def test_the_shipped_ledgers_are_well_formed(framework: str) -> None:
    """Every one of them."""
    shipped = Path(__file__).parents[2] / "adapters" / framework / "deviations.toml"
    assert shipped.is_file()
    load(shipped, framework)


JIT, F64 = CELL.replace("eager", "jit"), CELL.replace("32", "64")
WIDE = ENTRY.replace("k:*-mxnet-eager", "*")
EAGER, PHASES = f'{WIDE}mode = "eager"\n', f'{ENTRY}phase = ["gradient", "parameter"]\n'
ANY_DTYPE = ENTRY.replace('dtype = "float32"\n', "")
SET = ENTRY.replace("k:*", "k:[!0-2]-*")
INFINITE = [ENTRY.replace("[1.5, 3.0]", f"[{high}, {high}]") for high in ("inf", repr(LARGEST))]


@pytest.mark.parametrize(
    ("text", "used", "changes"),
    [
        *((ENTRY, used, {}) for used in (1.5, 2.0, 3.0)),
        *((ENTRY, 2.0, {"version": version}) for version in ("1.9", "1.9.1", "1.9.1+cpu", "1.10rc1")),
        (WIDE, 2.0, {"cell_id": JIT}),
        (EAGER, 2.0, {}),
        *((PHASES, 2.0, {"phases": phases}) for phases in ({"gradient"}, {"gradient", "parameter"})),
        (ANY_DTYPE, 2.0, {}),
        (ANY_DTYPE, 2.0, {"cell_id": F64, "dtype": "float64"}),
        (SET, 2.0, {}),
        *((text, used, {}) for text in INFINITE for used in (math.inf, LARGEST)),
    ],
)
def test_a_disagreement_of_which_an_entry_speaks_is_a_known_deviation(
    path: Path, text: str, used: float, changes: dict[str, Any]
) -> None:
    """Both ends of the range are in it; reason, place and entry are told."""
    known = ledger(path, text)
    cell = {"cell_id": CELL, "dtype": "float32", "version": "1.9.1", **changes}
    verdict, message, entry = known.judge(**cell, verdict=Verdict.DISAGREE, used=used)
    assert verdict is Verdict.KNOWN_DEVIATION
    assert message == f"{path}:1: sigmoid's gradient is taken from a rounded output"
    assert entry is known.entries[0]


@pytest.mark.parametrize("verdict", [Verdict.AGREE, Verdict.DISAGREE])
@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (ENTRY, {"cell_id": "notebooks/other::k:3-float32-mxnet-eager"}),
        (ENTRY, {"cell_id": CELL.upper()}),
        (ENTRY, {"cell_id": F64, "dtype": "float64"}),
        (EAGER, {"cell_id": JIT}),
        (SET, {"cell_id": CELL.replace("k:3", "k:1")}),
    ],
)
def test_other_cells_are_left_alone(path: Path, verdict: Verdict, text: str, changes: dict[str, str]) -> None:
    """By pattern, case and all, by dtype and by mode; and none of them keeps the entry alive."""
    known = ledger(path, text)
    assert judged(known, verdict, 2.0, **changes) == (verdict, "")
    assert len(known.unmatched([changes["cell_id"]])) == 1


@pytest.mark.parametrize(
    ("used", "told", "wider"),
    [
        (math.nextafter(1.5, 0), "1.5", "[1.4, 3]"),
        (1.25, "1.25", "[1.2, 3]"),
        (math.nextafter(3.0, 4), "3", "[1.5, 3.1]"),
        (1234.5, "1234", "[1.5, 1300]"),
        (math.inf, "∞", "[1.5, inf]"),
        (1.5e300, "1.5e+300", "[1.5, 1.5e+300]"),
    ],
)
def test_a_disagreement_outside_the_range_makes_the_entry_stale(
    path: Path, used: float, told: str, wider: str
) -> None:
    """Below as well as above: whatever it is, it isn't what was written down. The new entry is there to paste."""
    verdict, message = judged(ledger(path), Verdict.DISAGREE, used)
    assert verdict is Verdict.STALE
    *pasted, last = message.splitlines()
    assert last == (
        f"{path}:1: this deviation left its range: used is {told}, was 1.5 to 3; "
        "find out what changed, then put the text above in place of lines 1-7"
    )
    assert "\n".join(pasted) + "\n" == ENTRY.replace("[1.5, 3.0]", wider)
    assert judged(ledger(path, "\n".join(pasted)), Verdict.DISAGREE, used)[0] is Verdict.KNOWN_DEVIATION


@pytest.mark.parametrize(("used", "told"), [(None, "no number"), (0.5, "0.5")])
def test_what_no_range_can_hold_is_not_proposed(path: Path, used: float | None, told: str) -> None:
    """A text to paste that would be refused is no help."""
    verdict, message = judged(ledger(path), Verdict.DISAGREE, used)
    assert verdict is Verdict.STALE
    assert message == (
        f"{path}:1: this deviation left its range: used is {told}, was 1.5 to 3; "
        "find out what changed, then correct lines 1-7"
    )


def test_agreement_makes_an_entry_stale(path: Path) -> None:
    """A ledger doesn't outlive its reason. Where a pattern may cover more, that is said."""
    verdict, message = judged(ledger(path), Verdict.AGREE, 0.2)
    assert verdict is Verdict.STALE
    assert message == (
        f"{path}:1: this deviation no longer occurs here; "
        "delete lines 1-7, or narrow its pattern to what still deviates"
    )
    one = ledger(path, "\n\n" + ENTRY.replace("k:*", "k:3-float32"))
    assert (
        judged(one, Verdict.AGREE, 0.2)[1] == f"{path}:3: this deviation no longer occurs; delete lines 3-9"
    )


def test_the_lines_of_an_entry_are_its_own(path: Path) -> None:
    """From its header to its last value: comments and blank lines behind it belong to the next entry."""
    multiline = ENTRY.replace('"https://example.org/issue/1"', '"""\n# measured\n[[deviation]]\n"""  # so')
    text = f"# file\n{ENTRY}\n# about the next\n\n{multiline}# end"
    blocks = [entry.block for entry in ledger(path, text).entries]
    assert [(block.first, block.last) for block in blocks] == [(2, 8), (12, 21)]
    assert [block.text + "\n" for block in blocks] == [ENTRY, multiline]


def with_fields(*lines: str) -> str:
    """The entry with further fields."""
    return ENTRY + "".join(f"{line}\n" for line in lines)


def test_an_entry_may_say_more(path: Path) -> None:
    """Mode, phase, link, minimal case, since when."""
    more = 'mode = "eager"|phase = ["value", "gradient"]|link = "https://example.org"|case = "ops/sigmoid"'
    (entry,) = ledger(path, with_fields(*more.split("|"), "since = 2026-01-31")).entries
    assert (entry.mode, entry.phase) == ("eager", ("value", "gradient"))
    assert (entry.link, entry.case, entry.since) == ("https://example.org", "ops/sigmoid", "2026-01-31")
    for since in ("2026-01-31", "1.9.1"):
        assert ledger(path, with_fields(f'since = "{since}"')).entries[0].since == since


def test_a_disagreement_in_another_phase_makes_the_entry_stale(path: Path) -> None:
    """A wrong gradient that is known says nothing of a wrong value."""
    text = with_fields('phase = "gradient"  # the value is right')
    verdict, message = judged(ledger(path, text), Verdict.DISAGREE, 2.0, phases={"gradient", "value"})
    assert verdict is Verdict.STALE
    pasted, _, last = message.rpartition("\n")
    assert "left its phase: what disagrees is value, gradient, was gradient; find out" in last
    assert pasted + "\n" == text.replace('"gradient"', '["value", "gradient"]')


def test_an_entry_that_left_range_and_phase_says_both(path: Path) -> None:
    """And both are corrected in the text to paste."""
    known = ledger(path, with_fields('phase = "gradient"'))
    _, message = judged(known, Verdict.DISAGREE, 7.77, phases={"value"})
    assert "left its range: used is 7.77, was 1.5 to 3 and its phase: what disagrees is value" in message
    assert "used = [1.5, 7.8]" in message
    assert 'phase = ["value", "gradient"]' in message


def test_a_minimal_case_must_be_there(path: Path) -> None:
    """A case, or a variant of one."""
    for case in ("ops/sigmoid", "ops/sigmoid::k:1"):
        known = ledger(path, with_fields(f'case = "{case}"'))
        assert known.unmatched([CELL, "ops/sigmoid::k:1-float32-mxnet-eager"]) == []
        assert known.unmatched([CELL, "ops/sigmoids::k:10-float32-mxnet-eager"]) == [
            f"{path}:1: case = {case!r} is no case of mxnet's cells; correct it"
        ]


def test_a_ledger_of_ones_own_adds_to_any_framework(path: Path, tmp_path: Path) -> None:
    """Its entries name their framework, and count beside those of the framework's ledger."""
    own = tmp_path / "own.toml"
    own.write_text(with_fields('framework = "torch"') + with_fields('framework = "mxnet"'))
    given = load_given([own], ["mxnet", "torch"])
    joined = Ledger("mxnet").joined(given)
    assert [entry.place for entry in joined.entries] == [f"{own}:9"]
    assert judged(joined, Verdict.DISAGREE, 2.0)[0] is Verdict.KNOWN_DEVIATION
    with pytest.raises(AmbiguousLedger, match=f"{own}:9: .* is spoken of by {path}:1 too"):
        judged(ledger(path).joined(given), Verdict.DISAGREE, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ENTRY, "1: deviation 1: framework missing; an entry needs .*, framework"),
        (with_fields('framework = "mxnett"'), "1: framework = 'mxnett': .*did you mean \"mxnet\""),
    ],
)
def test_a_ledger_of_ones_own_must_name_a_known_framework(path: Path, text: str, message: str) -> None:
    """Otherwise its entries would be silently ignored."""
    path.write_text(text)
    with pytest.raises(LedgerError, match=f"{path}:{message}"):
        load_given([path], ["mxnet", "torch"])
    with pytest.raises(LedgerError, match=f"can't read it: {os.strerror(errno.ENOENT)}"):
        load_given([path.with_name("none.toml")])


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - {Verdict.AGREE, Verdict.DISAGREE}))
def test_an_entry_changes_no_other_verdict(path: Path, verdict: Verdict) -> None:
    """A crash is a crash, whatever disagreement was known."""
    assert ledger(path).judge(CELL, "float32", "1.9.1", verdict, 2.0) == (verdict, "", None)


@pytest.mark.parametrize("version", ["1.8.9", "2.0", "nightly", ""])
def test_a_disagreement_of_another_version_stays_one_and_names_the_entry(path: Path, version: str) -> None:
    """An entry excuses nothing that nobody looked at."""
    verdict, message = judged(ledger(path), Verdict.DISAGREE, 2.0, version=version)
    assert verdict is Verdict.DISAGREE
    assert message == f"{path}:1: known for mxnet <2,>=1.9, this is {version}"


@pytest.mark.parametrize("verdict", [Verdict.AGREE, Verdict.DISAGREE])
def test_two_entries_for_one_cell_are_an_error(path: Path, verdict: Verdict) -> None:
    """Which of the two is right, nobody can tell."""
    twice = ledger(path, ENTRY + ENTRY.replace("k:*", "*"))
    with pytest.raises(
        AmbiguousLedger, match=rf"{path}:8: {CELL} is spoken of by {path}:1 too; let one entry"
    ):
        judged(twice, verdict, 2.0)


def test_two_entries_may_divide_versions_among_them(path: Path) -> None:
    """The same cell, before and after; agreement of a version that none speaks of is no news."""
    divided = ledger(path, ENTRY + ENTRY.replace(">=1.9,<2", ">=2").replace("[1.5, 3.0]", "[5, 6]"))
    assert judged(divided, Verdict.DISAGREE, 2.0)[0] is Verdict.KNOWN_DEVIATION
    assert judged(divided, Verdict.DISAGREE, 5.5, version="2.1")[1].startswith(f"{path}:8: ")
    assert judged(divided, Verdict.AGREE, 0.5, version="1.0") == (Verdict.AGREE, "")


def test_an_entry_that_speaks_of_no_judged_cell_is_told(path: Path) -> None:
    """Its case was renamed, or never existed."""
    renamed = ledger(path, ENTRY + ENTRY.replace("two_branches", "gone"))
    assert renamed.unmatched([CELL, "published/mazur::float32-mxnet-eager"]) == [
        f"{path}:8: 'notebooks/gone::k:*-mxnet-eager' matches no cell of mxnet; correct it or delete lines 8-14"
    ]


def test_only_cells_of_the_ledgers_own_framework_and_dtype_count(path: Path) -> None:
    """A wide pattern isn't kept alive by the cells of another framework."""
    wide = ledger(path, ENTRY.replace("notebooks/two_branches::k:*-mxnet-eager", "*-eager"))
    assert wide.unmatched([CELL]) == []
    for other in (CELL.replace("mxnet", "torch"), CELL.replace("float32", "float64")):
        assert len(wide.unmatched([other])) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("reason =", "reasons =", "13: deviation 2: unknown key 'reasons'; .*did you mean \"reason\"\\?"),
        ("reason =", "because =", "unknown key 'because'; allowed are cell, version, used, reason, evidence"),
        (
            'version = ">=1.9,<2"\nused = [1.5, 3.0]\n',
            "",
            r"8: deviation 2: version, used missing; an entry needs cell, version, used, reason, evidence",
        ),
        ('"notebooks/two_branches::k:*-mxnet-eager"', '"  "', "9: deviation 2: cell = '  ': must be a text"),
        (
            "two_branches",
            "two[_branches",
            r"9: deviation 2: cell = .*: '\[' opens a set of characters, and no '\]'",
        ),
        (
            '"float32"',
            '"float16"',
            "10: deviation 2: dtype = 'float16': must be float32 or float64, or left out",
        ),
        ('"float32"', '["float32"]', r"dtype = \['float32'\]: must be float32 or float64"),
        (
            ">=1.9,<2",
            "1.9",
            "11: deviation 2: version = '1.9': must be a PEP 440 specifier such as '>=1.9,<2'",
        ),
        (">=1.9,<2", "", "version = '': must be a text that isn't empty"),
        ("[1.5, 3.0]", "2", r"12: deviation 2: used = 2: must be two numbers, \[lowest, highest\]"),
        ("[1.5, 3.0]", "[1.5]", r"used = \[1.5\]: must be two numbers"),
        ("[1.5, 3.0]", "[1, 2, 3]", r"used = \[1, 2, 3\]: must be two numbers"),
        ("[1.5, 3.0]", '["1", "2"]', r"used = \['1', '2'\]: must be two numbers"),
        ("[1.5, 3.0]", "[true, 3]", r"used = \[True, 3\]: must be two numbers"),
        (
            "[1.5, 3.0]",
            "[3, 1.5]",
            r"used = \[3, 1.5\]: must be 1 <= lowest <= highest: up to 1 a cell agrees",
        ),
        ("[1.5, 3.0]", "[0.5, 3]", r"used = \[0.5, 3\]: must be 1 <= lowest"),
        ("[1.5, 3.0]", "[1, nan]", r"used = \[1, nan\]: must be 1 <= lowest"),
        (
            '"https://example.org/issue/1"',
            '""',
            "14: deviation 2: evidence = '': must be a text that isn't empty",
        ),
        ('"sigmoid', "'' # \"", "13: deviation 2: reason = '': must be a text that isn't empty"),
        (
            "reason =",
            'framework = "torch"\nreason =',
            "13: .*'torch': this is the ledger of mxnet; leave it out",
        ),
        ("reason =", "mode = 1\nreason =", "13: deviation 2: mode = 1: must be a text"),
        (
            "reason =",
            'phase = "step"\nreason =',
            "phase = 'step': must be value, gradient, parameter or a list",
        ),
        ("reason =", "phase = []\nreason =", r"phase = \[\]: must be value"),
        ("reason =", 'phase = ["value", 1]\nreason =', r"phase = \['value', 1\]: must be value"),
        ("reason =", 'link = "example.org"\nreason =', "link = 'example.org': must be an address, https://"),
        ("reason =", 'case = ""\nreason =', "case = '': must be a text that isn't empty"),
        ("reason =", 'since = "lately"\nreason =', "since = 'lately': must be a date such as 2026-01-31, or"),
        ("reason =", "since = 1.9\nreason =", "since = 1.9: must be a date"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_entry(path: Path, old: str, new: str, message: str) -> None:
    """Nothing of a ledger is silently ignored."""
    assert old in ENTRY
    with pytest.raises(LedgerError, match=message) as caught:
        ledger(path, ENTRY + ENTRY.replace(old, new))
    assert str(caught.value).startswith(f"{path}:")
    assert isinstance(caught.value, HarnessError)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[[deviations]]\n",
            r'toml:1: unknown key \'deviations\'; allowed are deviation; did you mean "deviation"\?',
        ),
        ("\n[deviation]\n", r"toml:2: begin each entry with a line \[\[deviation\]\]"),
        ("deviation = [{}]\n", r"toml:1: begin each entry with a line \[\[deviation\]\]"),
        ("deviation = [1]\n", r"toml:1: begin each entry with a line \[\[deviation\]\]"),
        ("[[deviation]\n", r"toml: not TOML: "),
        (ENTRY + 'reason = "again"\n', r"toml: not TOML: .*\b8\b"),
    ],
)
def test_what_is_no_ledger_is_refused(path: Path, text: str, message: str) -> None:
    """Duplicate keys and misspelt tables too."""
    with pytest.raises(LedgerError, match=message):
        ledger(path, text)


def test_a_ledger_that_cannot_be_read_is_no_empty_one(tmp_path: Path) -> None:
    """A folder, a missing permission, a broken encoding."""
    with pytest.raises(LedgerError, match=f"can't read it: {os.strerror(errno.EISDIR)}"):
        load(tmp_path, "mxnet")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(LedgerError, match=r"latin\.toml: not TOML: "):
        load(tmp_path / "latin.toml", "mxnet")


def test_a_header_inside_a_text_moves_no_line(path: Path) -> None:
    """Evidence may quote a ledger."""
    quoting = dedent(
        '''\
        evidence = """
        [[deviation]]
        """
        '''
    )
    text = ENTRY.replace('evidence = "https://example.org/issue/1"\n', quoting) + ENTRY.replace("k:*", "gone")
    assert [entry.place for entry in ledger(path, text).entries] == [f"{path}:1", f"{path}:10"]
