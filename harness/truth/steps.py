"""The optimizers' rows, held to their definitions after every step of a training."""

from collections.abc import Iterator

import numpy as np

from ...reference.contexts import EXACT
from ...reference.optimizers import OPTIMIZERS
from .derivatives import numerical_jacobian
from .drawing import Sample
from .optimizers import TRUTH, Optimizer
from .rows import CONTRACTION_BOUND, Certificate, Measured, call, compare, frozen, value_scale


def certify_optimizer(name: str) -> Certificate:
    """Measure an optimizer on all its samples. It fails where anything is out of bounds, raises, or isn't measured."""
    if name not in TRUTH:
        problem = f"{name} is not covered: harness/truth/optimizers.py does not define it"
        return Certificate(name, 0, (), (problem,))
    truth, measured, problems = TRUTH[name], list[Measured](), list[str]()
    for sample in truth.samples:
        try:
            measured += measure_steps(truth, sample)
        except Exception as error:  # noqa: BLE001 (whatever a broken row raises is that row's failure)
            problems.append(f"{call(name, sample)} raised {type(error).__name__}: {error}")
    problems += [str(m) for m in measured if not m.ok]
    return Certificate(name, len(truth.samples), tuple(measured), tuple(problems))


def measure_steps(truth: Optimizer, sample: Sample) -> Iterator[Measured]:
    """The parameter after each step, relative to the sum of |terms| of all steps so far."""
    start, gradients = frozen(sample.inputs)
    parameters = [start]
    for count in range(1, len(gradients) + 1):
        parameters.append(
            np.asarray(OPTIMIZERS[truth.name].moved(EXACT, parameters, gradients[:count], **sample.kw))
        )
        inputs = start, gradients[:count]
        right = truth.forward(*inputs, **sample.kw)
        slopes = {i: numerical_jacobian(truth.forward, inputs, sample.kw, i)[0] for i in range(2)}
        scale = value_scale("terms", inputs, right, slopes)
        where = f"{call(truth.name, sample)} after step {count}"
        yield compare("value", parameters[-1], right, scale, CONTRACTION_BOUND, where)
