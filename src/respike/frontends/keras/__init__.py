"""Keras 2 and 3: live models, `.keras` and `.h5` files.

Both are read from Keras' own configuration and variables, so that a file needs h5py and no Keras. Networks keep
Keras' layout: an input is `[batch, height, width, channels]`, as the user feeds the model.
"""

from respike.frontends.keras.capture import CapturedKeras, capture_keras, is_keras_model, keras_model
from respike.frontends.keras.files import SUFFIXES

__all__ = ["SUFFIXES", "CapturedKeras", "capture_keras", "is_keras_model", "keras_model"]
