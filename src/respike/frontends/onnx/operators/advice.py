"""What to do about what has no translator."""

from __future__ import annotations

from respike.frontends.semantics import ADVICE as SHARED
from respike.frontends.semantics import DEFAULT

_QUANTISED = (
    "computes with whole numbers; quantise in the QDQ format (static; pairs of QuantizeLinear and DequantizeLinear), "
    "or export the network before quantisation"
)
_CONTROL = "is control flow, whose graphs are not run; export the one path that is taken"
_MIXES = "needs a smooth function that is no activation; export the network with the operator it is a part of"
_SELECTS = "selects by the data; end the network in front of it"

ADVICE: dict[str, str] = {
    **dict.fromkeys(
        (
            "DynamicQuantizeLinear",
            "QLinearConv",
            "QLinearMatMul",
            "ConvInteger",
            "MatMulInteger",
        ),
        _QUANTISED,
    ),
    **dict.fromkeys(("If", "Loop", "Scan", "SequenceMap"), _CONTROL),
    **dict.fromkeys(("Exp", "Log", "Sin", "Cos"), _MIXES),
    **dict.fromkeys(("NonMaxSuppression", "TopK", "ArgMax", "ArgMin", "NonZero", "Unique"), _SELECTS),
    **dict.fromkeys(("LpPool", "GlobalLpPool"), "use average pooling"),
    "GridSample": SHARED["grid_sampler"],
    "GatherND": "picks elements at many places, as adaptive pooling of uneven windows is written; pool evenly",
    "LRN": "normalises by neighbouring channels, which is not affine; use BatchNorm",
    **dict.fromkeys(("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"), SHARED["rand"]),
    **dict.fromkeys(("Bernoulli", "Multinomial"), SHARED["rand"]),
}


def advice(kind: str) -> str:
    """The advice for an operator, or that it is not supported."""
    return ADVICE.get(kind) or SHARED.get(kind.lower()) or DEFAULT
