"""Rules for products of matrices, and for equations of them."""

from typing import Any

from exporting_rules import is_float
from exporting_values import Value
from exports import Cannot, called, rule


@rule("dot_general")
def dot_general(m: Any, eqn: Any, x: Value, y: Value) -> str:
    """By `@` where NumPy's axes are those; else by letters."""
    (of_x, of_y), (batch_x, batch_y) = (tuple(map(tuple, pair)) for pair in eqn.params["dimension_numbers"])
    if not is_float(eqn.outvars[0]):
        raise Cannot(f"of {eqn.outvars[0].aval.dtype}")
    texts = [m.text(x, "float"), m.text(y, "float")]
    n, a, b = len(batch_x), len(x.shape), len(y.shape)
    first, rows = tuple(range(n)), max(b - 2, 0)
    if (
        (of_x, batch_x, batch_y) == ((a - 1,), first, first)
        and a > 0
        and (
            (of_y == (rows,) and b == n + 2 and (a == n + 2 or n == 0))
            or (b == 1 and of_y == (0,) and n == 0)
        )
    ):
        return " @ ".join(texts)
    letters = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    left = [next(letters) for _ in x.shape]
    right = [""] * b
    for i, j in [*zip(batch_x, batch_y, strict=True), *zip(of_x, of_y, strict=True)]:
        right[j] = left[i]
    right = [letter or next(letters) for letter in right]
    rest = [left[i] for i in range(a) if i not in (*batch_x, *of_x)]
    rest += [right[j] for j in range(b) if j not in (*batch_y, *of_y)]
    result = "".join([*(left[i] for i in batch_x), *rest])
    return called("einsum", *texts, equation=f"{''.join(left)},{''.join(right)}->{result}")


@rule("cholesky")
def cholesky(m: Any, eqn: Any, a: Value) -> str:  # noqa: ARG001
    return called("cholesky", m.text(a, "float"))


@rule("triangular_solve")
def triangular_solve(m: Any, eqn: Any, a: Value, b: Value) -> str:
    """What is on the other side of the diagonal is not read. From the right it is the equation of what is transposed."""
    p = eqn.params
    if p["unit_diagonal"]:
        raise Cannot("with ones on the diagonal")
    left, text, sides = p["left_side"], m.text(a, "float"), m.text(b, "float")
    order = [*range(len(a.shape) - 2), len(a.shape) - 1, len(a.shape) - 2]
    text = m.assign(called("tril" if p["lower"] else "triu", text))
    if p["transpose_a"] == left:
        text = m.assign(called("transpose", text, axes=order))
    if left:
        return called("solve", text, sides)
    turned = m.assign(called("transpose", sides, axes=order))
    return called("transpose", m.assign(called("solve", text, turned)), axes=order)
