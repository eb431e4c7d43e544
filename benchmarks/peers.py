"""SpikingJelly's ann2snn, the three ways that its users run it. No dependency: left out where missing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

Runner = Callable[[], Tensor]


def spikingjelly(
    model: nn.Module, calibration: Tensor, images: Tensor, steps: int, compiled: bool
) -> dict[str, Runner]:
    """By name, functions that give the converted network's mean output on `images`; {} where not installed."""
    try:
        from spikingjelly.activation_based import ann2snn, functional
    except ImportError:
        return {}
    batches = [(part, torch.zeros(len(part))) for part in torch.split(calibration, 128)]
    recipe = ann2snn.RateCodingRecipe(dataloader=batches, mode="max")
    converted = ann2snn.FXConverter(recipe=recipe, device="cpu").convert(copy.deepcopy(model)).eval()
    folded = _folded(copy.deepcopy(converted))

    def loop(network: Any) -> Tensor:
        functional.reset_net(converted)
        return sum((network(images) for _ in range(steps)), start=torch.zeros(())) / steps

    def at_once() -> Tensor:
        functional.reset_net(folded)
        result: Tensor = folded(images.expand(steps, *images.shape)).mean(0)
        return result

    runners: dict[str, Runner] = {
        "SpikingJelly, documented loop": lambda: loop(converted),
        "SpikingJelly, multi-step": at_once,
    }
    if compiled:
        fast = torch.compile(converted)
        runners["SpikingJelly, loop under torch.compile"] = lambda: loop(fast)
    return runners


def _folded(network: Any) -> Any:
    """The converted network in multi-step mode: neurons take all steps, all else sees time folded into the batch."""
    from spikingjelly.activation_based import functional, layer

    for name, module in list(_leaves(network)):
        if not hasattr(module, "step_mode"):
            *path, last = name.split(".")
            setattr(network.get_submodule(".".join(path)), last, layer.SeqToANNContainer(module))
    functional.set_step_mode(network, "m")
    return network


def _leaves(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, module in network.named_modules():
        if name and not list(module.children()):
            yield name, module
