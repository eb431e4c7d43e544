"""Modules that cannot be captured as they are, each with what to do about it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from respike.errors import InvalidData, InvalidNetwork

_RANDOM_IN_TRAINING = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd, nn.RReLU)
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


def unwrapped(model: object) -> nn.Module:
    """The module itself, without what spreads it over devices or compiles it.

    Raises `InvalidNetwork` for what is no module, TorchScript, quantised or lazy modules, and training mode.
    """
    if isinstance(model, _WRAPPERS):
        return unwrapped(model.module)
    if isinstance(original := getattr(model, "_orig_mod", None), nn.Module):  # torch.compile
        return unwrapped(original)
    if not isinstance(model, nn.Module):
        raise InvalidNetwork(f"expected a torch.nn.Module, got {type(model).__name__}")
    _check_kind(model)
    _check_evaluation_mode(model)
    return model


def check_types(model: nn.Module, examples: tuple[Tensor, ...]) -> None:
    """Raise `InvalidData` where the example's number type is not the network's."""
    types = {p.dtype for p in model.parameters() if p.is_floating_point()}
    reads_whole_numbers = any(isinstance(module, nn.Embedding) for module in model.modules())
    if not reads_whole_numbers and any(not x.is_floating_point() for x in examples):
        raise InvalidData("an example must hold floating-point numbers (only embeddings read others); call .float()")
    if wrong := [x.dtype for x in examples if types and x.is_floating_point() and x.dtype not in types]:
        known = " and ".join(sorted(map(str, types)))
        raise InvalidData(f"the example is of dtype {wrong[0]} and the network of {known}; convert one of them")


def _check_kind(model: nn.Module) -> None:
    for name, module in model.named_modules():
        place = f"{name or 'the module'} ({type(module).__name__})"
        if isinstance(module, torch.jit.ScriptModule):
            raise InvalidNetwork(
                f"{place} is a TorchScript module, whose Python is gone; build the module that it was made from, give "
                "that its weights by model.load_state_dict(script.state_dict()), and load it"
            )
        if ".quantized" in type(module).__module__:
            raise InvalidNetwork(
                f"{place} is quantised; load the network before quantisation (respike.lower.fixed_point quantises what "
                "respike converted)"
            )
        if any(nn.parameter.is_lazy(parameter) for parameter in module.parameters(recurse=False)):
            raise InvalidNetwork(
                f"{place} is lazy and has no weights yet; call the model once, model(images[:2]), before loading it"
            )


def _check_evaluation_mode(model: nn.Module) -> None:
    modules = [(name, module) for name, module in model.named_modules() if module.training]
    named = [name or type(model).__name__ for name, module in modules if isinstance(module, _RANDOM_IN_TRAINING)]
    if model.training or named:
        where = f" ({', '.join(named)})" if named else ""
        raise InvalidNetwork(f"the network is in training mode{where}; call model.eval() first")
