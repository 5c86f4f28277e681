# %%
import math


def matmul(A, B):
    columns = list(zip(*B, strict=True))
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in A]


def transpose(A):
    return [list(column) for column in zip(*A, strict=True)]


def each(function, *matrices):
    return [
        [function(*elements) for elements in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)
    ]


def mean(A):
    return sum(map(sum, A)) / (len(A) * len(A[0]))


# %%
def relu(a):
    return a if a > 0 else 0.0


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def bce_with_logits(z, t):
    return max(z, 0.0) - z * t + math.log1p(math.exp(-abs(z)))


# %%
def mlp_bce_logits(X, W1, W2, t):
    X, W1, W2, t = (array.tolist() for array in (X, W1, W2, t))
    h = each(relu, matmul(X, transpose(W1)))
    z = matmul(h, transpose(W2))
    dz = each(lambda z, t: (sigmoid(z) - t) / len(X), z, t)
    dh = matmul(dz, W2)
    da = each(lambda d, h: d if h > 0 else 0.0, dh, h)
    gradients = {"W2": matmul(transpose(dz), h), "W1": matmul(transpose(da), X), "X": matmul(da, W1)}
    return {"h": h, "z": z, "loss": mean(each(bce_with_logits, z, t))}, gradients | {"h": dh, "z": dz}
