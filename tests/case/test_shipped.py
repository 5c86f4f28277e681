"""The shipped cases: all of the table, away from kinks, quick to load."""

import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.case.document import GENERATORS, Document, Expect, Input, Training
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Case, Variant
from gradient_conformance.reference.backprop import backprop
from gradient_conformance.reference.contexts import EXACT, Exact
from gradient_conformance.reference.optimizers import OPTIMIZERS

ROOT = Path(__file__).parents[2] / "cases"
FILES = sorted(ROOT.rglob("*.toml"))
CASES = [load(path, ROOT) for path in FILES]
VARIANTS = [variant for case in CASES for variant in case.variants]

NINE = {
    "dense_features_first", "dense_batch_first", "mlp_bce_logits", "mlp_bce_out_in", "mlp_bce_in_out",
    "two_layer_softmax_l2", "scalar_functions", "two_branches", "deep_leaky_mse",
}  # fmt: skip


def case_id(case: Case) -> str:
    return case.name


def variant_id(variant: Variant) -> str:
    return f"{variant.case_name}::{variant.id}"


def test_the_nine_notebooks_are_there() -> None:
    assert {
        case.name.removeprefix("notebooks/") for case in CASES if case.name.startswith("notebooks/")
    } == NINE


def test_ids_of_variants_are_unique() -> None:
    ids = [variant_id(variant) for variant in VARIANTS]
    assert len(set(ids)) == len(ids)
    assert not [name for name in ids if re.search(r"[^\w./:-]", name)]


class Kinks(Exact):
    """Exact arithmetic that remembers how near to a kink each branch is."""

    def __init__(self) -> None:
        self.place: Any = None
        self.nearest: dict[Any, float] = {}

    def at(self, place: Any) -> None:
        self.place = place[0] if isinstance(place, tuple) else place

    def kink(self, z: Any) -> Any:
        self.nearest[self.place] = min(self.nearest.get(self.place, np.inf), float(np.min(np.abs(z))))
        return z


def environments(variant: Variant) -> Iterator[tuple[dict[str, Any], Kinks]]:
    """Values and branches of each step."""
    inputs, cotangents = variant.draw(variant.narrowest), variant.cotangents(variant.narrowest)
    moved: dict[str, Any] = {}
    row = OPTIMIZERS[variant.training.optimizer] if variant.training else None
    states = {name: row.started(inputs[name]) for name in variant.training.parameters} if row else {}
    for step in range(variant.training.steps if variant.training else 1):
        kinks = Kinks()
        given = {name: a[step] if variant.sources[name].steps else a for name, a in inputs.items()} | moved
        with np.errstate(invalid="ignore"):  # masked scores, of which rows take the limit
            env, gradients = backprop(variant.program, given, variant.gradients, cotangents, kinks)
        yield {**env, **{f"d{name}": g for name, g in gradients.items()}}, kinks
        if variant.training:
            for name, state in states.items():
                at = given[name], gradients[name], state, step + 1
                moved[name], states[name] = row.took(EXACT, *at, variant.training.options)


AT_KINKS = re.compile(
    r"boundary|ties|ops/(activations_near|functions_xlogy|losses_cosine_similarity_short)|models/mixture_of_experts"
)
"""Cases that stand at kinks and at the ends of domains: there admissible gradients and limits are what is compared."""
CHOOSING = {
    *("max", "min", "sort", "topk", "max_pool1d", "max_pool2d", "max_pool3d"),
    *("inv", "solve", "det", "slogdet"),
}
"""Rows whose branches compare elements with each other, of which the one that is taken is always at its kink; norms of order inf too, and of matrices the pivots."""


def holds_infinities(variant: Variant) -> bool:
    """Whether infinity is data of a case: scores that are masked."""
    written = [value for node in variant.program.nodes for value in (*node.args, *node.kw.values())]
    return any(isinstance(value, float) and np.isinf(value) for value in written) or any(
        np.isinf(a).any() for a in variant.draw().values() if a.dtype.kind == "f"
    )


@pytest.mark.parametrize(
    "variant", [v for v in VARIANTS if not v.exact and not AT_KINKS.search(v.case_name)], ids=variant_id
)
def test_values_and_gradients_are_finite_and_away_from_kinks(variant: Variant) -> None:
    """A unit within rounding of its kink would be told as a convention, or leave it to chance which branch is compared."""
    infinities = holds_infinities(variant)
    for env, kinks in environments(variant):
        for name, array in env.items():
            assert np.all(np.isfinite(array)) or (infinities and not name.startswith("d")), name
        for i, near in kinks.nearest.items():
            node = variant.program.nodes[i]
            assert near > 2e-4 or node.op in CHOOSING or node.kw.get("p") == np.inf
        for node in variant.program.nodes:
            if node.op == "max":
                assert np.min(np.diff(np.sort(env[node.inputs[0]].ravel()))) > 1e-4


def test_distributions_are_exact_and_sum_to_one() -> None:
    checked = 0
    for variant in VARIANTS:
        inputs = variant.draw()
        for node in variant.program.nodes:
            if node.op == "cross_entropy" and inputs[node.args[1]].dtype == np.float64:
                assert np.all(inputs[node.args[1]].sum(axis=node.kw["axis"]) == 1)
                assert np.all(inputs[node.args[1]] * 4 % 1 == 0)
                checked += 1
    assert checked


def test_a_thousand_files_load_in_seconds() -> None:
    """Two on a quiet machine; the limit leaves room for a loaded one."""
    path = ROOT / "notebooks" / "mlp_bce_out_in.toml"
    started = time.perf_counter()
    for _ in range(100):
        load(path, ROOT)
    assert time.perf_counter() - started < 2


def test_the_readme_shows_every_key() -> None:
    text = (ROOT / "README.md").read_text()
    keys = [key for kind in (Document, Input, Training, Expect) for key in kind.__struct_encode_fields__]
    assert [key for key in keys if not re.search(rf"\b{key}\b", text)] == []
    assert [key for key in GENERATORS if f"`{key} = " not in text] == []


def test_the_readme_s_case_is_right(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    path = tmp_path / "x.toml"
    path.write_text(blocks[0])
    assert len(load(path, tmp_path).variants) == 4
    assert all(tomllib.loads(block) for block in blocks)


def test_the_two_ways_of_writing_a_loss_agree() -> None:
    for case in CASES:
        if case.name == "notebooks/two_branches":
            env = backprop(case.variants[0].program, case.variants[0].draw(), (), {})[0]
            assert env["sum_of_squares"] == pytest.approx(env["squared_norm"], rel=1e-14)
            return
    pytest.fail("no case")


def test_scalar_functions_have_the_gradients_of_two_sided_differences() -> None:
    case = next(case for case in CASES if case.name == "notebooks/scalar_functions")
    for variant in case.variants:
        inputs = variant.draw()
        _, gradients = backprop(variant.program, inputs, variant.gradients, variant.cotangents())
        for name in variant.gradients:
            up, down = ({**inputs, name: inputs[name] + h} for h in (1e-5, -1e-5))
            values = [backprop(variant.program, moved, (), {})[0][variant.outputs[0]] for moved in (up, down)]
            assert gradients[name] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-8)
