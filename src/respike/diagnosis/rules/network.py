"""Rules about the network itself, as it does on the images."""

from __future__ import annotations

from respike.diagnosis.evidence import Evidence, Suspicion, percent, suspicion, worst

CHANCE = 2.0
"""The network's own accuracy, in multiples of chance, below which it is not the conversion that is wrong."""
DEAD = 0.95
"""The share of a layer's neurons that are zero on all images."""


def wrong_network(evidence: Evidence) -> Suspicion | None:
    """The network itself does no better than chance on these images."""
    figures = evidence.figures
    chance = 1 / evidence.network.neurons(evidence.network.outputs[0])
    if not figures.before.accuracy < CHANCE * chance:
        return None
    return suspicion(
        "wrong_network",
        (),
        figures.before.accuracy,
        CHANCE * chance,
        f"the network itself is right on {percent(figures.before.accuracy)} of these images",
        evidence.remedies("wrong_network"),
    )


def dead(evidence: Evidence) -> Suspicion | None:
    """The network does not use a layer on these images."""
    layers = evidence.above(lambda layer: layer.dead, DEAD)
    if not layers:
        return None
    layer = worst(layers, lambda layer: layer.dead)
    return suspicion(
        "dead",
        layers,
        layer.dead,
        DEAD,
        f"{percent(layer.dead)} of the neurons of {layer.name} are zero on all images, in the network itself",
        evidence.remedies("dead"),
    )
