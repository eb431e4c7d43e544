"""Few-spikes neurons fitted to any activation function."""

from respike.fitting.activation import Density, fit_activation

__all__ = ["Density", "fit_activation"]
