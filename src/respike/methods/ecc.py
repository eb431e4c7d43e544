"""ECC, as SpKeras has it: current normalisation and thresholding for residual elimination."""

from __future__ import annotations

from respike import refine
from respike.bounds import PartialShare, StepCount
from respike.calibrate import Calibration
from respike.citations import ECC
from respike.ir import Network
from respike.methods.max_norm import max_norm
from respike.methods.method import published
from respike.methods.percentile_norm import percentile_norm
from respike.methods.remedy import Remedy, without
from respike.methods.search import SWITCH, Real, Steps
from respike.plan import Plan


def _saturating(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    if plan.options["current_normalisation"]:
        return ()
    return (Remedy({"current_normalisation": True}, note="which scales by the largest activation"),)


def _rounding_down(plan: Plan, reach: float) -> tuple[Remedy, ...]:
    return (Remedy({"eta": 0.5}, note="ECC's residual elimination"),)


@published(
    ECC,
    search={"steps": Steps(), "eta": Real(0.0, 0.95), "upfront": SWITCH, "encoder": SWITCH},
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
    steps: StepCount = 128,
    eta: PartialShare = 0.5,
    upfront: bool = False,
    current_normalisation: bool = True,
    encoder: bool = True,
    spiking_output: bool = False,
) -> Plan:
    """Uses each layer's largest activation as the threshold, and adds charge so that neurons round to the nearest.

    *Paper*: current normalisation (CN, Eq. 8), `W_n ← kappa_n · lambda_{n-1} / lambda_n · W_n`,
    `b_n ← kappa_n · b_n / lambda_n`, `V_thr ← kappa_n`, with `lambda_n` the largest activation on the training set;
    thresholding for residual elimination (TRE, Eq. 9), `b_n ← b_n + eta · V_thr / T`; batch norm folded with its
    own epsilon (CMB, Eq. 11, 12); the image encoded into regular spikes by neurons with threshold `lambda_0`
    (Algorithm 1).
    *As printed*: Eq. 7 has another factor 1 / T, which Eq. 8 drops and which cannot work. The paper does not say
    what replaces CN when it is switched off (Figure 3a).
    *As built*: thresholds `theta_n = lambda_n` in activation units, in which kappa cancels (it belongs to fixed
    point); without CN, the percentile scales of Rueckauer 2017, the paper's own baseline. CMB is not an option:
    `load` folds batch norm with each layer's epsilon. Residual additions need no shared scale. Average pooling is
    part of the next affine map, where the published tool makes it a layer that spikes. `lambda_0` is the largest
    calibration pixel, but at least the paper's 1. The extra current depends on `steps`: make a new plan for a
    different number.

    Args:
        network: the network to convert.
        calibration: images from the training set.
        steps: time steps.
        eta: the fraction of the threshold that is added; 0 adds nothing.
        upfront: add all of it before the first step, not a part in each step as the paper does.
        current_normalisation: use the largest activation as the threshold, not the 99.9th percentile.
        encoder: encode the image into regular spikes instead of a constant current.
        spiking_output: make the output layer spike as the published tool does; it saturates at its largest calibration
            output.
    """
    normalise = max_norm if current_normalisation else percentile_norm
    plan = normalise(network, calibration, steps=steps)
    if encoder:
        plan = refine.encoder(plan, network, calibration)
    if spiking_output:
        plan = refine.spiking_output(plan, network, calibration)
    return refine.initial_potential(plan, share=eta) if upfront else refine.residual_elimination(plan, eta=eta)
