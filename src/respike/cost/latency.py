"""How long an image takes, and how soon the next one can follow. The two differ, so both are always told."""

from __future__ import annotations

from collections.abc import Collection
from itertools import count

from respike.ir import Activation, Network
from respike.plan import Plan
from respike.schedule import Layerwise


def depths(network: Network, analog: Collection[str] = ()) -> dict[str, int]:
    """For each node the populations on the longest path from the input up to it, its own among them.

    Activations named in `analog` (`Plan.analog`) stay what they are and are no populations.
    """
    found: dict[str, int] = {}
    for node in network.nodes:
        before = max((found[name] for name in node.inputs), default=0)
        found[node.name] = before + (isinstance(node, Activation) and node.name not in analog)
    return found


def depth(network: Network, analog: Collection[str] = ()) -> int:
    """The populations on the longest path from the input to the output."""
    return depths(network, analog)[network.outputs[0]]


def latency(network: Network, plan: Plan) -> int:
    """Steps from an image's arrival until its output is complete.

    Layerwise, a window of K steps for each population on the longest path: `K · depth`. The FS paper counts the output
    layer, which does not fire, as one window more: "80 to 500 steps" for ResNet-8 to -50 with K = 10 are 70 to 490
    here. Otherwise all steps of the schedule, since every population runs in each of them.
    """
    if not isinstance(plan.schedule, Layerwise):
        return plan.schedule.steps
    return plan.schedule.window * depth(network, plan.analog)


def interval(network: Network, plan: Plan) -> int:
    """Steps after which the next image can follow: the throughput is one image in so many steps.

    Layerwise, 2 K: a population collects for K steps and fires for K (FS paper, Section 1.1). Where the same neurons
    fire in several windows of one image (a recurrent network), the fewest windows, two at least, after which no neurons
    are needed for two images at once. Otherwise all steps: a network that fires all the time serves one image.
    """
    if not isinstance(plan.schedule, Layerwise):
        return plan.schedule.steps
    used: dict[str, set[int]] = {}
    found = depths(network, plan.analog)
    for node in network.activations:
        if node.name not in plan.analog:
            used.setdefault(node.population or node.name, set()).add(found[node.name])
    apart = {
        later - earlier for windows in used.values() for later in windows for earlier in windows if later > earlier
    }
    fewest = next(n for n in count(2) if not any(distance % n == 0 for distance in apart))
    return fewest * plan.schedule.window
