"""Input coding: how an image becomes input over time.

A coding gives, for a batch of images `[batch, *shape]`, the input of every step; `Frames` takes it from sequences. It
is a frozen value; `stream` starts it anew for a batch, and the same batch always gets the same input, in any chunks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from respike.errors import InvalidData, InvalidOption

_MIX = (-7046029254386353131, -4658895280553007687, -7723592293110705685)  # SplitMix64's constants, as signed integers


class Stream(Protocol):
    """The input of one batch, step after step."""

    def take(self, steps: int) -> Tensor:
        """The next `steps` inputs, `[steps, batch, *shape]`; `[1, batch, *shape]` where all are the same."""
        ...


@dataclass(frozen=True)
class ConstantCurrent:
    """The image itself is the input current of every step (FIT; the Diehl replication). No spikes, no noise."""

    gain = 1.0
    spiking = False
    over_time = False

    def stream(self, images: Tensor, first_image: int = 0) -> Stream:
        """The images, at every step."""
        return _Constant(images)


@dataclass(frozen=True)
class Bernoulli:
    """Each pixel spikes with probability `p = x · rate · dt` in each step, independently (Diehl 2015's Poisson input).

    Pixels must be in `[0, 1 / (rate · dt)]`. A spike delivers `spike_value`; the mean input of a step is
    `x · rate · dt · spike_value`. With the default 1 a lower rate means a slower network, as in Diehl 2015, which is
    only right for networks without biases: with biases pass `spike_value = 1 / (rate · dt)`.

    Whether a pixel spikes depends on the seed, the image's number, the pixel and the step alone, so results do not
    depend on the batch size or the engine.

    Args:
        rate: spikes per second of a pixel of value 1.
        dt: seconds of one step.
        spike_value: what a spike delivers.
        seed: of the random numbers.
    """

    rate: float = 1000.0
    dt: float = 0.001
    spike_value: float = 1.0
    seed: int = 0
    spiking = True
    over_time = False

    def __post_init__(self) -> None:
        if not all(0 < number < math.inf for number in (self.rate, self.dt, self.spike_value)):
            raise InvalidOption(
                "Bernoulli coding needs a positive, finite rate, dt and spike value, "
                f"got {self.rate:g}, {self.dt:g} and {self.spike_value:g}"
            )
        if not 0 <= self.seed < 2**63:
            raise InvalidOption(f"a seed is a whole number from 0 to 2^63 - 1, got {self.seed}")

    @property
    def gain(self) -> float:
        """Mean input of a step per unit of the image."""
        return self.rate * self.dt * self.spike_value

    def stream(self, images: Tensor, first_image: int = 0) -> Stream:
        """Fresh spikes for a batch whose first image has the number `first_image`."""
        probability = _exact(images) * (self.rate * self.dt)
        if bool((~((probability >= 0) & (probability <= 1))).any()):
            raise InvalidData(
                f"Bernoulli coding needs pixels in [0, {1 / (self.rate * self.dt):g}], got "
                f"[{float(images.min()):g}, {float(images.max()):g}]: scale the images, or use ConstantCurrent"
            )
        return _Bernoulli(probability, self.spike_value, self.seed, first_image, images.dtype)


@dataclass(frozen=True)
class IntegrateEncoder:
    """Each pixel is an integrate-and-fire neuron fed by its own value (ECC Algorithm 1); regular spikes, no noise.

    `v ← v + x; z = v ≥ threshold; v ← v - threshold · z`, and a spike delivers `threshold`. Pixels above the threshold
    saturate, negative ones stay silent (both are refused). The paper's current amplification kappa cancels.

    *As printed*, the algorithm fires at `v > threshold` and subtracts one step later, which delays each spike by a
    step; *as built*, it fires at `≥` and subtracts at once, like every other neuron here (ECC Eq. 4).

    Args:
        threshold: lambda_0, the largest pixel value.
    """

    threshold: float = 1.0
    gain = 1.0
    spiking = True
    over_time = False

    def __post_init__(self) -> None:
        if not 0 < self.threshold < math.inf:
            raise InvalidOption(f"the encoder's threshold must be positive and finite, got {self.threshold:g}")

    def stream(self, images: Tensor, first_image: int = 0) -> Stream:
        """The encoder's spikes, from empty potentials."""
        if bool((~((images >= 0) & (images <= self.threshold))).any()):
            raise InvalidData(
                f"the integrate encoder needs pixels in [0, {self.threshold:g}], got "
                f"[{float(images.min()):g}, {float(images.max()):g}]"
            )
        return _IntegrateEncoder(images, self.threshold)


@dataclass(frozen=True)
class Frames:
    """Input over time as it is given: sequences `[batch, steps, *shape]`, whose frame t is the input of step t.

    For event cameras: a frame holds how many events of each kind each pixel had in a stretch of time (`data.frames`).
    A pixel of a frame that is not 0 counts as one spike, which delivers its value. The network itself, which knows no
    time, is given the mean of the frames.
    """

    gain = 1.0
    spiking = True
    over_time = True

    def stream(self, images: Tensor, first_image: int = 0) -> Stream:
        """The frames, one after the other."""
        return _Frames(images)


Coding: TypeAlias = ConstantCurrent | Bernoulli | IntegrateEncoder | Frames


class _Constant:
    def __init__(self, images: Tensor) -> None:
        self._images = images.unsqueeze(0)

    def take(self, steps: int) -> Tensor:
        return self._images


class _Frames:
    def __init__(self, sequences: Tensor) -> None:
        self._frames = sequences.transpose(0, 1)
        self._time = 0

    def take(self, steps: int) -> Tensor:
        self._time += steps
        return self._frames[self._time - steps : self._time]


class _Bernoulli:
    def __init__(
        self, probability: Tensor, spike_value: float, seed: int, first_image: int, dtype: torch.dtype
    ) -> None:
        self._probability = probability
        self._spike_value = spike_value
        self._dtype = dtype
        pixels = probability[0].numel() if len(probability) else 0
        numbers = torch.arange(pixels, device=probability.device)
        images = torch.arange(first_image, first_image + len(probability), device=probability.device)
        self._key = _mix(_mix(images * _MIX[0] + seed).unsqueeze(1) + numbers * _MIX[1])
        self._time = 0

    def take(self, steps: int) -> Tensor:
        spikes = self._probability.new_empty(steps, *self._probability.shape, dtype=self._dtype)
        for number in range(steps):
            self._time += 1
            bits = _mix(self._key + torch.tensor(self._time) * _MIX[2]) & 0xFFFFFF
            uniform = (bits.to(self._probability.dtype) / 2**24).reshape(self._probability.shape)
            spikes[number] = self._spike_value * (uniform < self._probability)
        return spikes


class _IntegrateEncoder:
    def __init__(self, images: Tensor, threshold: float) -> None:
        self._images = images
        self._threshold = threshold
        self._potential = torch.zeros_like(_exact(images))

    def take(self, steps: int) -> Tensor:
        spikes = self._images.new_empty(steps, *self._images.shape)
        for number in range(steps):
            self._potential = self._potential + self._images
            spikes[number] = self._threshold * (self._potential >= self._threshold)
            self._potential = self._potential - spikes[number]
        return spikes


def _exact(images: Tensor) -> Tensor:
    """The images in float32 at least: 24 random bits, or a potential that small pixels add up to, need as much."""
    return images.to(torch.promote_types(images.dtype, torch.float32))


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser: each bit of the result depends on each bit of `x`; integers wrap around."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * _MIX[1]
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * _MIX[2]
    return x ^ ((x >> 31) & 0x1FFFFFFFF)
