"""What a loader of a foreign simulator is, and what loaders share."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from respike.errors import InvalidFile, RespikeError
from respike.export.nir_graph import Metadata
from respike.export.portable import CannotExport, Pooling
from respike.files import read
from respike.hdf5 import check_heaps

Spikes: TypeAlias = dict[str, Tensor]
"""Per IF node its spikes `[steps, batch, *shape]`."""


@dataclass(frozen=True)
class Target:
    """A simulator that others wrote, and how a file of `write_nir` gets to run there as it was meant.

    Args:
        name: of its package, as it is installed.
        pooling: how the file must write average pools.
        nir: the versions of the package nir that it takes.
        fires: at which potential its neurons fire, ">" or ">=" the threshold; they differ at exact ties only.
        configure: what must be set so that neurons reset by subtraction and fire at most once a step.
        load: reads a file and gives the simulator's own module, so configured.
        run: runs the module on currents `[steps, batch, *shape]` from rest and gives the spikes of the named nodes.
    """

    name: str
    pooling: Pooling
    nir: str
    fires: str
    configure: str
    load: Callable[[str | Path], nn.Module]
    run: Callable[[nn.Module, Tensor, tuple[str, ...]], Spikes]


def read_graph(path: str | Path, target: str) -> Any:
    """The graph of a file; `CannotExport` where its metadata asks for what no loader here sets up.

    Raises `InvalidFile` where the file is missing or damaged.
    """
    try:
        import nir
    except ImportError as error:
        raise RespikeError('NIR files need the package nir: pip install "respike[nir]"') from error
    content = read(Path(path))
    check_heaps(content)
    try:
        graph = nir.read(io.BytesIO(content))
    except Exception as error:  # nir checks nothing of what it reads
        raise InvalidFile(f"{path} is damaged, or no file of NIR: {type(error).__name__}: {error}") from error
    wanted = Metadata.of(graph)
    for name, numbers in wanted.neurons.items():
        if numbers["reset"] != "subtract":
            raise CannotExport(f"{name} resets to a value, and the loader for {target} sets up reset by subtraction")
        if bool(torch.as_tensor(numbers["initial_potential"]).any()):
            raise CannotExport(
                f"{name} starts from potentials other than 0, which the loader for {target} does not set: convert with "
                "a method that starts from 0"
            )
    if wanted.steps > wanted.input_steps and not wanted.bias_while_draining and _has_biases(graph):
        raise CannotExport(
            f"biases stop after {wanted.input_steps} steps, which {target} does not support: use a steady schedule"
        )
    return graph


def stepped(module: Callable[[Tensor], object], watched: dict[str, nn.Module], currents: Tensor) -> Spikes:
    """Calls a module on the current of each step, and keeps what the watched children give."""
    kept: dict[str, list[Tensor]] = {name: [] for name in watched}
    with ExitStack() as hooks, torch.no_grad():
        for name, child in watched.items():
            hooks.enter_context(_watching(child, kept[name]))
        for current in currents:
            module(current)
    return {name: torch.stack(spikes) for name, spikes in kept.items()}


def stepped_with_state(module: nn.Module, currents: Tensor, populations: tuple[str, ...]) -> Spikes:
    """The same for a module that gives `(output, state)` and takes the state of the step before."""
    state: Any = None

    def once(current: Tensor) -> None:
        nonlocal state
        _, state = module(current, state)

    return stepped(once, {name: module.get_submodule(name) for name in populations}, currents)


def _watching(child: nn.Module, kept: list[Tensor]) -> Any:
    def keep(_: nn.Module, __: object, result: Any) -> None:
        kept.append((result[0] if isinstance(result, tuple) else result).detach())

    stack = ExitStack()
    stack.callback(child.register_forward_hook(keep).remove)
    return stack


def _has_biases(graph: Any) -> bool:
    return any(node.bias.any() for node in graph.nodes.values() if hasattr(node, "bias"))
