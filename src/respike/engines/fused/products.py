"""Linear layers that read unit spikes, on tensor cores: a spike of 1 picks a weight, which needs no full product.

Only layers whose inputs are 0, 1 or -1 can be run so: populations whose spikes deliver 1 (`lower.unit_spikes` makes
them so in any plan, `lower.fixed_point` in its own), reshaped or cut. All other layers stay with torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.engines.fused.launch import launch, require
from respike.errors import InvalidOption
from respike.ir import Activation, Linear, Network, Permute, Reshape, Slice
from respike.plan import Plan

ROWS, COLUMNS, DEPTH = 64, 64, 64
"""The tile of one program."""


@dataclass(frozen=True)
class SplitProducts:
    """float32 weights as sums of three bf16 numbers, `w = w1 + w2 + w3`: 3 · 8 bits hold the 24 of a float32.

    Products with 0, 1 and -1 are exact, and are summed up in float32; so only the order of summation differs from a
    float32 product, three tensor-core products taking its place.
    """

    def pieces(self, node: Linear) -> Tensor:
        """The three parts, `[3, outputs, inputs]` in bf16; `InvalidOption` where they do not give the weights back."""
        if node.weight.dtype != torch.float32:
            raise InvalidOption(f"layer {node.name!r} has weights of {node.weight.dtype}: SplitProducts takes float32")
        rest, parts = node.weight, []
        for _ in range(3):
            parts.append(rest.bfloat16())
            rest = rest - parts[-1].float()
        if bool((rest != 0).any()):
            raise InvalidOption(f"layer {node.name!r} has weights that bf16 cannot hold (below 1e-33 or above 3.38e38)")
        return torch.stack(parts)


@dataclass(frozen=True)
class IntegerProducts:
    """Whole weights of at most 8 bits as int8, summed up in int32: exact. For `lower.fixed_point(…, bits=8)`."""

    def pieces(self, node: Linear) -> Tensor:
        """The weights as int8, `[1, outputs, inputs]`; `InvalidOption` where one is none."""
        whole = node.weight.to(torch.int8)
        if not torch.equal(whole.to(node.weight.dtype), node.weight):
            raise InvalidOption(f"layer {node.name!r} has weights that are not int8: lower.fixed_point(…, bits=8)")
        return whole.unsqueeze(0)


Products: TypeAlias = SplitProducts | IntegerProducts


def readers_of_unit_spikes(network: Network, plan: Plan, products: Products) -> Mapping[str, Tensor]:
    """The pieces of each linear layer that reads unit spikes.

    Args:
        network: the network.
        plan: says which populations send unit spikes.
        products: cuts weights into pieces.

    Raises:
        InvalidOption: there is no such layer.
    """
    require()
    unit: set[str] = set()
    pieces: dict[str, Tensor] = {}
    for node in network.nodes:
        match node:
            case Activation() if node.name in plan.sites:
                site = plan.sites[node.name]
                single = site.neuron.window is None and site.neuron.most == 1
                if single and bool((torch.as_tensor(site.value) == 1).all()):
                    unit.add(node.name)
            case Reshape() | Permute() | Slice() if node.inputs[0] in unit:
                unit.add(node.name)
            case Linear() if node.inputs[0] in unit:
                pieces[node.name] = products.pieces(node)
            case _:
                pass
    if not pieces:
        raise InvalidOption(
            f"{products} runs linear layers that read unit spikes, and here is none: see lower.unit_spikes"
        )
    return pieces


def product(spikes: Tensor, pieces: Tensor) -> Tensor:
    """`spikes · weightᵀ` for spikes of 0, 1 and -1, `[…, inputs]`; gives `[…, outputs]` in the type of `spikes`."""
    from triton import language

    from respike.engines.fused import kernels

    count, outputs, inputs = pieces.shape
    bits = spikes.reshape(-1, inputs).to(torch.int8).contiguous()
    whole = pieces.dtype == torch.int8
    narrow = language.bfloat16 if bits.is_cuda else language.float32  # the interpreter cannot multiply bf16
    sums = torch.empty(len(bits), outputs, dtype=torch.int32 if whole else torch.float32, device=bits.device)
    launch(
        kernels.spikes_times_weights,
        (max(1, -(-len(bits) // ROWS)), -(-outputs // COLUMNS)),
        bits,
        pieces.contiguous(),
        sums,
        len(bits),
        outputs,
        inputs,
        outputs * inputs,
        PIECES=count,
        FACTOR=language.int8 if whole else narrow,
        SUM=language.int32 if whole else language.float32,
        ROWS=ROWS,
        COLUMNS=COLUMNS,
        DEPTH=DEPTH,
    )
    return sums.to(spikes.dtype).reshape(*spikes.shape[:-1], outputs)
