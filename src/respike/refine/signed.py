"""Neurons that take spikes back."""

from __future__ import annotations

from respike.citations import WANG_2022
from respike.plan import Plan
from respike.refine.refinement import refinement
from respike.refine.sites import with_neurons


@refinement(WANG_2022)
def signed(plan: Plan) -> Plan:
    """Lets every neuron correct spikes that it has sent too early with negative spikes.

        z = 1 where v ≥ θ,   z = −1 where v < 0 and Σ z > 0,   v ← v − θ z

    A neuron that fires before an inhibitory input arrives can send a negative spike afterwards. The sum of its
    spikes therefore approaches the activation in any order of the inputs. Costs spikes of both signs: about twice
    as many in a deep network.

    Args:
        plan: the plan to refine; its neurons reset by subtraction.
    """
    return with_neurons(plan, "signed", lambda neuron: neuron if neuron.signed else neuron.recalling())
