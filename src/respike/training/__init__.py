"""Direct training of converted networks: a spiking network as a module, and surrogate gradients for its spikes."""

from respike.training.dynamics import Population
from respike.training.module import Forward, SpikingModule, all_sites
from respike.training.surrogates import FastSigmoid, Sigmoid, Surrogate, Triangle

__all__ = ["FastSigmoid", "Forward", "Population", "Sigmoid", "SpikingModule", "Surrogate", "Triangle", "all_sites"]
