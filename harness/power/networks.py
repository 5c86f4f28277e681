"""Random networks as case files: seeded, so that a seed is a network everywhere.

They stand in for what people build: depth 1 to 8, width 1 to 512, batch 1 to 256, activations and losses, residual,
gated and fan-out connections, both layouts of weights, biases or none. What they are drawn from is a choice, as in a
case: a new op doesn't join it by itself, for that would make another network of every seed.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..case.writing import write

ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "softplus")
LOSSES = ("labels", "distribution", "bce", "bce_with_logits", "mse")
CONNECTIONS = ("plain", "plain", "residual", "gated", "fan_out")
DEPTHS = tuple(range(1, 9))
WIDTHS = (1, 2, 3, 5, 8, 16, 32, 33, 64, 100, 128, 256, 512)
BATCHES = (1, 2, 5, 10, 16, 32, 64, 100, 256)
MOST_PRODUCTS = 64_000_000
"""depth * width * width * batch of the largest network that is drawn."""


@dataclass(frozen=True)
class Network:
    """A network as a value: what its program assigns, in order, and the tensors that it reads."""

    title: str
    seed: int
    width: int
    program: Mapping[str, str]
    tensors: Mapping[str, Mapping[str, Any]]

    @property
    def text(self) -> str:
        """The text of its case file."""
        lines = (f"{name} = {expression}\n" for name, expression in self.program.items())
        return write(
            {
                "title": self.title,
                "source": f"harness.power.networks, seed {self.seed}",
                "seed": self.seed,
                "program": "".join(lines),
                "values": ["z", "loss"],
                "tensors": self.tensors,
            }
        )


@dataclass
class _Writer:
    """Collects the assignments of one program and the tensors that it reads."""

    rng: random.Random
    batch: int
    program: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)

    def weight(self, name: str, into: int, out: int, layout: str) -> str:
        spread = round((1.5 / into) ** 0.5, 6)
        shape = [out, into] if layout == "out_in" else [into, out]
        self.tensors[name] = {"shape": shape, "uniform": [-spread, spread]}
        return name

    def linear(self, layer: str, x: str, into: int, out: int) -> str:
        """The text of a linear layer with fresh weights."""
        layout = self.rng.choice(("out_in", "in_out"))
        inputs = [x, self.weight(f"W{layer}", into, out, layout)]
        if self.rng.random() < 0.7:
            self.tensors[f"b{layer}"] = {"shape": [out], "uniform": [-0.5, 0.5]}
            inputs.append(f"b{layer}")
        return f'linear({", ".join(inputs)}, weights="{layout}")'

    def activation(self, x: str) -> str:
        name = self.rng.choice(ACTIVATIONS)
        return f"{name}({x}, slope=0.1)" if name == "leaky_relu" else f"{name}({x})"


@dataclass(frozen=True)
class Sizes:
    """What depth, width and batch of a network are drawn from."""

    depths: Sequence[int] = DEPTHS
    widths: Sequence[int] = WIDTHS
    batches: Sequence[int] = BATCHES


DEEP_AND_WIDE = Sizes((6, 7, 8), (208, 256), (1, 2, 5, 10))
"""Where tolerances are widest; of few examples, so that they can be judged call by call with every fault."""


def network(seed: int, sizes: Sizes = Sizes()) -> Network:
    """Network number `seed` among those of these sizes."""
    rng = random.Random(seed)  # noqa: S311 (reproducible, not secret)
    depth, batch, width = (rng.choice(of) for of in (sizes.depths, sizes.batches, sizes.widths))
    while depth * width * width * batch > MOST_PRODUCTS:
        batch = rng.choice(sizes.batches)
    writer = _Writer(rng, batch)
    features = rng.choice((1, 3, 8, 20, width))
    writer.tensors["x0"] = {"shape": [batch, features], "uniform": [-1, 1]}
    for layer in range(1, depth + 1):
        _hidden(writer, layer, features if layer == 1 else width, width)
    loss = rng.choice(LOSSES)
    classes = rng.choice((2, 3, 10)) if loss in ("labels", "distribution") else rng.choice((1, 2, 5))
    writer.program["z"] = writer.linear("out", f"x{depth}", width, classes)
    _loss(writer, loss, classes)
    title = f"Random network {seed}: depth {depth}, width {width}, batch {batch}, {loss}"
    return Network(title, seed, width, writer.program, writer.tensors)


def _hidden(w: _Writer, layer: int, into: int, width: int) -> None:
    """One hidden layer, x{layer} from x{layer - 1}, with its kind of connection."""
    x, y = f"x{layer - 1}", f"x{layer}"
    kind = w.rng.choice(CONNECTIONS)
    body = w.activation(w.linear(str(layer), x, into, width))
    if kind == "residual" and into == width:
        w.program[y] = f"{x} + {body}"
    elif kind == "gated":
        w.program[f"g{layer}"] = f"sigmoid({w.linear(f'g{layer}', x, into, width)})"
        w.program[y] = f"g{layer} * {body}"
    elif kind == "fan_out":
        w.program[f"h{layer}"] = body
        w.program[y] = f"h{layer} + {w.activation(f'h{layer}')} * h{layer}"
    else:
        w.program[y] = body


def _loss(w: _Writer, loss: str, classes: int) -> None:
    shape = [w.batch, classes]
    targets: dict[str, dict[str, Any]] = {
        "labels": {"shape": [w.batch], "labels": classes},
        "distribution": {"shape": shape, "one_hot": 1},
        "mse": {"shape": shape, "uniform": [-1, 1]},
    }
    w.tensors["t"] = targets.get(loss, {"shape": shape, "choice": [0, 1]})
    forms = {"mse": "mse(z, t)", "bce": "bce(sigmoid(z), t)", "bce_with_logits": "bce_with_logits(z, t)"}
    w.program["loss"] = forms.get(loss, "cross_entropy(z, t)")
