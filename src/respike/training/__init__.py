"""Direct training of converted networks: a spiking network as a module, and surrogate gradients for its spikes."""

from respike.training.module import SpikingModule
from respike.training.surrogates import FastSigmoid, Sigmoid, Surrogate, Triangle

__all__ = ["FastSigmoid", "Sigmoid", "SpikingModule", "Surrogate", "Triangle"]
