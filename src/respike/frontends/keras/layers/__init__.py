"""One short function for each Keras layer; `LAYERS` and `OPERATIONS` are the closed list of what is supported."""

from respike.frontends.keras.layers.activations import ACTIVATIONS, NAMED
from respike.frontends.keras.layers.attention import ATTENTION
from respike.frontends.keras.layers.merging import MERGING
from respike.frontends.keras.layers.normalizing import NORMALIZING
from respike.frontends.keras.layers.operations import OPERATIONS
from respike.frontends.keras.layers.pooling import POOLING
from respike.frontends.keras.layers.recurrent import RECURRENT
from respike.frontends.keras.layers.shaping import SHAPING
from respike.frontends.keras.layers.weighted import WEIGHTED
from respike.frontends.semantics import Translator

LAYERS: dict[str, Translator] = {
    **WEIGHTED,
    **NORMALIZING,
    **ACTIVATIONS,
    **POOLING,
    **SHAPING,
    **MERGING,
    **RECURRENT,
    **ATTENTION,
}

__all__ = ["LAYERS", "NAMED", "OPERATIONS"]
