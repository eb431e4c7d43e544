"""ECC, as SpKeras has it: current normalisation and thresholding for residual elimination."""

from __future__ import annotations

from dataclasses import replace

from respike.calibrate import Calibration, image_batches, site
from respike.coding import ConstantCurrent, IntegrateEncoder
from respike.errors import InvalidData, InvalidOption
from respike.ir import Network
from respike.methods.citations import ECC
from respike.methods.max_norm import max_norm
from respike.methods.method import published
from respike.methods.percentile_norm import percentile_norm
from respike.methods.remedy import Remedy, without
from respike.methods.search import SWITCH, Real, Steps
from respike.plan import Membrane, Plan, Site, SpikeCount
from respike.schedule import Steady


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    if plan.options["current_normalisation"]:
        return ()
    return (Remedy({"current_normalisation": True}, note="which scales by the largest activation"),)


def _rounding_down(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return (Remedy({"eta": 0.5}, note="ECC's residual elimination"),)


@published(
    ECC,
    search={"steps": Steps(), "eta": Real(0.0, 1.0), "upfront": SWITCH, "encoder": SWITCH},
    remedies={
        "saturation": _saturating,
        "rounding_down": _rounding_down,
        "noisy_input": without("encoder"),
        "readout": without("spiking_output"),
    },
)
def ecc(
    network: Network,
    calibration: Calibration,
    *,
    steps: int = 128,
    eta: float = 0.5,
    upfront: bool = False,
    current_normalisation: bool = True,
    encoder: bool = True,
    spiking_output: bool = False,
) -> Plan:
    """Scales each layer by its largest activation, and adds part of a threshold so that neurons round, not cut off.

    *Paper*: current normalisation (CN, Eq. 8), `W_n ← kappa_n · lambda_{n-1} / lambda_n · W_n`, `b_n ← kappa_n · b_n /
    lambda_n`, `V_thr ← kappa_n`, with `lambda_n` the largest activation on the training set; thresholding for residual
    elimination (TRE, Eq. 9), `b_n ← b_n + eta · V_thr / T`; batch norm folded with its own epsilon (CMB, Eq. 11, 12);
    the image encoded into regular spikes by neurons with threshold `lambda_0` (Algorithm 1).
    *As printed*: Eq. 7 has another factor 1 / T, which Eq. 8 drops and no run can have. What stands in the place of CN
    where it is switched off (Figure 3a) is not said.
    *As built*: thresholds `theta_n = lambda_n` in activation units, in which kappa cancels (it belongs to fixed point);
    without CN, the percentile scales of Rueckauer 2017, the paper's own baseline. CMB is no option: `load` folds batch
    norm with each layer's epsilon. Residual additions need no shared scale. Average pooling is part of the next affine
    map, where the published tool makes it a layer that spikes. `lambda_0` is the largest calibration pixel, but at
    least the paper's 1. The extra current belongs to `steps`: for another time make a new plan.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        eta: the part of the threshold that is added, in [0, 1); 0 switches it off.
        upfront: add it before the first step and not bit by bit; not the same, and not the paper's.
        current_normalisation: scale by the largest activation, not by the 99.9th percentile.
        encoder: encode the image into spikes, not a constant current.
        spiking_output: make the output layer spike, clipped at its largest calibration output, as the tool does.
    """
    if not 0 <= eta < 1:
        raise InvalidOption(f"eta must be in [0, 1), got {eta:g}")
    schedule = Steady(steps)
    normalised = max_norm(network, calibration) if current_normalisation else percentile_norm(network, calibration)
    output = site(network.outputs[0], _largest_output(network, calibration)) if spiking_output else None
    return Plan(
        sites={name: _eliminating(before, eta, steps, upfront) for name, before in normalised.sites.items()},
        schedule=schedule,
        coding=IntegrateEncoder(_largest_pixel(network, calibration)) if encoder else ConstantCurrent(),
        readout=Membrane() if output is None else SpikeCount(_eliminating(output, eta, steps, upfront)),
    )


def _eliminating(before: Site, eta: float, steps: int, upfront: bool) -> Site:
    """The site with TRE: `eta` thresholds more on the membrane, spread over all steps or before the first."""
    charge = eta * before.threshold
    return replace(before, initial_potential=charge) if upfront else replace(before, extra_current=charge / steps)


def _largest_pixel(network: Network, calibration: Calibration) -> float:
    """lambda_0, at least 1: pixels in [0, 1] are encoded as they are, whatever the calibration images reach."""
    largest = 1.0
    for images in image_batches(network, calibration):
        if float(images.min()) < 0:
            raise InvalidData(
                "the calibration images have negative pixels, which the encoder cannot send: "
                "pass encoder=False for a constant current, or put the normalisation into the network"
            )
        largest = max(largest, float(images.max()))
    return largest


def _largest_output(network: Network, calibration: Calibration) -> float:
    """lambda_N: the largest output on the calibration images."""
    return max(float(network(images).max()) for images in image_batches(network, calibration))
