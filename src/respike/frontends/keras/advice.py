"""What to do about a layer that is not on the closed list."""

from __future__ import annotations

_RECURRENT = "is a recurrent layer that is not supported; use LSTM, GRU or SimpleRNN"
_BOTH_WAYS = "wraps another layer; call it and one with go_backwards=True, flip the second one's outputs, concatenate"
_ATTENTION = "attends in a way that is not supported; use MultiHeadAttention or Attention"
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
    **dict.fromkeys(("RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), _RECURRENT),
    **dict.fromkeys(("AdditiveAttention", "GroupQueryAttention"), _ATTENTION),
    "Bidirectional": _BOTH_WAYS,
    **dict.fromkeys(("TimeDistributed", "SpectralNormalization"), _WRAPPER),
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
