"""Cell ids: one everywhere, and each usable with -k."""

from pathlib import Path

ROOT = Path(__file__).parents[2]

CHECK = """
from _pytest.mark import KeywordMatcher
from _pytest.mark.expression import Expression

def pytest_collection_finish(session):
    matchers = [(item, KeywordMatcher.from_item(item)) for item in session.items]
    texts = [(item, matcher, "\\n".join(matcher._names).lower()) for item, matcher in matchers]
    ids = [item.cell.id if hasattr(item, "cell") else f"{item.case.name}::{item.name}" for item in session.items]
    assert len(set(ids)) == len(ids)
    for own, id in zip(session.items, ids):
        expression = Expression.compile(id)
        chosen = [item for item, matcher, text in texts if id.lower() in text and expression.evaluate(matcher)]
        assert chosen == [own], (id, chosen)
    print(f"{len(ids)} ids, each selects its own item")
"""


def test_every_shipped_id_selects_exactly_its_own_item_with_k(pytester):
    pytester.makeconftest(CHECK)
    config = pytester.makeini(f"[pytest]\nharness_cases = {ROOT / 'cases'}\n")
    arguments = ["-c", config, "-p", "conftest", "--collect-only", "-q", ROOT / "cases"]
    outcome = pytester.runpytest_subprocess(*arguments)
    assert outcome.ret == 0
    outcome.stdout.fnmatch_lines(["* ids, each selects its own item"])


def test_an_id_is_case_variant_dtype_framework_and_mode(pytester):
    config = pytester.makeini(f"[pytest]\nharness_cases = {ROOT / 'cases'}\n")
    outcome = pytester.runpytest_subprocess(
        "-c", config, "--collect-only", "-q", "-k", "notebooks/two_branches::k:3-", ROOT / "cases"
    )
    outcome.stdout.fnmatch_lines(["*two_branches.toml::k:3-loss:squared_norm-float64-jax-jit"])
    assert sum("two_branches" in line for line in outcome.outlines) == 16
