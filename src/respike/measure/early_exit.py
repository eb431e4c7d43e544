"""Early exit: at which step an image could be let go, read off the outputs over time.

An output is what its map has delivered so far, `y[t]`, and the decision is the largest of them. A rule lets an image go
at the first step at which it is satisfied, and at the last step otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

import torch
from torch import Tensor

from respike.errors import InvalidOption, InvalidPlan
from respike.ir import Activation, Affine, Input, Network, apply
from respike.plan import Membrane, Plan, Site
from respike.schedule import Layerwise


@dataclass(frozen=True)
class Bound:
    """Lets an image go when its decision can no longer change: the decisions are those of the last step, always.

    Let `i` lead after step t, and let r steps be left, b of them with biases. In one step a neuron k delivers between 0
    and `s_k`, its spike value times its largest amplitude (a signed neuron, from `-s_k` on), so no step can bring
    output j closer to i by more than

        R_ij = Σ_k s_k · max(0, W_jk - W_ik)        (signed: Σ_k s_k · |W_jk - W_ik|)

    with W the affine maps between the last populations and the outputs. The image is let go when for all j ≠ i

        y_i - y_j > r · R_ij + b · (c_j - c_i) + rounding

    with c what the biases deliver to the outputs in a step. Where the readout counts spikes, `R_ij` is the value of one
    spike of j, and c is 0. The last term covers what the r sums of the engine can be off by in its number type.
    """

    def __str__(self) -> str:
        """As one writes it on the command line."""
        return "bound"


@dataclass(frozen=True)
class Margin:
    """Lets an image go when the network is sure enough: a rule of thumb, whose decisions can be other ones.

    With `p` the softmax of the outputs in the network's own units, `y[t] / (gain · input steps so far)`, the largest
    must be ahead of the second by `threshold` at least, for `steps` steps running, and be the same one in all of them.
    """

    threshold: float
    steps: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise InvalidOption(f"a margin between two probabilities is in [0, 1], got {self.threshold:g}")
        if self.steps < 1:
            raise InvalidOption(f"a margin must last for at least 1 step, got {self.steps}")

    def __str__(self) -> str:
        """As one writes it on the command line."""
        return f"margin={self.threshold:g}" + (f",steps={self.steps}" if self.steps > 1 else "")


EarlyExit: TypeAlias = Bound | Margin


def exiting(rule: EarlyExit, network: Network, plan: Plan) -> Callable[[Tensor], Tensor]:
    """The rule for a plan: takes outputs over time `[steps, batch, classes]` to the step of exit `[batch]`, from 1.

    Raises `InvalidPlan` where the plan has only one output, or the rule cannot bound what the outputs get.
    """
    if not isinstance(rule, Bound | Margin):
        raise InvalidOption(f"early_exit takes a rule, Bound() or Margin(0.5, steps=5), not {rule!r}")
    if isinstance(plan.schedule, Layerwise):
        raise InvalidPlan(
            "early exit does not apply to few-spikes networks: they have only one output, after the last layer"
        )
    match rule:
        case Bound():
            satisfied = _bound(network, plan)
        case Margin():
            satisfied = _margin(rule, plan)
        case _:
            assert_never(rule)

    def steps_of_exit(over_time: Tensor) -> Tensor:
        if len(over_time) != plan.schedule.steps:
            raise InvalidPlan("this engine gives no outputs over time, which early exit needs: use another engine")
        done = satisfied(over_time)
        done[: plan.readout.after] = False
        done[-1] = True
        return done.int().argmax(0) + 1

    return steps_of_exit


_Satisfied: TypeAlias = Callable[[Tensor], Tensor]
"""Outputs over time `[steps, batch, classes]` to whether the rule is satisfied, `[steps, batch]`."""


def _margin(rule: Margin, plan: Plan) -> _Satisfied:
    def satisfied(over_time: Tensor) -> Tensor:
        steps = torch.arange(1, len(over_time) + 1).clamp(max=plan.schedule.input_steps) - plan.readout.after
        given = steps.clamp(min=1) * plan.coding.gain
        shares = (over_time.double() / given.reshape(-1, 1, 1)).softmax(-1)
        best = shares.topk(min(2, shares.shape[-1]), dim=-1)
        ahead = best.values[..., 0] - (best.values[..., 1] if shares.shape[-1] > 1 else 0.0)
        leader, sure = best.indices[..., 0], ahead >= rule.threshold
        run = sure.int()
        for step in range(1, len(run)):
            run[step] += run[step - 1] * (sure[step] & (leader[step] == leader[step - 1]))
        return run >= rule.steps

    return satisfied


def _bound(network: Network, plan: Plan) -> _Satisfied:
    reach = _reach(network, plan)
    phases = [(phase.input_on, phase.bias_on) for phase in plan.schedule.phases for _ in range(phase.steps)]
    biased = torch.tensor([bias_on for _, bias_on in phases], dtype=torch.float64)

    def satisfied(over_time: Tensor) -> Tensor:
        outputs, precision = over_time.double(), torch.finfo(over_time.dtype).eps
        done = torch.zeros(over_time.shape[:2], dtype=torch.bool)
        for step, now in enumerate(outputs):
            left, with_bias = len(outputs) - 1 - step, float(biased[step + 1 :].sum())
            leader = now.argmax(-1)
            lead = now.gather(-1, leader.unsqueeze(-1)) - now
            constant = reach.constant.unsqueeze(0) - reach.constant[leader].unsqueeze(1)
            # Outputs that count from a later step are differences of sums over all steps.
            size = (reach.terms + left + 2 + plan.readout.after) * reach.largest + now.abs()
            rounding = left * precision * (size + size.gather(-1, leader.unsqueeze(-1)))
            safe = lead > left * reach.closer[leader] + with_bias * constant + rounding
            done[step] = safe.scatter(-1, leader.unsqueeze(-1), True).all(-1)
        return done

    return satisfied


@dataclass(frozen=True, eq=False)
class _Reach:
    """What one step can bring: `closer[i, j]` by how much j can gain on i, `constant` the biases' part `[classes]`.

    `largest` is the largest change of an output `[classes]`, a sum of `terms` terms: for the rounding.
    """

    closer: Tensor
    constant: Tensor
    largest: Tensor
    terms: int


def _reach(network: Network, plan: Plan) -> _Reach:
    if not isinstance(plan.readout, Membrane):
        site = plan.readout.site
        output = network.outputs[0]
        delivered, classes = _most(output, site, network.shapes[output]), network.neurons(output)
        least = delivered if site.neuron.signed else torch.zeros(classes).double()
        closer = delivered.unsqueeze(0) + least.unsqueeze(1)
        return _Reach(closer, torch.zeros(classes).double(), delivered, 1)
    weights, constant = _last_maps(network, plan)
    closer = torch.zeros(len(constant), len(constant), dtype=torch.float64)
    for name, weight in weights.items():
        site = plan.sites[name]
        delivered = _most(name, site, network.shapes[name])
        for leader, row in enumerate(weight):
            gain = weight - row
            gain = gain.abs() if site.neuron.signed else gain.clamp(min=0)
            closer[leader] += gain @ delivered
    largest = constant.abs() + sum(
        weight.abs() @ _most(name, plan.sites[name], network.shapes[name]) for name, weight in weights.items()
    )
    return _Reach(closer, constant, largest, sum(weight.shape[1] for weight in weights.values()))


def _most(name: str, site: Site, shape: tuple[int, ...]) -> Tensor:
    """The most that each neuron delivers in a step, `[neurons]`."""
    if site.neuron.most is None:
        raise InvalidPlan(
            f"layer {name!r} has {site.neuron.describe()}, which may send any number of spikes in a step, so early "
            "exit has no bound: use a margin"
        )
    like = torch.zeros(1, *shape, dtype=torch.float64)
    return site.neuron.most * site.like(like).spike_value.expand_as(like).flatten()


def _last_maps(network: Network, plan: Plan) -> tuple[dict[str, Tensor], Tensor]:
    """The maps from the last populations to the outputs, `[classes, neurons]` each, and what biases deliver there."""
    exact = plan.on(network).to("cpu").to(torch.float64)
    output = exact.outputs[0]
    classes = exact.neurons(output)
    values: dict[str, Tensor] = {}
    constants: dict[str, Tensor] = {}
    with torch.enable_grad():
        for node in exact.nodes:
            if isinstance(node, Affine):
                values[node.name] = apply(node, [values[name] for name in node.inputs], bias=False)
                constants[node.name] = apply(node, [constants[name] for name in node.inputs])
            else:
                zeros = torch.zeros(classes, *exact.shapes[node.name], dtype=torch.float64)
                values[node.name], constants[node.name] = zeros.requires_grad_(), zeros[:1].detach()
        sources = [node for node in exact.nodes if not isinstance(node, Affine)]
        # Row c of the batch is asked for its output c alone, so its gradient is row c of the map.
        rows = values[output].reshape(classes, classes).diagonal().sum()
        found = torch.autograd.grad(rows, [values[node.name] for node in sources], allow_unused=True)
    weights = {}
    for node, gradient in zip(sources, found, strict=True):
        if gradient is None:
            continue
        if not isinstance(node, Activation):
            kind = "the input" if isinstance(node, Input) else type(node).__name__
            raise InvalidPlan(
                f"{node.name!r} ({kind}) reaches the outputs without spiking, so early exit has no bound: use a margin"
            )
        weights[node.name] = gradient.flatten(1)
    return weights, constants[output].detach().flatten()
