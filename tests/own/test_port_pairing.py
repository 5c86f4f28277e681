"""Which of a port's parameters is which of the original's: pairs are exact, whatever lies how, and the rest is told."""

import numpy as np
import pytest
from gradient_conformance.harness.own.errors import OwnError
from gradient_conformance.harness.own.porting.door import Place
from gradient_conformance.harness.own.porting.layouts import Parameter
from gradient_conformance.harness.own.porting.pairing import paired
from gradient_conformance.harness.own.porting.porting import pairs_of


def parameter(path, *shape, op="linear", argument="W"):
    return Parameter(path.replace(".", "_"), shape, path, op, argument)


def pairing(original, port, kinds=(), given=()):
    """`port` has shapes by path; `kinds` classes of what holds them."""
    places = {path: Place(path, dict(kinds).get(path, "")) for path in port}
    return paired(original, places, port, dict(given))


def arrays(original):
    rng = np.random.default_rng(1)
    return {p.name: rng.normal(size=p.shape) for p in original}


CONV = parameter("conv.weight", 6, 3, 5, 4, op="conv2d")
DEPTHWISE = parameter("conv.weight", 6, 1, 5, 4, op="conv2d")
BACK = parameter("conv.weight", 6, 3, 5, 4, op="conv_transpose2d")
LAID = {
    "dense": (parameter("a.weight", 4, 3), "a/kernel", (3, 4), "Dense", lambda w: w.T),
    "square": (parameter("a.weight", 4, 4), "a/kernel", (4, 4), "Dense", lambda w: w.T),
    "square, of the same kind": (parameter("a.weight", 4, 4), "a.weight", (4, 4), "Linear", lambda w: w),
    "conv": (CONV, "conv/kernel", (5, 4, 3, 6), "Conv2D", lambda w: w.transpose(2, 3, 1, 0)),
    "conv of the same kind": (CONV, "conv.weight", (6, 3, 5, 4), "Conv2d", lambda w: w),
    "depthwise": (DEPTHWISE, "conv/kernel", (5, 4, 3, 2), "DepthwiseConv2D", lambda w: w.reshape(3, 2, 5, 4).transpose(2, 3, 0, 1)),
    "grouped": (DEPTHWISE, "conv/kernel", (5, 4, 1, 6), "", lambda w: w.transpose(2, 3, 1, 0)),
    "transposed conv": (BACK, "conv/kernel", (5, 4, 3, 6), "Conv2DTranspose", lambda w: w.transpose(2, 3, 1, 0)),
    "transposed conv, turned round": (BACK, "conv/kernel", (5, 4, 6, 3), "", lambda w: w[:, :, ::-1, ::-1].transpose(2, 3, 0, 1)),
    "embedding": (parameter("e.weight", 7, 4, op="embedding"), "e/embeddings", (7, 4), "Embedding", lambda w: w),
    "heads": (parameter("q.weight", 6, 4), "q/kernel", (4, 2, 3), "", lambda w: w.T.reshape(4, 2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAID)
def test_a_layout_of_the_table_moves_each_element_and_its_gradient_to_its_place(name):
    original, path, shape, kind, way = LAID[name]
    found = pairing([original], {path: shape}, {path: kind})
    own = arrays([original])
    theirs = found.theirs(own, path)
    np.testing.assert_array_equal(theirs, way(own[original.name]))
    np.testing.assert_array_equal(found.back({path: theirs})[original.name], own[original.name])


def gated(op, gates, size=2, given=3):
    arguments = {"W_ih": (gates * size, given), "W_hh": (gates * size, size), "b_ih": (gates * size,), "b_hh": (gates * size,)}  # fmt: skip
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    return [
        parameter(f"r.{name}", *shape, op=op, argument=argument)
        for name, (argument, shape) in zip(names, arguments.items(), strict=True)
    ]


def test_gates_are_put_in_order_and_two_biases_into_one():
    original = gated("gru", 3)
    port = {"r/gru_cell/kernel": (3, 6), "r/gru_cell/recurrent_kernel": (2, 6), "r/gru_cell/bias": (2, 6)}
    found, own = pairing(original, port), arrays(original)
    r, z, n = np.split(own["r_weight_ih_l0"], 3)
    np.testing.assert_array_equal(found.theirs(own, "r/gru_cell/kernel"), np.concatenate([z, r, n]).T)
    both = found.theirs(own, "r/gru_cell/bias")
    r, z, n = np.split(own["r_bias_hh_l0"], 3)
    np.testing.assert_array_equal(both[1], np.concatenate([z, r, n]))
    original = gated("lstm", 4)
    port = {"s/lstm_cell/kernel": (3, 8), "s/lstm_cell/recurrent_kernel": (2, 8), "s/lstm_cell/bias": (8,)}
    found, own = pairing(original, port), arrays(original)
    one = found.theirs(own, "s/lstm_cell/bias")
    np.testing.assert_array_equal(one, own["r_bias_ih_l0"] + own["r_bias_hh_l0"])
    back = found.back({path: found.theirs(own, path) for path in port})
    np.testing.assert_array_equal(back["r_bias_ih_l0"], one)
    np.testing.assert_array_equal(back["r_bias_hh_l0"], one)


@pytest.mark.parametrize(("op", "gates"), [("lstm", "ifgo"), ("gru", "rzn")])
def test_a_matrix_for_each_gate_is_a_part_of_the_originals(op, gates):
    original = gated(op, len(gates))
    biased = "h" if op == "lstm" else "i"
    port = {f"r/i{g}/kernel": (3, 2) for g in gates} | {f"r/h{g}/kernel": (2, 2) for g in gates}
    port |= {f"r/{biased}{g}/bias": (2,) for g in gates} | ({"r/hn/bias": (2,)} if op == "gru" else {})
    found, own = pairing(original, port), arrays(original)
    assert not found.left_of_port
    assert not found.left
    for i, g in enumerate(gates):
        part = np.split(own["r_weight_hh_l0"], len(gates))[i]
        np.testing.assert_array_equal(found.theirs(own, f"r/h{g}/kernel"), part.T)


def test_a_projection_of_all_three_is_theirs_in_three_and_three_are_one():
    original = [
        parameter("attn.in_proj_weight", 12, 4),
        parameter("attn.in_proj_bias", 12, argument="b"),
        parameter("attn.out_proj.weight", 4, 4),
    ]
    port = {f"attn/{n}/kernel": (4, 2, 2) for n in ("query", "key", "value")}
    port |= {f"attn/{n}/bias": (2, 2) for n in ("query", "key", "value")} | {
        "attn/attention_output/kernel": (2, 2, 4)
    }
    found, own = pairing(original, port), arrays(original)
    assert not found.left_of_port
    third = own["attn_in_proj_weight"][8:]
    np.testing.assert_array_equal(found.theirs(own, "attn/value/kernel"), third.T.reshape(4, 2, 2))
    np.testing.assert_array_equal(
        found.theirs(own, "attn/attention_output/kernel"), own["attn_out_proj_weight"].T.reshape(2, 2, 4)
    )
    original = [parameter(f"attn.{n}_proj.weight", 4, 4) for n in "qkv"]
    found, own = pairing(original, {"attn/qkv/kernel": (4, 12)}), arrays(original)
    joined = np.concatenate([own[f"attn_{n}_proj_weight"] for n in "qkv"])
    np.testing.assert_array_equal(found.theirs(own, "attn/qkv/kernel"), joined.T)


def test_what_has_other_names_is_paired_by_order_and_shape_where_that_is_unique():
    original = [parameter("a.weight", 5, 3), parameter("b.weight", 5, 5), parameter("c.weight", 5, 5)]
    found = pairing(original, {"W1": (3, 5), "W2": (5, 5), "W3": (5, 5)})
    assert [(p.theirs, p.ours[0], p.how) for p in found.pairs.values()] == [
        ("W1", "a_weight", "by shape"),
        ("W2", "b_weight", "by order and shape"),
        ("W3", "c_weight", "by order and shape"),
    ]
    assert found.pairs["W2"].rule == "transposed, as the others are"


def test_what_fits_in_several_ways_is_left_on_both_sides_and_a_person_says():
    original = [parameter("a.weight", 5, 5), parameter("b.weight", 5, 5)]
    port = {"one": (5, 5)}
    found = pairing(original, port)
    assert found.left_of_port == port
    assert found.left == original
    found = pairing(original, port, given={"one": {"of": "b.weight", "layout": "transposed"}})
    own = arrays(original)
    np.testing.assert_array_equal(found.theirs(own, "one"), own["b_weight"].T)
    with pytest.raises(
        OwnError, match=r"the original has no parameter c.weight; there are a_weight, b_weight"
    ):
        pairing(original, port, given={"one": {"of": "c.weight"}})


def test_a_file_of_pairs_is_read_or_refused_in_a_sentence(tmp_path):
    file = tmp_path / "pairs.toml"
    file.write_text('[pairs]\n"one" = "b.weight"\n"two" = { of = "a.weight", layout = "transposed" }\n')
    assert pairs_of(file) == {"one": {"of": "b.weight"}, "two": {"of": "a.weight", "layout": "transposed"}}
    file.write_text("[pairs]\none = 3\n")
    with pytest.raises(OwnError, match='one: should be "NAME", or'):
        pairs_of(file)
