"""What a plan decides on each image, and the operations that it takes: in count mode or in time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256

import torch
from papers.published import ecc_mops
from papers.workbench import Subject, Workbench, pack, unpack
from torch import Tensor

from respike import Plan, Probe, Recording, engines
from respike.coding import ConstantCurrent, IntegrateEncoder
from respike.data import Dataset
from respike.engines import Engine
from respike.ir import Network


@dataclass(frozen=True, eq=False)
class Outcome:
    """A plan on some images.

    right: `[starts, images]`, whether the decision is right where the readout starts after so many steps. mops:
    `[images]`, the paper's MOps of each image.
    """

    right: Tensor
    mops: Tensor


def outcome(
    bench: Workbench,
    subject: Subject,
    name: str,
    plan: Plan,
    images: Dataset,
    engine: Engine,
    starts: tuple[int, ...] = (0,),
) -> Outcome:
    """Runs a plan on labelled images, or reads what was kept.

    A readout that starts after s steps decides by the output's potential after the last step less that after step s.
    """

    def compute() -> dict[str, object]:
        price = mops_of_a_spike(subject.network)
        right, mops = list[Tensor](), list[Tensor]()
        with bench.task(f"{subject.name} {name}", len(images)) as task:
            for batch, labels in images.batches(50):
                recording = engine(subject.network, plan, batch, Probe())
                outputs = recording.outputs_over_time
                before = torch.stack(
                    [outputs[start - 1] if start else torch.zeros_like(outputs[0]) for start in starts]
                )
                right.append((outputs[-1] - before).argmax(-1) == labels)
                sums = [number * recording.spike_counts[layer].flatten(1).sum(1) for layer, number in price.items()]
                mops.append(torch.stack(sums).sum(0))
                bench.bar.advance(task, len(labels))
        return {"right": pack(torch.cat(right, 1)), "mops": torch.cat(mops).tolist()}

    identity = {"images": f"{len(images)} {images.split}", "sites": fingerprint(plan), "starts": starts}
    found = bench.keep(name, subject, identity, compute)
    return Outcome(unpack(found["right"]), torch.tensor(found["mops"]))


def count(
    network: Network, plan: Plan, images: Tensor, probe: Probe | None = None, *, first_image: int = 0
) -> Recording:
    """`engines.count`, with the encoder's spikes counted at once: it sends floor(steps · pixel) of them."""
    steps = plan.schedule.steps
    if isinstance(plan.coding, IntegrateEncoder):
        sent = (steps * images / plan.coding.threshold).floor().clamp(0, steps)
        images = sent * plan.coding.threshold / steps
        plan = replace(plan, coding=ConstantCurrent())
    return engines.count(network, plan, images, probe, first_image=first_image)


def network_right(bench: Workbench, subject: Subject, images: Dataset) -> Tensor:
    """Where the network itself is right, `[images]`."""

    def compute() -> dict[str, object]:
        decided = [subject.network(batch).argmax(-1) == labels for batch, labels in images.batches(500)]
        return pack(torch.cat(decided))

    return unpack(bench.keep(f"network {len(images)}", subject, {"images": f"{len(images)} {images.split}"}, compute))


def mops_of_a_spike(network: Network) -> dict[str, float]:
    """By population, what one spike of one neuron adds to the paper's MOps."""
    return {node.name: ecc_mops(network, {node.name: 1.0}) for node in network.activations}


def fingerprint(plan: Plan) -> str:
    """Tells plans with other numbers apart."""
    return sha256(f"{plan.schedule} {plan.coding} {plan.readout} {plan.sites}".encode()).hexdigest()
