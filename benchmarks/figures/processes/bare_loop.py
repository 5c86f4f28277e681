"""What a user would write: a loop over cells in a framework's own interpreter, with nothing of the harness around it.

    FRAMEWORK_PYTHON bare_loop.py WORKER ADAPTER CELLS [REPEATS]

Tensors are built from NumPy arrays, the program runs forward and backward by the adapter's native calls, and value and
gradients become NumPy arrays. No message, no hash, no check. With REPEATS the tensors are built beforehand, the loop
runs so many times over the cells, and the results stay native. Each line on stdin runs the loop once; the answer is its seconds.
"""

import functools
import importlib.util
import json
import sys
import time
from pathlib import Path

import numpy as np


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    sys.modules[name] = loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Program:
    """One program as native calls. Cells with the same program, shapes and dtypes share it."""

    def __init__(self, spec, worker, adapter):
        self.output, self.values, self.wrt = spec["output"], spec["values"], spec["gradients"]
        self.steps = [(call(n, worker, adapter), n["args"], n["out"]) for n in spec["program"]]

    def forward(self, inputs):
        env = dict(inputs)
        for native, args, name in self.steps:
            env[name] = native(*[env[arg] for arg in args])
        return env


def call(node, worker, adapter):
    """A node's native call with its attributes."""
    return functools.partial(adapter.OPS[node["op"]], **worker.attributes(node["op"], node["kw"]))


def torch_loop(adapter):
    torch = adapter.torch

    def run(program, tensors):
        wrt = [tensors[name].detach().requires_grad_() for name in program.wrt]
        env = program.forward({**tensors, **dict(zip(program.wrt, wrt, strict=True))})
        return [env[name] for name in program.values], torch.autograd.grad(env[program.output], wrt)

    return run


def tensorflow_loop(adapter):
    tf = adapter.tf

    def run(program, tensors):
        wrt = [tensors[name] for name in program.wrt]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(wrt)
            env = program.forward(tensors)
        return [env[name] for name in program.values], tape.gradient(env[program.output], wrt)

    return run


def jax_loop(adapter):
    jax = adapter.jax

    def compiled(program):
        def forward(wrt, others):
            env = program.forward({**others, **wrt})
            return env[program.output], [env[name] for name in program.values]

        return jax.jit(jax.grad(forward, has_aux=True))

    functions = {}

    def run(program, tensors):
        if program not in functions:
            functions[program] = compiled(program)
        wrt = {name: tensors[name] for name in program.wrt}
        grads, values = functions[program](wrt, {n: t for n, t in tensors.items() if n not in wrt})
        return values, [grads[name] for name in program.wrt]

    return run


def mxnet_loop(adapter):
    autograd = adapter.mx.autograd

    def run(program, tensors):
        wrt = [tensors[name] for name in program.wrt]
        for leaf in wrt:
            leaf.attach_grad()
        with autograd.record():
            env = program.forward(tensors)
        env[program.output].backward()
        return [env[name] for name in program.values], [leaf.grad for leaf in wrt]

    return run


LOOPS = {"torch": torch_loop, "tensorflow": tensorflow_loop, "jax": jax_loop, "mxnet": mxnet_loop}


def read_cells(path, worker, adapter):
    """Program and arrays of every cell."""
    with np.load(path) as file:
        specs = json.loads(file["specs"].tobytes())
        arrays = {name: file[name] for name in file.files}
    programs, cells = {}, []
    for number, (key, names) in enumerate(specs["cells"]):
        if key not in programs:
            programs[key] = Program(specs["programs"][key], worker, adapter)
        cells.append((programs[key], {name: arrays[f"{number}/{name}"] for name in names}))
    return cells


def main():
    worker_path, adapter_path, cells_path, *repeats = sys.argv[1:]
    sys.path.append(str(Path(worker_path).parent))  # for the modules beside it
    worker = module("worker", worker_path)
    adapter = module("adapter", adapter_path)
    adapter.setup(1, 0)
    native, to_numpy = adapter.to_native, adapter.to_numpy
    about = adapter.about()
    run = LOOPS[about["framework"]](adapter)
    cells = read_cells(cells_path, worker, adapter)

    def whole():
        for program, arrays in cells:
            values, grads = run(program, {name: native(array) for name, array in arrays.items()})
            for tensor in (*values, *grads):
                to_numpy(tensor)

    ready = [(program, {n: native(a) for n, a in arrays.items()}) for program, arrays in cells]

    def bare():
        for program, tensors in ready * int(repeats[0]):
            run(program, tensors)

    loop = bare if repeats else whole
    print(json.dumps(about), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        loop()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
