"""One layer's weight gradient is divided by the batch size, which its upstream gradient holds already."""

import correct


def cs231n_two_layer(X, y, W1, b1, W2, b2):
    values, gradients = correct.cs231n_two_layer(X, y, W1, b1, W2, b2)
    return values, gradients | {"W2": (gradients["W2"] - W2) / len(y) + W2}
