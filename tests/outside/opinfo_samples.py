"""Run by torch's interpreter: the samples of torch's own OpInfos, with torch's values and gradients at float64.

    python opinfo_samples.py FOLDER < names.json

`names` are OpInfos as "name|variant". Writes FOLDER/samples.json, where an array stands as {"array": number}, and arrays.npz.
"""

import json
import random
import sys
import types
import unittest
from pathlib import Path

import numpy as np
import torch

# torch's samples lie in a module of its tests, of whose package only a base class is named
sys.modules["expecttest"] = types.ModuleType("expecttest")
sys.modules["expecttest"].TestCase = unittest.TestCase

from torch.testing._internal.common_methods_invocations import op_db

FORMS, ELEMENTS = 16, 5_000
"""So many samples of one OpInfo, none of more elements: the first of each form, that is of ranks and literals."""

arrays = []


def kept(x):
    """Anything that a sample has, as JSON."""
    if isinstance(x, torch.Tensor):
        arrays.append(x.detach().numpy().copy())
        return {"array": len(arrays) - 1, "float": x.is_floating_point()}
    if isinstance(x, list):
        return [kept(a) for a in x]
    if isinstance(x, tuple):
        return {"tuple": [kept(a) for a in x]}
    if isinstance(x, slice):
        return {"slice": [x.start, x.stop, x.step]}
    return x if isinstance(x, (int, float, str, bool, type(None))) else {"other": repr(x)}


def tensors(x):
    if isinstance(x, torch.Tensor):
        return [x]
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else ()
    return [a for part in parts for a in tensors(part)]


def form(x):
    if isinstance(x, torch.Tensor):
        return f"{x.dtype} {x.dim()} {1 in x.shape}"
    if isinstance(x, dict):
        return repr([(name, form(a)) for name, a in sorted(x.items())])
    return repr([form(a) for a in x]) if isinstance(x, (list, tuple)) else repr(x)


def taken(info):
    """The first sample of each form."""
    seen = set()
    for sample in info.sample_inputs("cpu", torch.float64, requires_grad=info.supports_autograd):
        whole = (sample.input, sample.args, sample.kwargs)
        sizes = [a.numel() for a in tensors(list(whole))]
        if (
            form(whole) not in seen
            and len(seen) < FORMS
            and min(sizes, default=0) > 0
            and sum(sizes) <= ELEMENTS
        ):
            seen.add(form(whole))
            yield sample


def told(info, sample):
    """The sample with what torch makes of it: outputs, their cotangents, and the gradients of what has one."""
    every = tensors([sample.input, sample.args, sample.kwargs])
    leaves = [i for i, a in enumerate(every) if a.requires_grad]
    inputs = [every[i] for i in leaves]
    given = {
        "args": kept([sample.input, *sample.args]),
        "kwargs": {k: kept(a) for k, a in sample.kwargs.items()},
    }
    outputs = tensors(info.op(sample.input, *sample.args, **sample.kwargs))
    through = [out for out in outputs if out.requires_grad]
    cotangents = [torch.rand_like(out) * 2 - 1 for out in through]
    gradients = (
        torch.autograd.grad(through, inputs, cotangents, allow_unused=True) if through and inputs else ()
    )
    found = dict(zip(leaves, gradients or [None] * len(leaves), strict=True))
    numbers = {id(out): g for out, g in zip(through, cotangents, strict=True)}
    return given | {
        "outputs": [kept(out) for out in outputs],
        "cotangents": [kept(numbers[id(out)]) if id(out) in numbers else None for out in outputs],
        "gradients": [
            [leaf, kept(torch.zeros_like(every[leaf]) if g is None else g)] for leaf, g in found.items()
        ],
    }


def main():
    folder, names = Path(sys.argv[1]), json.load(sys.stdin)
    infos = {"|".join(filter(None, (info.name, info.variant_test_name))): info for info in op_db}
    samples = {}
    for name in names:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - whose state the samples are drawn from
        random.seed(0)
        samples[name] = [told(infos[name], sample) for sample in taken(infos[name])]
    text = {"torch": torch.__version__, "names": sorted(infos), "samples": samples}
    (folder / "samples.json").write_text(json.dumps(text))
    np.savez(folder / "arrays.npz", *arrays)


main()
