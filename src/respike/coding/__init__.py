"""Input coding: how an image becomes input over time."""

from respike.coding.input import Bernoulli, Coding, ConstantCurrent, Frames, IntegrateEncoder, Stream

__all__ = ["Bernoulli", "Coding", "ConstantCurrent", "Frames", "IntegrateEncoder", "Stream"]
