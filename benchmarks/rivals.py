"""The same networks converted and run by other packages, as their users run them. No dependencies of ours."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

Runner = Callable[[Tensor], Tensor]
"""Gives a converted network's mean output on a batch of images."""


def spikingjelly(model: nn.Module, calibration: Tensor, steps: int, way: str) -> Runner:
    """ann2snn, rate coding, `max`: the documented `loop`, the `multi-step` mode, or the loop `compiled`."""
    from spikingjelly.activation_based import ann2snn, functional

    batches = [(part, torch.zeros(len(part))) for part in torch.split(calibration, 128)]
    recipe = ann2snn.RateCodingRecipe(dataloader=batches, mode="max")
    converted = ann2snn.FXConverter(recipe=recipe, device="cpu").convert(copy.deepcopy(model)).eval()
    if way == "multi-step":
        converted = _folded(converted)

        def at_once(images: Tensor) -> Tensor:
            functional.reset_net(converted)
            result: Tensor = converted(images.expand(steps, *images.shape)).mean(0)
            return result

        return at_once
    step = torch.compile(converted) if way == "compiled" else converted

    def loop(images: Tensor) -> Tensor:
        functional.reset_net(converted)
        return sum((step(images) for _ in range(steps)), start=torch.zeros(())) / steps

    return loop


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


class _Neurons(nn.Module):
    """snnTorch's neuron without leak in the place of a ReLU; the threshold is the largest activation seen."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = 0.0
        self.neuron: Any = None
        self.potential: Tensor | None = None

    def settle(self) -> None:
        """Makes the neurons, after calibration."""
        import snntorch

        self.neuron = snntorch.Leaky(beta=1.0, threshold=self.threshold, reset_mechanism="subtract", reset_delay=False)

    def forward(self, current: Tensor) -> Tensor:
        if self.neuron is None:
            result = torch.relu(current)
            self.threshold = max(self.threshold, float(result.max()))
            return result
        if self.potential is None:
            self.potential = torch.zeros_like(current)
        spikes, self.potential = self.neuron(current, self.potential)
        return self.threshold * spikes  # type: ignore[no-any-return]


def snntorch(model: nn.Module, calibration: Tensor, steps: int) -> Runner:
    """SnnTorch converts no networks: its neurons stand where the ReLUs were, balanced as `max_norm` does."""
    converted = copy.deepcopy(model).eval()
    for name, module in list(converted.named_modules()):
        if isinstance(module, nn.ReLU):
            *path, last = name.split(".")
            setattr(converted.get_submodule(".".join(path)), last, _Neurons())
    populations = [module for module in converted.modules() if isinstance(module, _Neurons)]
    for part in torch.split(calibration, 128):
        converted(part)
    for population in populations:
        population.settle()

    def loop(images: Tensor) -> Tensor:
        for population in populations:
            population.potential = None
        result: Tensor = sum((converted(images) for _ in range(steps)), start=torch.zeros(())) / steps
        return result

    return loop
