"""What a case may ask for: bounds of its file, of its variants, and of their work."""

from collections.abc import Mapping

from ...reference.ops import OPS, Spec
from ...reference.program import Program
from .tensors import elements

MAX_BYTES = 1_000_000
MAX_VARIANTS = 10_000
MAX_EXPANDED = 5_000_000
"""Characters of the file times variants: bounds time and memory of loading."""
MAX_WORK = 100_000_000
MAX_PRODUCTS = 10_000_000_000
"""Elements that all op calls of all steps read and write, and multiplications of their products of matrices."""
MAX_CALLS = 500_000
"""Op calls of all steps: each may be an array in an answer."""
MAX_EXACT = 3_000
MAX_EXACT_VARIANTS = 200
MAX_EXACT_WORK = 200_000
"""Elements of all names in a variant, variants, and work of all variants, of an exact case: fractions are slow."""


def work_of(program: Program, specs: Mapping[str, Spec]) -> tuple[int, int]:
    """Elements that the op calls read and write, and multiplications in products of matrices."""
    size = {name: elements(spec.shape) for name, spec in specs.items()}
    moved = products = 0
    for node in program.nodes:
        moved += sum([size[name] for name in (*node.inputs, *node.outs)])
        if terms := OPS[node.op].terms:
            products += size[node.outs[0]] * max(1, terms(*(specs[name].shape for name in node.inputs)))
    return moved, products
