"""What a case may ask for: bounds of its file, of its variants, and of their work."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET

from ...reference.ops import OPS, Spec
from ...reference.program import Program
from ..reading.text import shown
from .document import Document
from .mistakes import Mistake
from .tensors import MAX_ELEMENTS, elements
from .variant import Variant

MAX_BYTES = 1_000_000
MAX_VARIANTS = 10_000
MAX_EXPANDED = 5_000_000
"""Characters of the file times variants: bounds time and memory of loading."""
MAX_WORK = 100_000_000
MAX_PRODUCTS = 10_000_000_000
"""Elements that all op calls of all steps read and write, and multiplications of their products of matrices."""
MAX_TRACED = 500_000
"""Tensors of a trace, in all steps: each is an array in an answer, and takes its part of the answer's header."""
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
            given = (specs[name].shape for name in node.inputs)
            products += size[node.outs[0]] * max(1, terms(*given, **node.kw))
    return moved, products


def traced(program: Program, specs: Mapping[str, Spec]) -> int:
    """Tensors that a step's trace may have: all values and cotangents, the parameters, and what each of several uses adds."""
    uses = Counter(name for node in program.nodes for name in node.inputs)
    contributions = sum(count for count in uses.values() if count > 1)
    assigned = sum(len(node.outs) for node in program.nodes)
    return assigned + len(specs) + len(program.inputs) + contributions


def too_many(document: Document, text: str) -> Iterator[Mistake]:
    """What is wrong with the number of variants, before one is made."""
    optimizers = 1 if document.training is UNSET else len(document.training.optimizer.names)
    count = optimizers * math.prod(len(values) for values in document.sweep.values())
    if count > MAX_VARIANTS:
        message = f"{shown(count)} variants, but at most {MAX_VARIANTS} are allowed"
        yield Mistake(message, ("sweep",), on_key=True)
    elif count > 1 and count * len(text) > MAX_EXPANDED:
        message = f"{count} variants of a file of {len(text)} characters are too many"
        yield Mistake(f"{message}; their product may be at most {MAX_EXPANDED}", ("sweep",), on_key=True)


def too_large(program: Program, specs: Mapping[str, Spec], steps: int) -> Iterator[Mistake]:
    """What is too much of all that a variant holds at once, of every step, since every step is judged; and computes."""
    held = sum([elements(spec.shape) for spec in specs.values()])
    work, products = work_of(program, specs)
    found = [
        (held, MAX_ELEMENTS, "tensors", "all tensors of a variant have {} elements together"),
        (work, MAX_WORK, "program", "a variant has {} elements to read and write"),
        (products, MAX_PRODUCTS, "program", "a variant has {} multiplications in products of matrices"),
        (
            traced(program, specs),
            MAX_TRACED,
            "program",
            "a variant has {} tensors to answer when it is traced",
        ),
    ]
    for count, most, key, text in found:
        if count * steps > most:
            yield Mistake(f"{text.format(count * steps)}; at most {most} are allowed", (key,), on_key=True)
            return


def too_large_to_prove(document: Document, variants: Sequence[Variant]) -> Iterator[Mistake]:
    """What is wrong with an exact case as a whole, before anything of it is proven."""
    if not document.exact:
        return
    work = sum(sum(work_of(variant.program, variant.specs)) for variant in variants)
    if document.training is not UNSET:
        yield Mistake("an exact case has no [training]", ("exact",))
    elif len(variants) > MAX_EXACT_VARIANTS:
        found = f"{len(variants)} variants, but an exact case may have at most {MAX_EXACT_VARIANTS}"
        yield Mistake(found, ("exact",))
    elif work > MAX_EXACT_WORK:
        found = f"{work} elements and multiplications, but an exact case may have at most {MAX_EXACT_WORK}"
        yield Mistake(found, ("exact",))
