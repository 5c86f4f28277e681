"""Files by somebody who means harm are read in time that grows with their size, whatever stands in them."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from gradient_conformance.harness.case.loading import parse
from gradient_conformance.harness.errors import HarnessError
from gradient_conformance.harness.ledger.reading import read_ledger
from gradient_conformance.harness.reading import toml
from gradient_conformance.harness.reading.locate import Locator
from growth import grows_straight

SIZE = 8_000

NASTY: dict[str, Callable[[int], str]] = {
    "backslash quote": lambda n: '\\"' * (n // 2),
    "quotes": lambda n: '"' * n,
    "apostrophes": lambda n: "'" * n,
    "dq pairs": lambda n: '"" ' * (n // 3),
    "triple": lambda n: '"""\n' * (n // 4),
    "triple a": lambda n: 'a="""' * (n // 5),
    "triple'": lambda n: "'''\n" * (n // 4),
    "quote newline": lambda n: '"a\n' * (n // 3),
    "apos newline": lambda n: "'a\n" * (n // 3),
    "brackets": lambda n: "x = " + "[" * n,
    "brackets2": lambda n: "[" * n,
    "brackets open-close": lambda n: "x = " + "[]" * (n // 2),
    "braces": lambda n: "x = " + "{a=" * (n // 3),
    "dots": lambda n: "a" + ".a" * (n // 2) + "=1",
    "dots spaced": lambda n: ("a . ") * (n // 4),
    "spaces": lambda n: "a" + " " * n + "=1",
    "a spaces dots": lambda n: ("a" + " " * 50) * (n // 51),
    "comment": lambda n: "# " + "a." * (n // 2),
    "comments": lambda n: "#\n" * (n // 2),
    "comment quote": lambda n: '#"' + '\\"' * (n // 2),
    "tables": lambda n: "".join(f"[t{i}]\n" for i in range(n // 8)),
    "same tables": lambda n: "[a]\n" * (n // 4),
    "tables a.b": lambda n: "".join(f"[a.b{i}.c]\nx=1\n" for i in range(n // 16)),
    "arrays of tables": lambda n: "[[a]]\n" * (n // 6),
    "nested arrays of tables": lambda n: "[[a]]\n[[a.b]]\n" * (n // 14),
    "deep tables": lambda n: "".join(
        "[" + ".".join(f"a{j}" for j in range(90)) + f".b{i}]\n" for i in range(n // 360)
    ),
    "dup keys": lambda n: "a=1\n" * (n // 4),
    "dup dotted": lambda n: "a.b=1\n" * (n // 6),
    "dotted keys": lambda n: "".join(f"a.b{i}=1\n" for i in range(n // 10)),
    "99 part keys": lambda n: "".join(".".join(["a"] * 99) + f".k{i}=1\n" for i in range(n // 208)),
    "inline": lambda n: "x = " + "{a={" * 50 + "".join(f"k{i}=1," for i in range(n // 7)),
    "deep inline": lambda n: "x = " + "{a=" * (n // 4) + "1" + "}" * (n // 4),
    "array": lambda n: "x = [" + "1," * (n // 2) + "]",
    "array open": lambda n: "x = [" + "1," * (n // 2),
    "array of tables inline": lambda n: "x = [" + "{a=1}," * (n // 6) + "]",
    "unterminated": lambda n: 'x = "' + "a" * n,
    "unterminated esc": lambda n: 'x = "' + "\\\\" * (n // 2),
    "unterminated multi": lambda n: 'x = """' + "a\n" * (n // 2),
    "unterminated multi quotes": lambda n: 'x = """' + '""\n' * (n // 3),
    "unterminated lit": lambda n: "x = '''" + "''\n" * (n // 3),
    "long key": lambda n: "a" * n + "=1",
    "bare words": lambda n: "a " * (n // 2),
    "dashes": lambda n: "-" * n,
    "quoted key parts": lambda n: '"a".' * (n // 4),
    "quoted key 99": lambda n: (".".join(['"a"'] * 99) + "\n") * (n // 400),
    "99 words": lambda n: (".".join(["a"] * 99) + " ") * (n // 198),
    "apos key 99": lambda n: ("'a'." * 99) * (n // 400),
    "numbers": lambda n: "x=1" + "0" * n,
    "floats": lambda n: "x=1." + "0" * n,
    "hex": lambda n: "x=0x" + "f" * n,
    "underscore": lambda n: "x=1" + "_0" * (n // 2),
    "dates": lambda n: "x=2020-01-01 " + "1" * n,
    "newlines": lambda n: "\n" * n,
    "crlf": lambda n: "\r\n" * (n // 2),
    "cr": lambda n: "\r" * n,
    "tabs": lambda n: "\t" * n,
    "backslashes": lambda n: "\\" * n,
    "line cont": lambda n: 'x="""' + "\\\n" * (n // 2) + '"""',
    "line cont spaces": lambda n: 'x="""' + "\\" + " \n" * (n // 2) + '"""',
    "line cont bad": lambda n: 'x="""' + ("\\" + " " * 100) * (n // 101) + '"""',
    "line cont bad2": lambda n: 'x="""\\' + " " * n + '"""',
    "unicode": lambda n: 'x="' + "\\u00e9" * (n // 6) + '"',
    "dot mix": lambda n: 'a."\\"' * (n // 6),
    "dev entries": lambda n: (
        '[[deviation]]\nop="relu"\nversion=">=1"\nat_most=1e-5\ncase="ops/relu"\nreason="r"\nevidence="e"\n'
        * (n // 100)
    ),
    "dev cell entries": lambda n: (
        '[[deviation]]\ncell="a::*"\nversion=">=1"\nused=[1,2]\nreason="r"\nevidence="e"\n' * (n // 80)
    ),
    "dev bad used": lambda n: (
        '[[deviation]]\ncell="a::*"\nversion=">=1"\nused=['
        + "1," * (n // 2)
        + ']\nreason="r"\nevidence="e"\n'
    ),
    "dev many keys": lambda n: "[[deviation]]\n" + "".join(f"k{i}=1\n" for i in range(n // 9)),
    "dev gives": lambda n: (
        '[[deviation]]\nop="relu"\ncase="x"\nversion=">=1"\nreason="r"\nevidence="e"\ngives={'
        + ",".join(f'k{i}="1"' for i in range(n // 9))
        + "}\n"
    ),
    "dev comment": lambda n: (
        '[[deviation]]\ncell="a::*"\nversion=">=1"\nused=[1,2]\nreason="r"\nevidence="""'
        + "e\n" * (n // 2)
        + '"""\n'
    ),
    "dev towards": lambda n: (
        '[[deviation]]\nop="relu"\ncase="x"\nversion=">=1"\nreason="r"\nevidence="e"\nat_most=1\ntowards=['
        + '"x",' * (n // 4)
        + "]\n"
    ),
    "dev ops": lambda n: (
        "[[deviation]]\nop=["
        + '"relu",' * (n // 7)
        + ']\ncase="x"\nversion=">=1"\nreason="r"\nevidence="e"\nat_most=1\n'
    ),
    "dev dotted": lambda n: "[[deviation]]\n" + "".join(f'gives.k{i}.a="1"\n' for i in range(n // 16)),
    "case tensors": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x0)"\n[tensors]\n'
        + "".join(f"x{i}={{shape=[1],uniform=[0,1]}}\n" for i in range(n // 34))
    ),
    "case bad tensors": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x0)"\n[tensors]\n'
        + "".join(f"x{i}={{sape=[1],uniform=[0,1]}}\n" for i in range(n // 34))
    ),
    "case unknown": lambda n: "".join(f"k{i}=1\n" for i in range(n // 8)),
    "case sizes": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x)"\n[sizes]\n'
        + "".join(f"k{i}=1\n" for i in range(n // 8))
        + '[tensors]\nx={shape=["k0"],uniform=[0,1]}\n'
    ),
    "case sweep": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x)"\n[sweep]\nk=['
        + ",".join(map(str, range(1, n // 6)))
        + ']\n[tensors]\nx={shape=["k"],uniform=[0,1]}\n'
    ),
    "case expect": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x)"\n[tensors]\nx={shape=[1],uniform=[0,1]}\n'
        + "[[expect]]\nloss=1\n" * (n // 18)
    ),
    "case values": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x)"\nvalues=['
        + '"loss",' * (n // 7)
        + "]\n[tensors]\nx={shape=[1],uniform=[0,1]}\n"
    ),
    "case program": lambda n: (
        'title="t"\nsource="s"\nprogram="""\n'
        + "y=x+x\n" * (n // 6)
        + 'loss=sum(y)\n"""\n[tensors]\nx={shape=[1],uniform=[0,1]}\n'
    ),
    "case literal": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x)"\n[tensors]\nx=[' + "1.5," * (n // 4) + "]\n"
    ),
    "case cotangents": lambda n: (
        'title="t"\nsource="s"\nprogram="loss=sum(x)"\n[tensors]\nx={shape=[1],uniform=[0,1]}\n[cotangents]\n'
        + "".join(f"k{i}={{uniform=[0,1]}}\n" for i in range(n // 24))
    ),
}


@pytest.mark.parametrize("make", NASTY.values(), ids=NASTY)
def test_toml_is_read_in_time_that_grows_with_its_size(make: Callable[[int], str]) -> None:
    def read(text: str) -> None:
        with suppress(ValueError):
            toml.loads(text)

    assert grows_straight(make, read, SIZE)
    assert grows_straight(make, Locator, SIZE)


@pytest.mark.parametrize("make", NASTY.values(), ids=NASTY)
def test_a_case_is_read_in_time_that_grows_with_its_size(make: Callable[[int], str]) -> None:
    def read(text: str) -> None:
        with suppress(HarnessError):
            parse(text, "x")

    assert grows_straight(make, read, SIZE)


@pytest.mark.parametrize("make", NASTY.values(), ids=NASTY)
def test_a_ledger_is_read_in_time_that_grows_with_its_size(
    tmp_path: Path, make: Callable[[int], str]
) -> None:
    path = tmp_path / "ledger.toml"

    def read(text: str) -> None:
        path.write_text(text, newline="")
        with suppress(HarnessError):
            read_ledger(path, "torch")

    assert grows_straight(make, read, SIZE)
