"""What a right file means: variants and ids, defaults, what is compared, training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradient_conformance.harness.case.variant import Training
from gradient_conformance.harness.errors import CaseError
from gradient_conformance.reference.language import parse
from gradient_conformance.reference.ops import Spec
from gradient_conformance.reference.optimizers import OPTIMIZERS

TRAINING = '\n[training]\noptimizer = { sgd = { lr = 0.1 } }\nparameters = ["A"]\nsteps = 4\n'


def test_a_case_is_named_by_its_path_below_the_root(case: Any) -> None:
    assert case().name == "group/base"


def test_a_case_without_sweep_has_one_variant_without_id(case: Any) -> None:
    (variant,) = case().variants
    assert (variant.case_name, variant.id, variant.bindings) == ("group/base", "", {})


def test_defaults(case: Any) -> None:
    loaded = case()
    (variant,) = loaded.variants
    assert (variant.outputs, variant.values, variant.gradients) == (("z",), ("z",), ("A", "x"))
    assert (loaded.dtypes, loaded.seed, variant.narrowest, variant.training) == (
        ("float32", "float64"), 0, "float32", None,
    )  # fmt: skip
    assert variant.specs["y"] == Spec((2,))


def test_a_case_need_not_say_where_it_comes_from(case: Any) -> None:
    assert (case().source, case(('source = "s"\n', "")).source) == ("s", "")
    with pytest.raises(CaseError, match="source must be a string of length >= 1"):
        case(('source = "s"', 'source = ""'))


def test_variants_are_a_product_in_the_order_of_the_file(case: Any) -> None:
    loaded = case(
        ("sigmoid(y)", "{activation}(y) * {scale}"),
        ("shape = [3]", 'shape = ["k"]'),
        ("[2, 3]", '[2, "k"]'),
        add='\n[sweep]\nactivation = ["relu", "tanh"]\nk = [3, 16]\nscale = [0.5]\n',
    )
    assert [v.id for v in loaded.variants] == [
        "activation:relu-k:3-scale:0.5",
        "activation:relu-k:16-scale:0.5",
        "activation:tanh-k:3-scale:0.5",
        "activation:tanh-k:16-scale:0.5",
    ]
    assert loaded.variants[1].bindings == {"activation": "relu", "k": 16, "scale": 0.5}
    assert loaded.variants[1].specs["A"].shape == (2, 16)
    assert [node.op for node in loaded.variants[2].program.nodes] == ["matmul", "tanh", "mul"]


def test_whole_shapes_flags_and_axes_are_swept(case: Any) -> None:
    loaded = case(
        ("y = A @ x\nz = sigmoid(y)", "z = sum(A + x, axis={axis}, keepdims={keep})"),
        ("shape = [3]", 'shape = "{s}"'),
        add="\n[sweep]\naxis = [0, [0, 1]]\nkeep = [true, false]\ns = [[3], [1, 3], []]\n",
    )
    assert [v.id for v in loaded.variants][:4] == [
        "axis:0-keep:true-s:3", "axis:0-keep:true-s:1x3", "axis:0-keep:true-s:scalar", "axis:0-keep:false-s:3",
    ]  # fmt: skip
    assert loaded.variants[1].specs["x"].shape == (1, 3)
    assert loaded.variants[-1].program.nodes[-1].kw == {"axis": (0, 1), "keepdims": False}


def test_sizes_make_dimensions_and_numbers(case: Any) -> None:
    loaded = case(
        ("shape = [3]", 'shape = ["2 * n // 2 + k - 1"]'),
        ("sigmoid(y)", "y / n"),
        add="\n[sizes]\nn = 3\nk = 1\n",
    )
    (variant,) = loaded.variants
    assert variant.specs["x"].shape == (3,)
    assert variant.program.nodes[-1].args == ("y", 3)


def test_output_values_and_gradients_may_be_swept_words(case: Any) -> None:
    loaded = case(
        ("z = sigmoid(y)", "z = sum(y)\nw = sum(exp(y))"),
        ('source = "s"', 'source = "s"\noutput = "{f}"\nvalues = ["w", "z"]\ngradients = ["A", "y"]'),
        add='\n[sweep]\nf = ["w", "z"]\n',
    )
    assert [(v.outputs, v.values, v.gradients) for v in loaded.variants] == [
        (("w",), ("w", "z"), ("A", "y")), (("z",), ("w", "z"), ("A", "y")),
    ]  # fmt: skip


def test_the_output_is_always_compared(case: Any) -> None:
    loaded = case(('source = "s"', 'source = "s"\nvalues = ["y"]'))
    assert loaded.variants[0].values == ("z", "y")


def test_nested_expressions_can_be_asked_for(case: Any) -> None:
    loaded = case(("sigmoid(y)", "sigmoid(y + 1)"), ('source = "s"', 'source = "s"\ngradients = ["z.1"]'))
    assert loaded.variants[0].gradients == ("z.1",)


def test_labels_and_masks_have_no_gradient_by_default(case: Any) -> None:
    add = (
        'n = { shape = [], labels = "1 + 1" }\nm = { shape = [2], choice = [true, false], dtype = "bool" }\n'
    )
    (variant,) = case(("sigmoid(y)", "cross_entropy(where(m, y, 0), n)"), add=add).variants
    assert variant.gradients == ("A", "x")
    assert (variant.specs["n"].dtype, variant.specs["m"].dtype) == ("int64", "bool")
    drawn = variant.draw("float32")
    assert (drawn["n"].dtype, drawn["m"].dtype) == (np.int64, np.bool_)


def test_a_vector_has_a_random_cotangent_and_a_scalar_none(case: Any) -> None:
    (variant,) = case().variants
    [cotangent] = variant.cotangents("float32").values()
    assert cotangent.shape == (2,)
    assert not np.any(cotangent == 1)
    assert np.all(np.abs(cotangent) <= 1)
    assert np.array_equal(cotangent, cotangent.astype(np.float32))
    scalar = case(("sigmoid(y)", "sum(y)")).variants[0]
    assert (scalar.upstream, scalar.cotangents()) == ({}, {"z": 1})


def test_a_cotangent_may_be_given(case: Any) -> None:
    (variant,) = case(add="\n[cotangents]\nz = { values = [0.1, 2] }\n").variants
    assert variant.cotangents()["z"] == pytest.approx([0.1, 2])


def test_each_of_several_outputs_has_a_cotangent_of_its_own_scalars_too(case: Any) -> None:
    outputs = ('source = "s"', 'source = "s"\noutput = ["y", "z"]')
    (variant,) = case(("sigmoid(y)", "sum(y)"), outputs, add="\n[cotangents]\ny = { full = 3 }\n").variants
    assert (variant.outputs, variant.values) == (("y", "z"), ("y", "z"))
    assert set(variant.upstream) == {"y", "z"}
    given = variant.cotangents()
    assert given["y"].tolist() == [3, 3]
    assert given["z"].shape == ()
    assert 0 < abs(given["z"]) < 1


def test_constants_are_read_and_have_no_gradient(case: Any) -> None:
    add = "\n[constants]\nc = { shape = [2], uniform = [1, 2] }\n"
    (variant,) = case(("sigmoid(y)", "y * c"), add=add).variants
    assert variant.gradients == ("A", "x")
    assert variant.constants == {"c"}
    assert variant.draw()["c"].shape == variant.specs["c"].shape == (2,)


def test_training_says_what_moves_and_how(case: Any) -> None:
    (variant,) = case(
        ("shape = [3], ", 'shape = [3], each = "step", '),
        ('source = "s"', 'source = "s"\ngradients = ["x"]'),
        add=TRAINING,
    ).variants
    assert variant.training == Training("sgd", OPTIMIZERS["sgd"].given({"lr": 0.1}), ("A",), 4)
    assert variant.gradients == ("x", "A")
    assert variant.specs["x"].shape == (3,)
    assert variant.draw()["x"].shape == (4, 3)
    assert len(np.unique(variant.draw()["x"])) == 12


def test_of_several_optimizers_each_is_a_variant(case: Any) -> None:
    several = TRAINING.replace("{ sgd = { lr = 0.1 } }", "{ lion = { lr = 0.2 }, sgd = { lr = 0.1 } }")
    loaded = case(
        ("sigmoid", "{f}"), add=f'\n[sweep]\nf = ["tanh", "sigmoid"]\n{several}'
    ).variants  # fmt: skip
    assert [v.id for v in loaded] == [
        *(
            "f:tanh-optimizer:sgd",
            "f:tanh-optimizer:lion",
            "f:sigmoid-optimizer:sgd",
            "f:sigmoid-optimizer:lion",
        )
    ]
    assert [(v.training.optimizer, v.training.options["lr"]) for v in loaded] == [
        ("sgd", 0.1),
        ("lion", 0.2),
    ] * 2
    assert loaded[0].digest_of(loaded[0].program, {}, {}) != loaded[1].digest_of(loaded[0].program, {}, {})


def test_loading_draws_nothing(case: Any, monkeypatch: Any) -> None:
    from gradient_conformance.harness.case.tensors import Source

    monkeypatch.setattr(Source, "random", lambda self: pytest.fail("drawn"))
    case(add="\n[cotangents]\nz = { normal = [0, 1] }\n")


def test_the_narrowest_dtype_is_that_of_the_case(case: Any) -> None:
    assert case(('source = "s"', 'source = "s"\ndtypes = ["float64"]')).variants[0].narrowest == "float64"


def test_the_program_s_first_line_in_the_file_is_known(case: Any) -> None:
    assert case().variants[0].program_line == 4
    assert case(('"""\ny = A @ x\nz = sigmoid(y)\n"""', '"z = sigmoid(A @ x)"')).variants[0].program_line == 3


def test_a_variant_that_only_another_output_uses_keeps_every_assignment_fed(case: Any) -> None:
    with pytest.raises(CaseError, match=r'"z" feeds nothing.*\(variant f:w\)'):
        case(
            ("z = sigmoid(y)", "z = sum(y)\nw = sum(exp(y))"),
            ('source = "s"', 'source = "s"\noutput = "{f}"'),
            add='\n[sweep]\nf = ["w", "z"]\n',
        )


def test_a_file_anywhere_may_be_a_case(tmp_path: Path) -> None:
    from gradient_conformance.harness.case.loading import load

    path = tmp_path / "deep" / "er" / "a.b.toml"
    path.parent.mkdir(parents=True)
    path.write_text('title="t"\nsource="s"\nprogram="y = exp(x)"\n[tensors]\nx={values=[1]}')
    assert load(path, tmp_path).name == "deep/er/a.b"


def test_swept_values_that_are_equal_and_not_the_same_give_programs_of_their_own(case: Any) -> None:
    """0.0 == -0.0 and 1 == 1.0, but not as factors: what was read with the one must not serve the other."""
    swept = "[0.0, -0.0, 1, 1.0]"
    loaded = case(("sigmoid(y)", "relu(y) * {scale}"), add=f"\n[sweep]\nscale = {swept}\n")
    factors = [variant.program.nodes[-1].args[1] for variant in loaded.variants]
    assert str(factors) == swept


def test_statements_are_read_once_for_all_variants_in_which_they_say_the_same(case: Any) -> None:
    loaded = case(("sigmoid(y)", "{activation}(y)"), add='\n[sweep]\nactivation = ["relu", "tanh"]\n')
    relu, tanh = (variant.program for variant in loaded.variants)
    assert relu.nodes[0] is tanh.nodes[0]
    assert [program.nodes[1].op for program in (relu, tanh)] == ["relu", "tanh"]
    for variant in loaded.variants:
        assert variant.program == parse(variant.program.text, variant.bindings, list(variant.sources))


def test_an_assignment_after_a_statement_that_was_read_before_is_checked_like_the_first(case: Any) -> None:
    """Names that such a statement assigns are taken, and may be read."""
    text = "{activation}(y)\nu = 2 * z\nz = relu(u)"
    with pytest.raises(CaseError, match=r'"z" is assigned twice'):
        case(("sigmoid(y)", text), add='\n[sweep]\nactivation = ["relu", "tanh"]\n')
    text = "relu(y)\nu = {activation}(z)"
    loaded = case(("sigmoid(y)", text), add='\n[sweep]\nactivation = ["relu", "tanh"]\n')
    assert [variant.program.nodes[-1].args for variant in loaded.variants] == [("z",), ("z",)]
