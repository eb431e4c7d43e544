"""FIT: input for a finite time, then draining."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from respike.bounds import Positive, Share, StepCount, StepCountOrNone
from respike.calibrate import Calibration, image_batches
from respike.citations import FIT
from respike.engines import fastest
from respike.errors import Argument, InvalidOption, InvalidPlan
from respike.intervals import wilson
from respike.ir import Network
from respike.methods.method import published
from respike.methods.remedy import Remedy, without
from respike.methods.search import Steps
from respike.neurons import IntegrateFire, Subtract
from respike.plan import Plan, Site
from respike.progress import tell
from respike.record import Probe
from respike.schedule import InputThenDrain

BATCH_SIZE = 125
CHANGED = 0.002
"""The share of all decisions that may differ unless told otherwise."""


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    drain = 2 * int(str(plan.options["drain_steps"])) or 8
    return (Remedy({"drain_steps": drain}, note="in which saturated neurons send what they hold"),)


def _wasting(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    threshold = float(f"{float(str(plan.options['threshold'])) * reach:.2g}")
    return Remedy({"threshold": threshold}), Remedy(method="max_norm")


@published(
    FIT,
    search={
        "input_steps": Steps(1, share=0.5, start=12),
        "drain_steps": Steps(0, share=0.5, log=False, start=25),
    },
    remedies={
        "saturation": _saturating,
        "wasted_range": _wasting,
        "draining_bias": without("bias_while_draining"),
    },
)
def fit(
    network: Network,
    calibration: Calibration | None = None,
    *,
    input_steps: StepCount | None = None,
    drain_steps: StepCountOrNone | None = None,
    threshold: Positive = 1.0,
    bias_while_draining: bool = False,
    tolerance: Share | None = None,
    longest: StepCount = 64,
) -> Plan:
    """Gives input for T1 steps, then lets the neurons send their remaining charge for T2 steps.

    *Paper*: reset by subtraction, threshold 1, unchanged weights; charge that could not be sent because of
    saturation is sent after the input has stopped, so that rates equal activations up to the last potential below
    the threshold.
    *As built*: every spike delivers `threshold`; biases stop with the input. The paper's networks have no biases,
    so it does not say what they do.

    If T1 and T2 are not given, the shortest schedule (by T1 + T2, then by T1) is chosen after which the spiking network
    makes the same decisions as the original network on all calibration images except for a fraction `tolerance`. This
    must also hold at every later step up to `longest`. The accuracy on these images is then the original network's, to
    the same tolerance. No labels are used.

    Args:
        network: the network to convert.
        calibration: images from the training set; needed to choose T1 or T2.
        input_steps: T1, steps with input.
        drain_steps: T2, steps without input.
        threshold: the threshold of every neuron, and the value that a spike delivers.
        bias_while_draining: leave biases on while draining.
        tolerance: the fraction of calibration images on which decisions may differ. Unless given, as many may as do not
            contradict that 2 in 1,000 of all decisions differ: the lower end of the 95 % interval of their share
            (Wilson) is at most 0.002. Of 600 images these are 3.
        longest: the longest T1, and the longest T2, that are tried.
    """
    site = Site(threshold, neuron=IntegrateFire(Subtract()))
    given = InputThenDrain(
        1 if input_steps is None else input_steps, 0 if drain_steps is None else drain_steps, bias_while_draining
    )
    plan = Plan(sites={node.name: site for node in network.activations}, schedule=given)
    if input_steps is not None and drain_steps is not None:
        return plan
    if calibration is None:
        raise InvalidOption("give input_steps and drain_steps, or calibration images to choose them by")
    images = torch.cat(list(image_batches(network, calibration)))
    longest_drain = longest if drain_steps is None else drain_steps
    plan.with_schedule(replace(given, drain_steps=longest_drain)).check(network)  # before a search that is in vain
    chosen = _shortest(network, plan, images, input_steps, drain_steps, tolerance, longest)
    return replace(
        plan,
        schedule=chosen,
        options={"input_steps": chosen.input_steps, "drain_steps": chosen.drain_steps},
    )


def _shortest(
    network: Network,
    plan: Plan,
    images: Tensor,
    input_steps: int | None,
    drain_steps: int | None,
    tolerance: float | None,
    longest: int,
) -> InputThenDrain:
    schedule = plan.schedule
    assert isinstance(schedule, InputThenDrain)
    allowed = not_against(CHANGED, len(images)) if tolerance is None else int(tolerance * len(images) + 1e-9)
    best: InputThenDrain | None = None
    nearest = (1.0, schedule)
    inputs = range(1, longest + 1) if input_steps is None else (input_steps,)
    for number, steps in enumerate(inputs):
        if best is not None and steps >= best.steps:
            break
        tell("fit: trying schedules", number, len(inputs))
        trial = InputThenDrain(steps, longest if drain_steps is None else drain_steps, schedule.bias_while_draining)
        differing, seen = _differing_decisions(network, plan.with_schedule(trial), images, allowed)
        nearest = min(nearest, (int(differing[-1]) / seen, trial), key=lambda found: found[0])
        held = [
            drain
            for drain in (range(trial.drain_steps + 1) if drain_steps is None else (drain_steps,))
            if bool((differing[steps + drain - 1 :] <= allowed).all())
        ]
        if held and (best is None or steps + held[0] < best.steps):
            best = InputThenDrain(steps, held[0], schedule.bias_while_draining)
    if best is None:
        raise _none_holds(network, plan.with_schedule(nearest[1]), images, longest, drain_steps)
    return best


def not_against(share: float, images: int) -> int:
    """The most decisions of so many images that may differ without contradicting that a share of all differs.

    Args:
        share: the share of all decisions.
        images: how many images were looked at.
    """
    count = int(share * images)
    while count < images and wilson((count + 1) / images, images)[0] <= share:
        count += 1
    return count


def _none_holds(network: Network, plan: Plan, images: Tensor, longest: int, drain_steps: int | None) -> InvalidPlan:
    """What to say where no schedule holds: the best that was found, what it loses, and how to take it."""
    assert isinstance(plan.schedule, InputThenDrain)
    differing, _ = _differing_decisions(network, plan, images, len(images))
    worst = differing.flip(0).cummax(0).values.flip(0)[plan.schedule.input_steps - 1 :]
    drain = int(worst.argmin()) if drain_steps is None else drain_steps
    lost = int(worst.min())
    return InvalidPlan(
        f"no schedule up to {longest} + {longest} steps keeps the decisions of the network on {len(images)} "
        f"calibration images; the best of them changes {lost}: take it with ",
        Argument("input_steps", plan.schedule.input_steps),
        " and ",
        Argument("drain_steps", drain),
        ", or allow more ",
        Argument("tolerance"),
        ", or more steps with ",
        Argument("longest"),
    )


def _differing_decisions(network: Network, plan: Plan, images: Tensor, allowed: int) -> tuple[Tensor, int]:
    """After each step, the number of images on which the spiking network decides otherwise, `[steps]`; of how many.

    Stops early where already more than `allowed` differ after the last step: no drain can then hold.
    """
    differing, seen = torch.zeros(plan.schedule.steps, dtype=torch.int64), 0
    engine = fastest(network, plan)
    with torch.no_grad():
        for start in range(0, len(images), BATCH_SIZE):
            batch = images[start : start + BATCH_SIZE]
            outputs = engine(network, plan, batch, Probe(spike_counts=False)).outputs_over_time
            differing += (outputs.argmax(-1) != network(batch).argmax(-1)).sum(1).cpu()
            seen += len(batch)
            if int(differing[-1]) > allowed:
                break
    return differing, seen
