"""Rules for matrices, norms and distances."""

from typing import Any

from exporting_rules import axes, plain, shape
from exports import RULES, Cannot, called, rule
from torch.fx import Node

RULES |= dict.fromkeys(("linalg_inv.default", "inverse.default"), plain("inv({0})"))
RULES |= dict.fromkeys(("linalg_det.default", "det.default"), plain("det({0})"))
RULES |= {"outer.default": plain("outer({0}, {1})"), "trace.default": plain("trace({0})")}


@rule("linalg_solve.default")
def solve(m: Any, _: Node, a: Any, b: Any, *, left: bool = True) -> str:
    if not left:
        raise Cannot("from the right")
    return called("solve", m.arg(a), m.arg(b))


@rule("linalg_solve_triangular.default")
def solve_triangular(
    m: Any, _: Node, a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> str:
    """What is on the other side of the diagonal is not read."""
    if not left or unitriangular:
        raise Cannot("from the right, or with ones on the diagonal")
    return called("solve", called("triu" if upper else "tril", m.arg(a)), m.arg(b))


def turned(m: Any, node: Node, a: str, rank: int) -> str:
    """Each matrix of a stack transposed."""
    return str(m.assign(node, called("transpose", a, axes=[*range(rank - 2), rank - 1, rank - 2])))


@rule("linalg_cholesky.default", "cholesky.default")
def cholesky(m: Any, node: Node, a: Any, upper: bool = False, **named: Any) -> str:
    text = called("cholesky", m.arg(a))
    if upper or named.get("upper"):
        return turned(m, node, m.assign(node, text), len(shape(a)))
    return text


@rule("cholesky_solve.default")
def cholesky_solve(m: Any, node: Node, b: Any, factor: Any, upper: bool = False) -> str:
    own, other = m.arg(factor), turned(m, node, m.arg(factor), len(shape(factor)))
    lower, raised = (other, own) if upper else (own, other)
    return called("solve", raised, m.assign(node, called("solve", lower, m.arg(b))))


@rule("linalg_slogdet.default", "slogdet.default")
def slogdet(m: Any, node: Node, a: Any) -> list[str]:
    return list(m.assign(node, called("slogdet", m.arg(a)), 2))


@rule("logdet.default")
def logdet(m: Any, node: Node, a: Any) -> str:
    return slogdet(m, node, a)[1]


@rule("linalg_vector_norm.default")
def norm(m: Any, _: Node, x: Any, order: Any = 2, dim: Any = None, keepdim: bool = False, **__: Any) -> str:
    if order < 1:
        raise Cannot(f"of order {order}")
    return called("norm", m.arg(x), p=order if order != 2 else None, axis=axes(dim), keepdims=keepdim or None)


@rule("_weight_norm.default")
def weight_norm(m: Any, _: Node, v: Any, g: Any, dim: int = 0) -> str:
    if dim < 0:
        raise Cannot("over all axes")
    return called("weight_norm", m.arg(v), m.arg(g), axis=dim)


@rule("cdist.default")
def cdist(m: Any, _: Node, x: Any, y: Any, p: float = 2.0, *__: Any) -> str:
    if p < 1:
        raise Cannot(f"of order {p}")
    return called("cdist", m.arg(x), m.arg(y), p=p if p != 2 else None)


@rule("bilinear.default")
def bilinear(m: Any, node: Node, x: Any, y: Any, W: Any, b: Any = None) -> str:
    """In two products: of x and the weights, and of that and y."""
    lead = "abcdefgh"[: len(shape(x)) - 1]
    half = m.assign(node, called("einsum", m.arg(x), m.arg(W), equation=f"{lead}i,oij->{lead}oj"))
    found = called("einsum", half, m.arg(y), equation=f"{lead}oj,{lead}j->{lead}o")
    return found if b is None else f"{found} + {m.arg(b)}"


@rule("cosine_similarity.default")
def cosine_similarity(m: Any, _: Node, x: Any, y: Any, dim: int = 1, eps: float = 1e-8) -> str:
    return called("cosine_similarity", m.arg(x), m.arg(y), axis=dim, epsilon=eps)
