"""A file is data from a stranger: whatever it says, there is a Case or a CaseError."""

from pathlib import Path

import pytest
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case
from gradient_conformance.harness.errors import CaseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2] / "cases"
TEXTS = [path.read_text() for path in sorted(ROOT.rglob("*.toml"))]
PIECES = [
    '"""', "'''", '"', "'", "[", "]", "{", "}", "[[", "]]", "=", ",", ".", "\n", "#", "\\", "\0", "\r", "\x0c", "\u2028", "é",
    "0", "-1", "1e999", "nan", "inf", "true", "2020-01-01", "99999999999999999999", "{k}", '"{k}"', "//", "**", "@", ".T", "[None]",
    "...", "::0", "lambda: 0", "x", "loss", "sum", "None", "axis=9", "axis=(0, 0)", "index=5", "shape", "each", "step", "[expect]",
    "[sweep]\n", "[tensors]\n", "[[expect]]\n", "[training]\n", "[tensors.q]\n", "tensors.q.full = 1\n", "program", "k = 1\n",
    'axes=("1", "0")', "index(x, index=('a',))", "transpose(", "reshape(", "split(", "reduction=(1,)", "__class__",
]  # fmt: skip


def loaded(path: Path) -> Case | CaseError:
    """What a file gives; any other error fails the test."""
    try:
        return load(path, path.parent)
    except CaseError as error:
        return error


edits = st.tuples(
    st.floats(0, 1), st.integers(0, 12), st.one_of(st.sampled_from(PIECES), st.text(max_size=4), st.none())
)


def mutated(text: str, changes: list[tuple[float, int, str | None]]) -> str:
    """Deletes a few characters at a place and puts others there, or what stands elsewhere in the text."""
    for place, length, piece in changes:
        at = int(place * len(text))
        new = text[at // 2 : at // 2 + 8] if piece is None else piece
        text = text[:at] + new + text[at + length :]
    return text


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(TEXTS), st.lists(edits, min_size=1, max_size=4))
def test_any_mutation_is_a_case_or_a_message(
    tmp_path: Path, text: str, changes: list[tuple[float, int, str | None]]
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(mutated(text, changes), encoding="utf-8", errors="replace", newline="")
    found = loaded(path)
    assert isinstance(found, Case | CaseError)
    assert isinstance(found, Case) or (found.message and str(found).startswith(found.file))


@pytest.mark.parametrize(
    "line",
    [
        'z = transpose(A, axes=("1", "0"))', "z = index(A, index=5)", "z = index(A, index=('a',))", "z = A[True]",
        "z = reshape(A, shape='ab')", "z = sum(A, axis='a')", "z = sum(A, axis=(0.5,))", "z = split(A, parts=(2,))",
        "z = A[10**400]", "z = A ** 1e400", "z = A * (2 ** 5000)", "z = A * (-8) ** 0.5", "z = A[::0]", "z = A[..., ...]",
        "z = mse(A, A, reduction=None)", "z = norm(A, keepdims=1)", "z = leaky_relu(A, slope='a')", "z = A" + "[0]" * 3000,
        "z = " + "-" * 20000 + "A", "z = " + "(" * 150 + "A" + ")" * 150, "z = " + "A + " * 5000 + "A", "z, z = split(A)",
        "(a, b), c = split(A)", "z = linear(A, A, weights=3)", "z = exp(2)", "z = concat(2, 3)", "z = max(3)", "z = index(A, index=(True,))",
        "z = index(A, index=((1, 2),))", "z = index(A, index=((1, 2, 'a'),))", "z = softmax(3)", "z = matmul(2, A)", "z = A.T.T.T", "z = exp(A, **k)", "z = exp(*A)",
        "z = f'{A}'", "z = A if A else A", "z = [A for A in A]", "z = (yield)", "z = A @ (y := A)", "z: int = A", "z += A", "z = await_(A)", "z.w = A", "z[0] = A",
    ],
    ids=lambda line: line[:40],
)  # fmt: skip
def test_odd_programs_are_cases_or_messages(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.toml"
    program = line.replace("\\", "\\\\").replace('"', '\\"')
    path.write_text(f'title="t"\nsource="s"\nprogram="{program}"\n[tensors]\nA={{shape=[2, 2], full=1}}\n')
    assert isinstance(loaded(path), Case | CaseError)
