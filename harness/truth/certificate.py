"""The certificate as text."""

import math
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from ..case.variant import Variant
from .ops import TRUTH
from .programs import OWN_SHARE, ProgramCertificate, certify_program
from .rows import Certificate, certify_row
from .steps import certify_optimizer

UNITS = {"element": "element", "terms": "sum |terms|", "one": "sum |terms|, 1"}


def report(
    ops: Sequence[str], optimizers: Sequence[str], variants: Sequence[Variant], console: Console
) -> bool:
    """Certify rows and programs, print what was measured, and say whether all of it is within its bounds."""
    rows, steps = [certify_row(op) for op in ops], [certify_optimizer(name) for name in optimizers]
    if rows or steps:
        console.print(_row_table([*rows, *steps]))
    programs = [certify_program(variant) for variant in variants]
    if programs:
        console.print(_program_table(programs))
    certificates: list[Certificate | ProgramCertificate] = [*rows, *steps, *programs]
    problems = [problem for certificate in certificates for problem in certificate.problems]
    for problem in problems:
        console.print(f"FAILED  {problem}", markup=False, highlight=False, soft_wrap=True)
    failed = sum(bool(c.problems) for c in certificates)
    counts = f"{len(rows)} rows, {len(steps)} optimizers, {len(programs)} programs"
    console.print(f"{counts}: {failed or 'none'} failed", highlight=False)
    return not problems


def _row_table(rows: Iterable[Certificate]) -> Table:
    caption = (
        "Largest errors in u = 2^-53, relative to each element or to the sum of its |terms|. A vjp for each input, "
        "against two-sided differences; all together along a random direction, against the complex step (-: not "
        "analytic) and a Taylor remainder (-: linear). Optimizers after each step. Definitions in mpmath, 50 digits."
    )
    headings = ("op", "relative to", "samples", "value", "vjps", "complex step", "Taylor slope", "allowed")
    table = Table(caption=caption)
    for heading in headings:
        table.add_column(heading)
    for c in rows:
        bounds = sorted({int(m.bound) for m in c.measured})
        allowed = "-".join(str(b) for b in (bounds[:1] if len(bounds) == 1 else bounds[:: len(bounds) - 1]))
        numbers = (
            _short(c.worst("value")),
            " ".join(map(_short, c.vjps)),
            _short(c.worst("complex step")),
        )
        name = f"{c.op}  FAILED" if c.problems else c.op
        unit = UNITS[TRUTH[c.op].relative_to if c.op in TRUTH else "terms"]
        table.add_row(name, unit, str(c.samples), *numbers, _short(c.slope), allowed)
    return table


def _program_table(programs: Iterable[ProgramCertificate]) -> Table:
    caption = (
        "Largest errors of the values and gradients of whole programs, in u of the tensor's largest element, and "
        f"as share of the element's own float64 tolerance ({OWN_SHARE:.2f} allowed). Gradients: so many elements of all."
    )
    table = Table(caption=caption)
    for heading in ("program", "gradients", "value", "gradient", "of tolerance"):
        table.add_column(heading)
    for c in programs:
        name = f"{c.name}  FAILED" if c.problems else c.name
        numbers = (_short(number) for number in (c.value, c.gradient, c.share))
        table.add_row(name, f"{c.checked} of {c.elements}", *numbers)
    return table


def _short(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:.3g}"
