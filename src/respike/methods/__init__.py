"""Conversion methods: one file each. A method is a function that returns a plan."""

from typing import Any

from respike.errors import UnknownName
from respike.methods.burst import burst as burst
from respike.methods.calibrated import calibrated as calibrated
from respike.methods.canonic_spikes import canonic_spikes as canonic_spikes
from respike.methods.coarse_to_fine import coarse_to_fine as coarse_to_fine
from respike.methods.data_norm import data_norm as data_norm
from respike.methods.differential import differential as differential
from respike.methods.direct_copy import direct_copy as direct_copy
from respike.methods.ecc import ecc as ecc
from respike.methods.every_edge import every_edge as every_edge
from respike.methods.few_spikes import few_spikes as few_spikes
from respike.methods.fit import fit as fit
from respike.methods.local_threshold_balancing import local_threshold_balancing as local_threshold_balancing
from respike.methods.max_norm import max_norm as max_norm
from respike.methods.method import Method as Method
from respike.methods.method import published as published
from respike.methods.model_norm import model_norm as model_norm
from respike.methods.multi_threshold import multi_threshold as multi_threshold
from respike.methods.offset_spikes import offset_spikes as offset_spikes
from respike.methods.opi import opi as opi
from respike.methods.percentile_norm import percentile_norm as percentile_norm
from respike.methods.quantised import quantised as quantised
from respike.methods.residual_potential import residual_potential as residual_potential
from respike.methods.rmp import rmp as rmp
from respike.methods.signed import signed as signed
from respike.methods.snn_calibration import snn_calibration as snn_calibration
from respike.methods.threshold_balancing import threshold_balancing as threshold_balancing
from respike.methods.time_to_first_spike import time_to_first_spike as time_to_first_spike

ALL: tuple[Method[Any], ...] = (
    direct_copy,
    model_norm,
    data_norm,
    max_norm,
    percentile_norm,
    fit,
    threshold_balancing,
    rmp,
    ecc,
    opi,
    snn_calibration,
    local_threshold_balancing,
    offset_spikes,
    residual_potential,
    burst,
    signed,
    multi_threshold,
    few_spikes,
    canonic_spikes,
    coarse_to_fine,
    time_to_first_spike,
    quantised,
    every_edge,
    differential,
    calibrated,
)


def find(name: str) -> Method[Any]:
    """The method of that name (`data_norm` or `data-norm`); `UnknownName` gives the nearest match."""
    by_name = {method.name: method for method in ALL}
    key = name.replace("-", "_")
    if key not in by_name:
        raise UnknownName("method", name, by_name)
    return by_name[key]


def known(name: str) -> Method[Any] | None:
    """The method of that name, None where respike has none: `find` without an error."""
    return next((method for method in ALL if method.name == name), None)
