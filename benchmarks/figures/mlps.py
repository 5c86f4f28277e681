"""Small MLPs as case files: a few families that share program and shapes, or a family for each case.

Every case has data of its own (its seed), so that no two cells have the same answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gradient_conformance.harness.case.loading import load
from gradient_conformance.harness.case.variant import Variant
from gradient_conformance.harness.frameworks.found import Framework
from gradient_conformance.harness.plan import Cell

CLASSES, FEATURES = 4, 8
LOSSES = {
    "mse": (("loss = mse(z, t)",), "uniform = [-1, 1]"),
    # Cross entropy written out: MXNet's own, in float32, is a known deviation.
    "cross_entropy": (("p = softmax(z, axis=1)", "loss = -mean(sum(t * log(p), axis=1))"), "one_hot = 1"),
}
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Mlp:
    """What the cases of a family have in common."""

    layers: int
    batch: int
    width: int
    activation: str
    loss: str
    features: int = FEATURES

    @property
    def sizes(self) -> list[int]:
        return [self.features, *[self.width] * (self.layers - 1), CLASSES]


FAMILIES = (
    Mlp(2, 8, 8, "sigmoid", "mse"),
    Mlp(2, 16, 16, "tanh", "cross_entropy"),
    Mlp(3, 8, 32, "relu", "cross_entropy"),
    Mlp(3, 16, 16, "sigmoid", "cross_entropy"),
    Mlp(2, 16, 32, "tanh", "mse"),
    Mlp(3, 8, 16, "relu", "mse"),
)
"""Few enough, in two dtypes, for the compiled functions that an adapter keeps. Torch takes 0.4 ms for one."""

LARGER = (
    Mlp(4, 256, 64, "sigmoid", "mse"),
    Mlp(4, 128, 64, "tanh", "cross_entropy"),
    Mlp(3, 256, 64, "relu", "cross_entropy"),
    Mlp(4, 128, 64, "sigmoid", "cross_entropy"),
    Mlp(3, 256, 64, "tanh", "mse"),
    Mlp(4, 256, 64, "relu", "mse"),
)
"""As many, of which torch takes 1 ms for one."""


def text(mlp: Mlp, seed: int) -> str:
    """The case file of an MLP with data number `seed`."""
    lines, tensors = [], [f"x0 = {{ shape = [{mlp.batch}, {mlp.features}], uniform = [-1, 1] }}"]
    names = []
    for layer, (into, out) in enumerate(zip(mlp.sizes, mlp.sizes[1:], strict=False), 1):
        spread = round((1.5 / into) ** 0.5, 6)
        tensors.append(f"W{layer} = {{ shape = [{out}, {into}], uniform = [{-spread}, {spread}] }}")
        tensors.append(f"b{layer} = {{ shape = [{out}], uniform = [-0.5, 0.5] }}")
        names += [f"W{layer}", f"b{layer}"]
        z = f'linear(x{layer - 1}, W{layer}, b{layer}, weights="out_in")'
        lines.append(f"z = {z}" if layer == mlp.layers else f"x{layer} = {mlp.activation}({z})")
    loss, target = LOSSES[mlp.loss]
    lines += loss
    tensors.append(f"t = {{ shape = [{mlp.batch}, {CLASSES}], {target} }}")
    head = f'title = "{mlp.layers} layers, width {mlp.width}, data {seed}"\nsource = "benchmarks"\nseed = {seed}\n'
    quoted = ", ".join(f'"{name}"' for name in names)
    return (
        head + 'program = """\n' + "\n".join(lines) + f'\n"""\ngradients = [{quoted}]\n\n[tensors]\n'
        + "\n".join(tensors) + "\n"
    )  # fmt: skip


def write(root: Path, mlps: Sequence[Mlp], first: int = 0) -> list[Path]:
    """A case file for each, in the case root `root`; data are numbered from `first`."""
    root.mkdir(parents=True, exist_ok=True)
    paths = [root / f"mlp_{number}.toml" for number in range(first, first + len(mlps))]
    for number, (path, mlp) in enumerate(zip(paths, mlps, strict=True), first):
        path.write_text(text(mlp, number), encoding="utf-8")
    return paths


def seen(count: int, families: Sequence[Mlp] = FAMILIES) -> list[Mlp]:
    """MLPs of a few families, one after the other."""
    return [families[i % len(families)] for i in range(count)]


def new(count: int, number: int) -> list[Mlp]:
    """MLPs of shapes that no other has; those of run `number` are like those of any other run."""
    families = seen(count)
    places = (divmod(i, 40) for i in range(number * count, (number + 1) * count))
    return [
        replace(family, width=5 + width, batch=3 + batch)
        for family, (width, batch) in zip(families, places, strict=True)
    ]


def variants(root: Path, mlps: Sequence[Mlp], first: int = 0) -> list[Variant]:
    """The MLPs, loaded from case files."""
    return [variant for path in write(root, mlps, first) for variant in load(path, root).variants]


def cells(
    variants: Sequence[Variant], frameworks: Sequence[Framework], dtypes: Sequence[str] = DTYPES
) -> Iterator[Cell]:
    """Cells of each framework's default mode, frameworks side by side as the plugin has them."""
    for variant in variants:
        for dtype in dtypes:
            for framework in frameworks:
                yield Cell(variant, dtype, framework, framework.modes[0])
