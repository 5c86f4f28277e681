"""What the largest cases cost that the limits allow: seconds to load and to evaluate, and memory.

    python -m benchmarks.studies.limits

Each case is made from the limits as the code has them, and takes a process of its own: `load` is the file to a case, `reference` the
values, gradients and tolerances of a variant, `memory` the process's peak beyond what it needs without a case.
"""

import math
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from gradient_conformance.harness.case.limits import MAX_EXACT_WORK, MAX_EXPANDED, MAX_PRODUCTS, MAX_WORK
from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.tensors import MAX_ELEMENTS
from gradient_conformance.harness.references.variant import VariantReference
from gradient_conformance.reference.language import MAX_TEXT

from .. import common

FORM = "title = 't'\nsource = 's'\n{before}program = '''\n{program}\n'''\n{after}[tensors]\n{tensors}"


def text(program: str, tensors: str, before: str = "", after: str = "") -> str:
    return FORM.format(program=program, tensors=tensors, before=before, after=after)


def chain(first: str, line: str, most: int) -> str:
    """Lines, each of which needs the one before it, up to so many characters."""
    lines = [first]
    size = len(first)
    while size < most:
        lines.append(line.format(new=len(lines), old=len(lines) - 1))
        size += len(lines[-1]) + 1
    return "\n".join(lines[:-1])


def most_elements(share: float) -> str:
    return text(
        "y = exp(x)\nloss = sum(y * y)",
        f"x = {{ shape = [{int(share * MAX_ELEMENTS) // 3 - 1}], uniform = [-1, 1] }}\n",
    )


def most_work(share: float) -> str:
    """Small tensors, for which the reference makes the most runs."""
    size = 9_999
    calls = int(share * MAX_WORK) // (5 * size) - 1
    lines = "\n".join(f"y{i} = sigmoid(y{i - 1} * x)" for i in range(1, calls))
    return text(f"y0 = exp(x)\n{lines}", f"x = {{ shape = [{size}], uniform = [-1, 1] }}\n")


def most_products(share: float) -> str:
    side = math.floor((share * MAX_PRODUCTS) ** (1 / 3)) - 1
    shaped = f"{{ shape = [{side}, {side}], uniform = [-1, 1] }}\n"
    return text("y = x @ w\nloss = sum(y * y)", f"x = {shaped}w = {shaped}")


def longest_program(share: float) -> str:
    return text(
        chain("y0=exp(x)", "y{new}=y{old}+x", int(share * MAX_TEXT)),
        "x = { shape = [2], uniform = [-1, 1] }\n",
    )


def most_variants(share: float) -> str:
    """Every variant has a program of its own."""
    swept = range(1, 1 + math.floor(31 * share**0.5))
    sweep = "[sweep]\n" + "".join(f"{name} = {list(swept)}\n" for name in "kj")
    program = chain(
        "y0=exp(x)*{k}*{j}",
        "y{new}=y{old}+x",
        int(share * MAX_EXPANDED) // len(swept) ** 2 - len(sweep) - 200,
    )
    return text(program, "x = { shape = [2], uniform = [-1, 1] }\n", after=sweep)


def most_exact_work(share: float) -> str:
    side = math.floor((share * MAX_EXACT_WORK / 10) ** (1 / 3)) - 1
    shaped = f"{{ shape = [{side}, {side}], choice = [0, 1] }}\n"
    sweep = f"[sweep]\nk = [{', '.join(map(str, range(1, 10)))}]\n"
    return text("y = x @ w\nloss = sum(y * {k})", f"x = {shaped}w = {shaped}", "exact = true\n", sweep)


CASES = {
    "most elements": most_elements,
    "most elements read and written": most_work,
    "most multiplications": most_products,
    "longest program": longest_program,
    "largest file times variants": most_variants,
    "most exact work": most_exact_work,
}


def memory() -> int:
    """The process's largest so far, in MB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measure(name: str, share: float) -> str:
    """The line of a case that has this share of what is allowed."""
    before, content = memory(), CASES[name](share)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.toml"
        path.write_text(content)
        start = time.process_time()
        case = load(path, path.parent)
        loaded = time.process_time()
        with np.errstate(all="ignore"):
            VariantReference(case.variants[0]).single()
        evaluated = time.process_time()
    told = f"{len(content):9,} {len(case.variants):8,} {loaded - start:7.1f} s {evaluated - loaded:9.1f} s {memory() - before:6,} MB"
    return f"{name:32}{told}"


def main() -> None:
    options = common.parser(__doc__).parse_args()
    share = 0.02 if options.quick else 1.0
    with common.kept("limits", "benchmarks.studies.limits", options.write):
        print(f"{common.machine()}; processor time")
        print(f"{'case':32}{'characters':>10}{'variants':>9}{'load':>10}{'reference':>12}{'memory':>10}")
        for name in CASES:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.apply(measure, (name, share)), flush=True)


if __name__ == "__main__":
    main()
