"""A batch of nothing: every row of layers gives nothing, and no gradient to what it is shared with."""

import numpy as np
import pytest
from gradient_conformance.reference.backprop import backprop
from gradient_conformance.reference.language import parse

CALLS = {
    "conv1d(x, W)": ((0, 2, 5), (3, 2, 2)),
    "conv2d(x, W, stride=2, padding=1)": ((0, 2, 5, 5), (3, 2, 2, 2)),
    "conv2d(x, W, groups=2)": ((0, 2, 5, 5), (4, 1, 2, 2)),
    "conv3d(x, W)": ((0, 2, 3, 3, 3), (3, 2, 2, 2, 2)),
    "conv_transpose1d(x, W)": ((0, 2, 5), (2, 3, 2)),
    "conv_transpose2d(x, W, stride=2)": ((0, 2, 3, 3), (2, 3, 2, 2)),
    "conv_transpose3d(x, W)": ((0, 2, 2, 2, 2), (2, 3, 2, 2, 2)),
    "linear(x, W)": ((0, 3), (4, 3)),
    "layer_norm(x, W)": ((0, 3), (3,)),
    "group_norm(x, W, groups=1)": ((0, 3, 4), (3,)),
    "max_pool2d(x, size=2) * W": ((0, 3, 4, 4), (2, 2)),
    "avg_pool2d(x, size=2) * W": ((0, 3, 4, 4), (2, 2)),
    "upsample_bilinear(x, scale=2) * W": ((0, 3, 2, 2), (4, 4)),
    "softmax(x * W)": ((0, 3), (3,)),
    "attention(x, x, x) * W": ((0, 4, 3), (4, 3)),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_batch_of_nothing_gives_nothing(call):
    x, W = CALLS[call]
    inputs = {"x": np.ones(x), "W": np.ones(W)}
    try:
        env, grads = backprop(parse(f"y = {call}\nloss = sum(y)"), inputs)
    except Exception as error:
        raise AssertionError(call) from error
    assert env["y"].shape[0] == 0
    assert env["loss"] == 0
    assert grads["x"].shape == x
    assert grads["W"].shape == W
    assert not grads["W"].any()
