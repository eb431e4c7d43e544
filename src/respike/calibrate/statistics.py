"""Statistics of activations, streamed: no activation is held longer than its batch.

Histograms have bins of equal *relative* width (64 an octave), so that one pass suffices whatever the range: a positive
float's exponent and leading mantissa bits are the number of its bin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from respike.calibrate.batches import Calibration, image_batches
from respike.calibrate.channels import channel_axis
from respike.errors import InvalidOption
from respike.ir import Activation, Identity, Network

if TYPE_CHECKING:
    from respike.engines.event import _native as _native
else:
    try:
        from respike.engines.event import _native as _native
    except ImportError:  # installed without a compiler
        _native = None

_MANTISSA_BITS = 6
_LOWEST_EXPONENT = -24  # smaller activations share the first bin
_OCTAVES = 48
_BINS = _OCTAVES << _MANTISSA_BITS
_FIRST_BIN = (127 + _LOWEST_EXPONENT) << _MANTISSA_BITS

Statistics: TypeAlias = "dict[str, ActivationStatistics]"


@dataclass(frozen=True, eq=False)
class ActivationStatistics:
    """What a calibration set says of one population's activations.

    Args:
        values: number of activations seen, per channel.
        maximum: largest activation, `[channels]`.
        mean: mean activation, `[channels]`.
        histogram: positive activations by bins of equal relative width, `[channels or 1, bins]`.
        images: number of images seen.
    """

    values: int
    maximum: Tensor
    mean: Tensor
    histogram: Tensor
    images: int

    @property
    def edges(self) -> Tensor:
        """The edges of the histogram's bins, `[bins + 1]`."""
        return _edge(torch.arange(_BINS + 1))

    @property
    def layer(self) -> ActivationStatistics:
        """The same with one histogram for all channels."""
        return replace(self, histogram=self.histogram.sum(0, keepdim=True))

    @property
    def expected(self) -> Tensor:
        """The histogram that a channel is expected to have, `[channels or 1, bins]`: its own, and some of its layer's.

            h_c + (1 / n) · mean_c h_c

        after n images: before the first one, a channel is taken to be like its layer, and that counts as much as one
        image does (a Dirichlet prior, as in the rule of succession: a new image exceeds all n before it with a
        probability of 1 / (n + 1)). So few images do not hide how large a channel's activations can be, and with many
        of them each channel has its own.
        """
        own = self.histogram.double()
        return own + own.mean(0) / max(1, self.images) if len(own) > 1 else own

    def percentile(self, percent: float, *, nonzero_only: bool = True) -> Tensor:
        """The smallest value that `percent` % of the activations do not exceed, `[channels]`, or `[1]` for a layer.

        Exact to the bin's relative width (1.6 %), interpolated within it, and never above the maximum. By
        `nonzero_only`, silent neurons are left out of the count.
        """
        if not 0 < percent <= 100:
            raise InvalidOption(f"a percentile must be in (0, 100], got {percent:g}")
        counts = self.histogram.double()
        positive = counts.sum(1, keepdim=True)
        channels = len(self.maximum) if len(counts) == 1 else 1
        zeros = torch.zeros_like(positive) if nonzero_only else self.values * channels - positive
        wanted = (percent / 100 * (positive + zeros) - zeros).clamp(min=0)
        cumulative = counts.cumsum(1)
        bins = torch.searchsorted(cumulative, wanted).clamp(max=_BINS - 1)
        inside = counts.gather(1, bins)
        fraction = 1 - ((cumulative.gather(1, bins) - wanted) / inside.clamp(min=1)).clamp(0, 1)
        value = _edge(bins) + fraction * (_edge(bins + 1) - _edge(bins))
        value = torch.where(wanted > 0, value, 0.0).squeeze(1)
        top = self.maximum if len(counts) == len(self.maximum) else self.maximum.max().reshape(1)
        return torch.minimum(value.to(top.dtype), top)


def together(parts: Sequence[ActivationStatistics]) -> ActivationStatistics:
    """The statistics of several activations as if they were one: the time steps of a recurrent layer."""
    if len(parts) == 1:
        return parts[0]
    values = sum(part.values for part in parts)
    return ActivationStatistics(
        values,
        torch.stack([part.maximum for part in parts]).amax(0),
        torch.stack([part.mean * (part.values / values) for part in parts]).sum(0),
        torch.stack([part.histogram for part in parts]).sum(0),
        max(part.images for part in parts),
    )


def observe(network: Network, calibration: Calibration, *, per_channel: bool = False) -> Statistics:
    """The statistics of every activation of the network over a calibration set, by the activation's name.

    Where a population stands for the identity, on an edge, they are those of the magnitudes.

    Args:
        network: the network to look into.
        calibration: images `[images, *shape]`, or batches of them.
        per_channel: keep a histogram for each channel (`channel_axis`), not one for the layer.
    """
    collectors = {
        node.name: _Collector(network.shapes[node.name], channel_axis(network, node.name), per_channel)
        for node in network.activations
    }
    with torch.no_grad():
        for images in image_batches(network, calibration):
            for node, value in network.stream((images,)):
                if isinstance(node, Activation):
                    collectors[node.name].add(value, magnitude=isinstance(node.function, Identity))
    return {name: collector.finish() for name, collector in collectors.items()}


class _Collector:
    """Gathers one population's statistics, batch by batch, in the compiled kernels where they are there."""

    def __init__(self, shape: tuple[int, ...], axis: int, per_channel: bool) -> None:
        self._before, self._channels, self._behind = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
        lanes = 0 if _native is None else _native.MOST_LANES  # bins that the kernels have for themselves
        self._maximum = torch.zeros(self._channels)
        self._sum = torch.zeros(self._channels, dtype=torch.float64)
        self._histogram = torch.zeros(self._channels if per_channel else 1, _BINS + lanes, dtype=torch.int64)
        self._images = 0

    def add(self, activations: Tensor, *, magnitude: bool) -> None:
        """Takes activations, `[batch, *shape]`, or their magnitudes."""
        values = activations.float().cpu().reshape(-1, self._channels, self._behind).contiguous()
        self._images += len(activations)
        if _native is None:
            self._add(values.abs() if magnitude else values)
        else:
            shift = 23 - _MANTISSA_BITS
            _native.observe(values, magnitude, _FIRST_BIN, shift, self._maximum, self._sum, self._histogram)

    def _add(self, values: Tensor) -> None:
        """The same without the kernels, `[…, channels, …]`."""
        values = values.transpose(0, 1).flatten(1)
        self._maximum = torch.maximum(self._maximum, values.amax(1))
        self._sum += values.sum(1, dtype=torch.float64)
        rows = len(self._histogram)
        bins = (values.contiguous().view(torch.int32) >> (23 - _MANTISSA_BITS)) - _FIRST_BIN
        bins = bins.clamp(0, _BINS - 1).long().reshape(rows, -1)
        bins += torch.arange(rows).unsqueeze(1) * _BINS
        positive = (values > 0).reshape(rows, -1)
        self._histogram += torch.bincount(bins[positive], minlength=rows * _BINS).reshape(rows, _BINS)

    def finish(self) -> ActivationStatistics:
        values = self._images * self._before * self._behind
        mean = (self._sum / max(1, values)).float()
        return ActivationStatistics(values, self._maximum, mean, self._histogram[:, :_BINS], self._images)


def _edge(bins: Tensor) -> Tensor:
    """The lower edge of a bin."""
    number = bins + _FIRST_BIN
    exponent = (number >> _MANTISSA_BITS) - 127
    mantissa = 1 + (number & ((1 << _MANTISSA_BITS) - 1)).double() / (1 << _MANTISSA_BITS)
    return mantissa * torch.exp2(exponent.double())
