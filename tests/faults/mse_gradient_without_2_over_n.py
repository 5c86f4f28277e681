"""The loss is a mean of squares; its gradient forgets the 2 / N."""

import correct


def dense_batch_first(X, W, b, Y):
    values, gradients = correct.dense_batch_first(X, W, b, Y)
    return values, {name: g * (Y.size / 2) for name, g in gradients.items()}
