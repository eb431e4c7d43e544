"""What to do about a layer that is not on the closed list."""

from __future__ import annotations

_RECURRENT = "recurrent layers are not supported; respike converts feed-forward networks"
_ATTENTION = "multiplies or normalises signals by each other; respike converts fixed weights and activations only"
_CODE = "holds Python code, which respike never runs nor unpacks; write it with Keras' own layers"
_RANDOM = "is for training; put it in front of the network, or leave it out"
_WRAPPER = "wraps another layer; use that layer itself"
_RESIZING = "resizes by any factor; do it before the network, or use UpSampling2D"
_TEXT = "reads texts or categories; do it before the network"

_ADVICE: dict[str, str] = {
    "custom": "is a class of somebody's own, which respike does not run; write it with Keras' own layers",
    "operator": "is an operator (x + y, keras.ops), which an .h5 file does not tell from a layer; save it as .keras",
    "hard_sigmoid": "uses the hard_sigmoid of Keras 2, 0.2 x + 0.5, which is another function in Keras 3; use sigmoid",
    "Lambda": _CODE,
    "TFOpLambda": "calls a TensorFlow function; write it with Keras' own layers",
    "SlicingOpLambda": "calls a TensorFlow function; write it with Keras' own layers",
    "TorchModuleWrapper": _CODE,
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), _RECURRENT),
    **dict.fromkeys(("MultiHeadAttention", "Attention", "AdditiveAttention", "GroupQueryAttention", "Dot"), _ATTENTION),
    **dict.fromkeys(("TimeDistributed", "Bidirectional", "SpectralNormalization"), _WRAPPER),
    **dict.fromkeys(("Resizing", "CenterCrop"), _RESIZING),
    **dict.fromkeys(("StringLookup", "IntegerLookup", "TextVectorization", "CategoryEncoding", "Hashing"), _TEXT),
    **dict.fromkeys(
        (
            *("RandomFlip", "RandomCrop", "RandomRotation", "RandomTranslation", "RandomZoom", "RandomContrast"),
            *("RandomBrightness", "RandomHeight", "RandomWidth"),
        ),
        _RANDOM,
    ),
}


def advice(kind: str) -> str:
    """Why a layer of this class cannot be converted, and what to do."""
    return _ADVICE.get(kind, "is not supported")
