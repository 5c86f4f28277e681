"""A model of Keras 3, on its torch backend, as a torch module whose parameters are called by their Keras paths."""

import sys
from typing import Any

import torch


class Stateless(torch.nn.Module):
    """The model as a function of its variables: Keras itself holds them where torch.export doesn't find them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.call = [
            model.stateless_call
        ]  # in a list: the model is a torch module itself, with its variables once more
        for variable in model.trainable_variables:
            self.register_parameter(variable.path, torch.nn.Parameter(variable.value.detach()))
        for variable in model.non_trainable_variables:
            self.register_buffer(variable.path, variable.value.detach())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        found, _ = self.call[0](list(self.parameters()), list(self.buffers()), *args, **kwargs)
        return found


def from_keras(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """A module with its inputs as tensors; one of Keras is built by its first call, and as its `training` says."""
    if not hasattr(module, "stateless_call"):
        return module, args, kwargs
    args, kwargs = tensors(args), tensors(kwargs)
    with torch.no_grad():
        module(*args, **kwargs)
    made = Stateless(module)
    return made.train(bool(kwargs.get("training"))), args, kwargs


def count_anew() -> None:
    """Let Keras call the first of all dense layers `dense` again, where a model is made once more."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()


def tensors(a: Any) -> Any:
    """Arrays, and what Keras makes of them, as tensors."""
    if isinstance(a, dict):
        return {key: tensors(value) for key, value in a.items()}
    if isinstance(a, (tuple, list)):
        return type(a)(map(tensors, a))
    return torch.as_tensor(a) if hasattr(a, "__array__") else a
