"""The state of an unfinished training, in one safetensors file that is replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from respike.errors import InvalidFile, InvalidOption
from respike.files import read, write
from respike.tensor_file import pack, parse
from respike.zoo.records import Epoch, fill


@dataclass(frozen=True)
class Checkpoint:
    """Where a training of one kind keeps its state between epochs.

    identity: what is trained and how (name, seed, recipe, ...); a checkpoint of another identity is not continued.
    Random numbers need no place in it: those of each epoch follow from the seed and the epoch's number.
    """

    path: Path
    identity: Mapping[str, Any]

    def save(self, network: nn.Module, optimizer: Optimizer, history: tuple[Epoch, ...]) -> None:
        """Writes the state after the last epoch of `history`."""
        tensors = {f"network.{name}": value.cpu() for name, value in network.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value.cpu() for key, value in state.items()}
        facts = {"identity": dict(self.identity), "history": [asdict(epoch) for epoch in history]}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write(self.path, pack(tensors, {"training": json.dumps(facts)}))

    def restore(self, network: nn.Module, optimizer: Optimizer) -> tuple[Epoch, ...]:
        """Puts the saved state into network and optimizer, and gives the epochs done; none where nothing was saved.

        Raises InvalidFile for a broken checkpoint, InvalidOption for one of another training.
        """
        if not self.path.exists():
            return ()
        try:
            tensors, header = parse(read(self.path), self.path)
            facts = json.loads(header["training"])
            history = tuple(Epoch(**epoch) for epoch in facts["history"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidFile(f"{self.path} is not a checkpoint; delete it to start anew: {error}") from error
        self._check(facts["identity"])
        parts = {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        fill(network, parts, self.path)
        try:
            _fill_optimizer(optimizer, tensors)
        except (LookupError, ValueError, RuntimeError) as error:
            raise InvalidFile(f"{self.path} does not fit its training; delete it to start anew: {error}") from error
        return history

    def _check(self, found: Mapping[str, Any]) -> None:
        wanted = json.loads(json.dumps(dict(self.identity)))
        other = [f"{key} {found.get(key)!r}, not {value!r}" for key, value in wanted.items() if found.get(key) != value]
        if other:
            raise InvalidOption(
                f"{self.path} belongs to another training ({'; '.join(other)}): train without resuming, or delete it"
            )


def _fill_optimizer(optimizer: Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {index: {} for index in range(len(parameters))}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "optimizer":
            index, _, key = rest.partition(".")
            # The fused optimizer walks raw memory, so its averages must have the parameter's memory layout.
            same = value if value.dim() == 0 else torch.empty_like(parameters[int(index)]).detach().copy_(value)
            state[int(index)][key] = same
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
