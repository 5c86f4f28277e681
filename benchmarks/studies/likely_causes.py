"""Is the likely cause named, and the right one? The sixty faults in small random networks, each with what it says of itself.

    python -m benchmarks.studies.likely_causes                  # ten networks
    python -m benchmarks.studies.likely_causes 30 --first 100

The first places at which a fault is found are asked for its cause, two of each in a cell. The right ones are in a table, by the fault's own description,
which was written before any result was seen; whatever else is named is wrong. A fault is of a kind that people know if its
description is of a scale, a sign, a transpose, a rounding, a missing term, a stale value or a derivative; only those count
towards the share that is named.
"""

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.judging.calls import diagnosis
from gradient_conformance.harness.judging.comparing import NOTHING_WRONG, distance
from gradient_conformance.harness.judging.judge import Update
from gradient_conformance.harness.judging.likely.trying import likely
from gradient_conformance.harness.judging.likely.updates import likely_update
from gradient_conformance.harness.power.faults import load_faults
from gradient_conformance.reference.optimizers import OPTIMIZERS
from gradient_conformance.reference.rounding import expected

from .. import common
from .faults_by_calls import FAULTS, Faults, variants


class Right(NamedTuple):
    """What a fault is, and a pattern of what may be said of it."""

    kind: str
    says: str


PLACES = 2
"""Of a fault in a cell, so many are asked for their cause: a fault in every layer is found in each."""
ELEMENTS = 3_000
"""Of all names of a network, at most: a place costs seconds in a large one."""
OTHER = "other"
MULTIPLE = r"all of it is \S+ × what it should be|contributes .* is \S+ × "
RIGHT = {
    "sig_at_z": Right("derivative", "fed its input"),
    "sig_of_a": Right("derivative", "taken at its output"),
    "f_for_fprime": Right("derivative", "stands where its derivative should"),
    "tanh_no_sq": Right("derivative", "the square is left out"),
    "deriv_skip_last": Right("derivative", "derivative of .* is left out"),
    "relu_guided": Right("derivative", "negative cotangents are not passed"),
    "relu_wrong_tensor": Right("derivative", "taken at the cotangent"),
    "sig_clip10": Right(OTHER, r"clipped to \[-10, 10\]"),
    "relu_mask_1e-3": Right(OTHER, "nothing is known of it"),
    "leaky_x10": Right("scale", "its slope is (10 ×|1$)"),
    "leaky_as_relu": Right("scale", "its slope is 0$"),
    "dW_transposed": Right("transpose", "transpose"),
    "db_missing": Right("missing term", "is missing|is 0"),
    "db_mean": Right("scale", MULTIPLE),
    "bias_twice": Right("scale", "is added twice"),
    "dx_last_col": Right(
        "missing term", "last column of .* is 0|to the gradient of .* is missing"
    ),  # of one column it is all
    "dx_updated_W": Right("stale value", r"after a step of 0\.1 × "),
    "drop_sample": Right("missing term", "the last .* of the cotangent of .* is not counted"),
    "stale_act": Right("stale value", "before"),
    "fanout_overwrite": Right("missing term", "a term is missing|nothing is added up"),
    "add_first_only": Right("missing term", "is missing|is 0"),
    "mul_swap": Right(OTHER, "what the other operand's should be"),
    "grad_double": Right("scale", "is 2 × what it should be"),
    "grad_clip1": Right("scale", "clipped to a norm of 1"),
    "mom_sign": Right("sign", "momentum has the other sign"),
    "mom_scale": Right("scale", "1 - momentum"),
    "layer_x1.001": Right("scale", r"1\.001 × what"),
    "layer_x1.00001": Right("scale", r"1\.00001 × what"),
    "layer_x1.000001": Right("scale", r"1\.000001 × what"),
    "layer_x1+1e-9": Right("scale", r"1\.000000001 × what"),
    "layer_x1+1e-12": Right("scale", r"1\.000000000001 × what"),
    "elem_1e-3": Right(OTHER, "nothing is known of it"),
    "elem_1e-5": Right(OTHER, "nothing is known of it"),
    "mean_missing": Right("scale", MULTIPLE + "|reduction"),
    "mean_twice": Right("scale", MULTIPLE),
    "loss_sum": Right("scale", MULTIPLE + "|its reduction is"),
    "mse_no2": Right("scale", "is 1/2 × what it should be"),
    "mse_over_batch": Right("scale", MULTIPLE),
    "l2_on_bias": Right("missing term", "itself is added to it"),
    "l2_no_half": Right("scale", r"is 2 × what it should be"),
    "l2_not_in_loss": Right("missing term", "is 0: it is left out"),
    "softmax_axis0": Right(OTHER, "along axis 0"),
    "softmax_noshift": Right(OTHER, "nothing is known of it"),
    "softmax_eps1e-8": Right(OTHER, "1e-08 is added"),
    "label_off1": Right(OTHER, "labels are taken by .*1 off"),
    "xent_no_onehot": Right(OTHER, "the label's number is subtracted"),
    "log_eps1e-7": Right(OTHER, "1e-07 is added inside"),
    "clip_p1e-7": Right(OTHER, r"clipped to \[1e-07, 1 - 1e-07\]"),
    "round4": Right("rounding", "rounded to 4 decimals"),
    "round6": Right("rounding", "rounded to 6 decimals"),
    "bf16_mm": Right("rounding", "bfloat16"),
    "tf32_mm": Right("rounding", "TF32"),
    "fp16_acc": Right("rounding", "float16"),
    "fp16_act": Right("rounding", "float16"),
    "exp_1e-4": Right(OTHER, "nothing is known of it"),
    "exp_1e-6": Right(OTHER, "nothing is known of it"),
    "flush1e-6": Right(OTHER, "nothing is known of it"),
    "noise1e-6": Right(OTHER, "nothing is known of it"),
    "sub_f32": Right("rounding", "float32"),
    "exp_f32": Right("rounding", "computed in float32"),
}
"""By the docstrings of `tests/faults`; of kind other are those of no kind that the share is about."""


class Named(NamedTuple):
    """What was said of one place of a fault; empty where nothing was."""

    fault: str
    where: str
    said: str

    @property
    def right(self) -> bool:
        return bool(self.said) and re.search(RIGHT[self.fault].says, self.said) is not None

    @property
    def wrong(self) -> bool:
        return bool(self.said) and not self.right


def of_calls(cell: Faults) -> Iterator[Named]:
    """What is said of each place at which each fault is found, in one cell."""
    for name in cell.names:
        found = cell.alone(name)
        for suspects in diagnosis(found.trace, found.judged.alarms, found.judged.of_own_output)[:PLACES]:
            told = likely(found.trace, suspects, found.judged.alarms, {})
            where = f"{cell.variant.case_name} {cell.problem.dtype} {sorted(map(tuple, suspects))}"
            yield Named(name, where, told.words if told else "")


def of_updates(cell: Faults) -> Iterator[Named]:
    """What is said of each parameter that a faulty optimizer moves, from the gradients of two steps that are made up."""
    implementation, dtype = cell.implementation, cell.problem.dtype
    options = {
        "lr": float(np.float32(cell.problem.lr)),
        "momentum": float(np.float32(implementation.MOMENTUM)),
    }
    rng = np.random.default_rng(1)
    for fault in implementation.FAULTS.values():
        for name in cell.variant.gradients if fault.kind == "optimizer" else ():
            if name not in cell.problem.inputs:
                continue
            p = np.asarray(cell.problem.inputs[name]).astype(dtype)
            gradients = [rng.uniform(-1, 1, p.shape).astype(dtype) for _ in range(2)]
            moved = implementation.step(cell.problem, dtype, {name: p}, [{name: g} for g in gradients], fault)
            wide = [a.astype(np.float64) for a in (p, *gradients, moved["parameter", name])]
            yield Named(fault.name, f"{cell.variant.case_name} {dtype} {name}", _update(wide, options, dtype))


def _update(arrays: Sequence[np.ndarray], options: dict[str, float], dtype: str) -> str:
    """What is said of a parameter after two steps with these gradients; empty where it is right."""
    p, one, two, got = arrays
    due = expected(
        lambda c: {"it": OPTIMIZERS["sgd"].moved(c, [p, p], [one, two], **options)}, p.size, 1, dtype=dtype
    )["it"]
    if np.all(distance(got, due.value, dtype) <= due.tolerance(dtype)):
        return ""
    compared = NOTHING_WRONG(role="parameter", name="p")
    update = Update(compared, {"p": (p, p)}, {"p": (one, two)}, got, due, due.tolerance(dtype))
    return likely_update(update, OPTIMIZERS["sgd"], options, dtype, {})


def small(count: int, first: int) -> Iterator[Variant]:
    """The first networks of few elements, a third of them with a penalty."""
    left = (v for seed in itertools.count(first) for v in variants(1, seed))
    known = set[str]()
    for variant in left:
        fits = sum(math.prod(spec.shape) for spec in variant.specs.values()) <= ELEMENTS
        if fits and variant.case_name not in known:
            known.add(variant.case_name)
            yield variant
            if len(known) == count:
                return


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("networks", type=int, nargs="?", default=10, help="how many (default: 10)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    implementation = load_faults(FAULTS)
    chosen = list(small(1 if arguments.quick else arguments.networks, arguments.first))
    cells = [Faults(implementation, variant, dtype) for variant in chosen for dtype in variant.dtypes]
    with common.kept("likely_causes", "benchmarks.studies.likely_causes", arguments.write):
        print(f"{common.machine()}\n{len(chosen)} networks, {len(cells)} cells")
        print(f"alarms in correct cells: {sum(len(cell.traced().judged.alarms) for cell in cells)}")
        print("\n".join(told([named for cell in cells for named in (*of_calls(cell), *of_updates(cell))])))


def told(found: Sequence[Named]) -> Iterator[str]:
    """The shares, a line a fault, and all that is wrong."""
    by_fault: dict[str, list[Named]] = defaultdict(list)
    for named in found:
        by_fault[named.fault].append(named)
    known = {name: own for name, own in by_fault.items() if RIGHT[name].kind != OTHER}
    right = sum(sum(n.right for n in own) for own in known.values())
    places = sum(map(len, known.values()))
    often = [name for name, own in known.items() if 2 * sum(n.right for n in own) > len(own)]
    wrong = [named for named in found if named.wrong]
    yield f"of a known kind: {len(often)} of {len(known)} faults named right at most of their places, {len(often) / len(known):.0%}"
    yield f"  {right} of their {places} places, {right / places:.0%}"
    yield f"wrong causes: {len(wrong)} of {len(found)} places of all {len(by_fault)} faults"
    for name, own in by_fault.items():
        counts = Counter("right" if n.right else "wrong" if n.wrong else "nothing said" for n in own)
        yield f"  {name} ({RIGHT[name].kind}): " + ", ".join(f"{n} {what}" for what, n in counts.items())
    yield from (f"  wrong: {n.fault} {n.where}: {n.said}" for n in wrong)


if __name__ == "__main__":
    main()
