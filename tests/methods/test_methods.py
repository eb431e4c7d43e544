"""Methods: each one's distinctive claim, and what they do with bad input."""

from __future__ import annotations

import ast
import inspect
import itertools
import pydoc
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import respike
from networks import Builder, computing, images, networks, perceptrons, suited
from respike import engines, methods, refine, wilson
from respike.calibrate import observe
from respike.errors import DeadLayerWarning, InvalidData, InvalidOption, InvalidPlan, UnknownName
from respike.ir import Activation, Linear, Network, ReLU
from respike.methods import Method
from respike.methods.fit import not_against
from respike.methods.search import Choice, Steps
from respike.neurons import Burst, Differential, IntegrateFire, ToValue
from respike.plan import Plan, Site
from respike.progress import listening
from respike.refine import Step
from respike.schedule import InputThenDrain, Steady

OPTIONS: dict[str, dict[str, Any]] = {
    "fit": {"input_steps": 2, "drain_steps": 3},
    "time_to_first_spike": {"time_bits": 3},
}
"""Of methods that have no `steps`."""


def scaled(network: Network, factors: list[float]) -> Network:
    """The network with the weights of its linear layers divided by the factors: normalisation as printed."""
    left = iter(factors)
    return Network(
        tuple(replace(n, weight=n.weight / next(left)) if isinstance(n, Linear) else n for n in network.nodes),
        network.outputs,
    )


def spikes(network: Network, plan: Plan, batch: torch.Tensor) -> dict[str, torch.Tensor]:
    return dict(engines.batched(network, plan, batch).spike_counts)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(network=perceptrons(bias=False))
def test_model_norm_is_algorithm_1_written_in_thresholds(network: Network) -> None:
    """Dividing weights by their largest positive sums, with unit thresholds, gives the same spikes."""
    factors = [float(n.weight.clamp(min=0).sum(1).max()) for n in network.nodes if isinstance(n, Linear)]
    unit = Plan({n.name: Site(1.0, neuron=_hard()) for n in network.activations}, Steady(60))
    batch = images(network, 4)
    expected = spikes(scaled(network, factors), unit, batch)
    found = spikes(network, methods.model_norm(network, steps=60), batch)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(network=perceptrons(bias=False))
def test_data_norm_is_algorithm_2_written_in_thresholds(network: Network) -> None:
    """`applied = scale / previous scale` on the weights, with unit thresholds, gives the same spikes."""
    calibration = images(network, 30, seed=2)
    layers = [n for n in network.nodes if isinstance(n, Linear)]
    seen = observe(network, calibration)
    largest = [float(s.maximum.max()) for s in seen.values()]
    scales = [1.0, *(max(float(n.weight.max()), a) for n, a in zip(layers, largest, strict=False)), 1.0]
    factors = [after / before for before, after in itertools.pairwise(scales)]
    unit = Plan({n.name: Site(1.0, neuron=_hard()) for n in network.activations}, Steady(60))
    batch = images(network, 4)
    expected = spikes(scaled(network, factors), unit, batch)
    found = spikes(network, methods.data_norm(network, calibration, steps=60), batch)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@settings(max_examples=20, derandomize=True, deadline=None)
@given(network=networks())
def test_max_norm_saturates_no_calibration_image(network: Network) -> None:
    """At its scale a neuron fires in every step, so no activation of the calibration set may exceed it."""
    calibration = images(network, 20)
    for per_channel in (False, True):
        try:
            plan = methods.max_norm(network, calibration, per_channel=per_channel)
        except DeadLayerWarning:  # warnings are errors here; random networks may be dead
            continue
        for node, value in network.stream((calibration,)):
            if isinstance(node, Activation):
                threshold = plan.sites[node.name].like(value).threshold
                assert bool((value <= threshold * (1 + 1e-6)).all())


def test_percentile_norm_is_below_the_maximum_and_grows_with_it() -> None:
    network = _network()
    calibration = images(network, 200)
    thresholds = [
        float(torch.as_tensor(methods.percentile_norm(network, calibration, percentile=p).sites["relu"].threshold))
        for p in (50.0, 90.0, 99.9, 100.0)
    ]
    assert thresholds == sorted(thresholds)
    top = float(torch.as_tensor(methods.max_norm(network, calibration).sites["relu"].threshold))
    assert thresholds[-1] == pytest.approx(top)


def test_fit_recalls_what_saturation_held_back() -> None:
    """An activation of 3 saturates at one spike a step; draining sends the rest."""
    network = _network(torch.tensor([[3.0]]))
    batch = torch.ones(1, 1)
    steady = engines.batched(network, methods.direct_copy(network, steps=5), batch)
    drained = engines.batched(network, methods.fit(network, input_steps=5, drain_steps=10), batch)
    assert float(steady.outputs) / 5 == 1
    assert float(drained.outputs) / 5 == 3


@pytest.mark.parametrize("seed", [0, 3, 4])
def test_fit_chooses_the_shortest_schedule_that_holds(seed: int) -> None:
    network = _network(seed=seed)
    calibration = images(network, 60)
    plan = methods.fit(network, calibration, longest=40, tolerance=0.05)
    assert isinstance(plan.schedule, InputThenDrain)
    assert plan.options["input_steps"] == plan.schedule.input_steps
    assert plan.options["drain_steps"] == plan.schedule.drain_steps

    def differing(schedule: InputThenDrain) -> float:
        outputs = engines.batched(network, plan.with_schedule(schedule), calibration).outputs
        return float((outputs.argmax(-1) != network(calibration).argmax(-1)).double().mean())

    assert differing(plan.schedule) <= 0.05
    for steps in range(1, plan.schedule.steps):
        for drain in range(plan.schedule.steps - steps):
            assert any(differing(InputThenDrain(steps, later)) > 0.05 for later in range(drain, 41))


def test_fit_says_when_no_schedule_holds_and_which_is_the_best() -> None:
    network, calibration = _network(seed=3), images(_network(), 300)
    with pytest.raises(InvalidPlan, match="allow more tolerance") as told:
        methods.fit(network, calibration, longest=1, tolerance=0.0)
    found = re.search(r"changes (\d+): take it with input_steps=(\d+) and drain_steps=(\d+)", str(told.value))
    assert found is not None
    lost, given, drained = map(int, found.groups())
    plan = methods.fit(network, input_steps=given, drain_steps=drained)
    decided = engines.batched(network, plan, calibration).outputs.argmax(-1)
    assert int((decided != network(calibration).argmax(-1)).sum()) <= lost
    assert methods.fit(network, calibration, longest=1, tolerance=lost / 300).schedule.steps <= given + drained
    with pytest.raises(InvalidOption, match="give input_steps"):
        methods.fit(_network(), input_steps=3)


@pytest.mark.parametrize(("differing", "holds"), [(3, True), (4, False)])
def test_unless_told_fit_lets_3_of_600_decisions_differ(
    differing: int, holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decided(network: Network, plan: Plan, images: torch.Tensor, allowed: int) -> tuple[torch.Tensor, int]:
        return torch.full((plan.schedule.steps,), differing), len(images)

    monkeypatch.setitem(methods.fit.function.__globals__, "_differing_decisions", decided)
    network = _network()
    if holds:
        assert methods.fit(network, images(network, 600), longest=2).schedule == InputThenDrain(1, 0)
        return
    with pytest.raises(InvalidPlan, match="600 calibration images; the best of them changes 4"):
        methods.fit(network, images(network, 600), longest=2)


def test_fit_looks_at_all_images_while_the_last_step_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """In two steps all neurons send 2 spikes, and a tie goes to the first; while draining, 1.625 sends a third."""
    network = _network(torch.eye(2))
    network = replace(network, nodes=(*network.nodes[:-1], Linear("out", ("relu",), torch.eye(2).double())))
    shown = torch.tensor([[1.25, 1.625], [1.25, 1.375]])
    assert methods.fit(network, shown[:1], input_steps=2, longest=1, tolerance=0.0).schedule == InputThenDrain(2, 1)
    monkeypatch.setitem(methods.fit.function.__globals__, "BATCH_SIZE", 1)
    with pytest.raises(InvalidPlan, match="changes 1: take it with input_steps=2 and drain_steps=1"):
        methods.fit(network, shown, input_steps=2, longest=1, tolerance=0.0)


def test_fit_does_not_search_where_no_schedule_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """While draining, a layer that clips would send more than its clip."""
    network = _network()
    clipped = [replace(n, function=ReLU(6.0)) if isinstance(n, Activation) else n for n in network.nodes]
    searched = methods.fit.function.__globals__
    monkeypatch.setitem(searched, "_shortest", lambda *_: pytest.fail("a schedule was searched"))
    with pytest.raises(InvalidPlan, match=r"'relu' clips at 6: while draining .* such as max_norm"):
        methods.fit(replace(network, nodes=tuple(clipped)), images(network, 20))


@given(st.floats(0, 1), st.integers(1, 2000))
def test_so_many_decisions_do_not_contradict_a_share(share: float, count: int) -> None:
    allowed = not_against(share, count)
    assert allowed >= int(share * count)
    assert allowed == count or wilson((allowed + 1) / count, count)[0] > share
    if allowed > share * count:
        assert wilson(allowed / count, count)[0] <= share
    assert not_against(0.002, 600) == 3
    assert not_against(wilson(3 / 100, 100)[0], 100) == 3  # the share at the very bound


@pytest.mark.parametrize(("steps", "bits"), [(1, 4), (2, 5), (3, 6), (4, 6), (15, 6), (16, 7), (33, 8)])
def test_more_steps_give_finer_values(steps: int, bits: int) -> None:
    network = _network()
    plan = methods.differential(network, images(network, 8), steps=steps, step_bits=4)
    neuron = plan.sites["relu"].neuron
    assert isinstance(neuron, Differential)
    assert neuron.weights[0] == 2 ** (bits - 4)
    assert neuron.weights[-1] == 1
    assert neuron.most_total is None
    clipped = methods.differential(computing(ReLU(6.0), network), images(network, 8), steps=steps, step_bits=4)
    assert clipped.sites["relu"].neuron == replace(neuron, most_total=2**bits - 1)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_bursts_are_read_from_the_first_step(most: int) -> None:
    builder = Builder((2, 4, 4), 1)
    for _ in range(4):
        builder.conv(6)
        builder.relu()
    network = builder.network()
    plan = methods.calibrated(network, images(network, 8), steps=6, most=most)
    assert all(isinstance(site.neuron, Burst) == (most > 1) for site in plan.sites.values())
    assert plan.readout.after == (2 if most == 1 else 0)


def test_a_search_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int | None]] = []
    with listening(lambda *news: told.append(news)):
        methods.fit(_network(), images(_network(), 20), longest=5, tolerance=1.0)
    assert told[0] == ("fit: trying schedules", 0, 5)
    methods.fit(_network(), images(_network(), 20), longest=5, tolerance=1.0)
    assert len(told) == 1


def test_calibration_is_needed_by_a_method_or_by_any_of_its_refinements() -> None:
    bare, looking = Step(refine.initial_potential), Step(refine.least_squares)
    assert methods.max_norm.needs_calibration
    assert methods.max_norm.refined(bare).needs_calibration
    for steps, needed in (((), False), ((bare,), False), ((bare, looking), True), ((looking, bare), True)):
        assert methods.direct_copy.refined(*steps).needs_calibration == needed


@pytest.mark.parametrize("method", [m for m in methods.ALL if m.needs_calibration], ids=lambda m: m.name)
def test_bad_calibration_is_refused_by_every_method(method: Method[Any]) -> None:
    for calibration in (torch.zeros(0, 5), torch.zeros(3, 7), torch.full((2, 5), float("nan"))):
        with pytest.raises(InvalidData):
            method.plan(_network(), calibration)


@pytest.mark.parametrize("method", [methods.max_norm, methods.percentile_norm], ids=lambda m: m.name)
def test_a_dead_layer_is_named_and_gets_a_threshold(method: Method[Any]) -> None:
    network = _network(torch.full((1, 5), -1.0))
    with pytest.warns(DeadLayerWarning, match="'relu' is dead"):
        plan = method.plan(network, torch.rand(10, 5))
    assert float(torch.as_tensor(plan.sites["relu"].threshold)) == 1.0


def test_a_dead_channel_takes_the_scale_of_its_layer() -> None:
    network = _network(torch.tensor([[1.0], [-1.0]]))
    plan = methods.max_norm(network, torch.tensor([[0.5], [1.0]]), per_channel=True)
    assert torch.as_tensor(plan.sites["relu"].threshold).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan"), float("inf")])
def test_thresholds_are_positive(threshold: float) -> None:
    with pytest.raises(InvalidOption, match="threshold must be above 0"):
        methods.direct_copy(_network(), threshold=threshold)


@pytest.mark.parametrize("method", methods.ALL, ids=lambda m: m.name)
def test_every_method_documents_itself_and_its_options(method: Method[Any]) -> None:
    text = inspect.getdoc(method.function) or ""
    assert method.cites
    assert "*Paper*" in text
    for option in method.options:
        assert f"{option}:" in text
    assert methods.find(method.name) is method
    assert methods.find(method.name.replace("_", "-")) is method
    options = OPTIONS.get(method.name, {"steps": 7})
    plan = method.plan(suited(_network(), method), torch.rand(10, 5), **options)
    assert (plan.method, plan.cites) == (method.name, method.cites)
    assert options.items() <= plan.options.items()


@pytest.mark.parametrize("method", methods.ALL, ids=lambda m: m.name)
def test_signature_and_help_are_those_of_the_function(method: Method[Any]) -> None:
    assert inspect.signature(method) == inspect.signature(method.function)
    shown = pydoc.plain(pydoc.render_doc(method))
    assert f"{method.name}(network: " in shown
    for name, option in method.options.items():
        assert f"{name}: '{method.function.__annotations__[name]}' = {option.default!r}" in shown


@pytest.mark.parametrize("method", methods.ALL, ids=lambda m: m.name)
def test_a_search_looks_at_options_that_there_are(method: Method[Any]) -> None:
    assert method.ranges.keys() <= method.options.keys()
    assert method.ranges


def test_no_module_matches_on_the_name_of_a_method() -> None:
    names = {method.name for method in methods.ALL}
    for path in Path(respike.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare | ast.MatchValue):
                compared = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                assert not compared & names, (path, node.lineno)


def test_an_unknown_method_gets_the_nearest_match() -> None:
    with pytest.raises(UnknownName, match="did you mean 'data_norm'"):
        methods.find("datanorm")


def test_steps_below_one_are_refused() -> None:
    with pytest.raises(InvalidOption, match="steps must be 1 to 1,000,000, got 0"):
        methods.direct_copy(_network(), steps=0)
    with pytest.raises(InvalidOption, match="input_steps must be 1 to 1,000,000, got 0"):
        methods.fit(_network(), input_steps=0, drain_steps=4)


def _hard() -> IntegrateFire:
    return IntegrateFire(ToValue(0.0))


def _network(weight: torch.Tensor | None = None, seed: int = 0) -> Network:
    inputs = 5 if weight is None else weight.shape[1]
    builder = Builder((inputs,), seed)
    builder.put(Linear("in", ("x",), builder.random(6, inputs) if weight is None else weight.double()))
    builder.put(Activation("relu", ("in",), ReLU()))
    hidden = 6 if weight is None else len(weight)
    out = builder.random(3, hidden) if weight is None else torch.ones(1, hidden, dtype=torch.float64)
    builder.put(Linear("out", ("relu",), out))
    return Network(tuple(builder.nodes), ("out",))


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_the_page_of_a_method_says_its_defaults(method: Method[Any]) -> None:
    """Numbers and switches, as `name` and value: so a default is not changed unawares."""
    page = Path(__file__).parents[2] / "docs" / "methods" / f"{method.name}.md"
    (options,) = re.findall(r"^## Options\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    for name, option in method.options.items():
        match option.default:
            case bool(switch):
                written = "on" if switch else "off"
            case int(number) | float(number):
                written = f"{number:g}"
            case _:
                continue
        assert re.search(rf"`{name}` {re.escape(written)}(?![\d.]*\d)", options), (name, written)


RANGES = {
    "direct_copy": "steps 2…64 log, threshold 0.25…8 log",
    "model_norm": "steps 2…64 log",
    "data_norm": "steps 2…64 log",
    "max_norm": "steps 2…64 log",
    "percentile_norm": "steps 2…64 log, percentile 99…100",
    "fit": "input_steps 1…32 log from 12, drain_steps 0…32 from 25",
    "threshold_balancing": "steps 2…64 log",
    "rmp": "steps 2…64 log, scale 0.3…1",
    "ecc": "steps 2…64 log, eta 0…0.95",
    "opi": "steps 2…64 log",
    "snn_calibration": "steps 2…64 log",
    "local_threshold_balancing": "steps 2…64 log",
    "offset_spikes": "steps 2…64 log",
    "residual_potential": "steps 2…64 log",
    "burst": "steps 2…64 log, most 1…10, percentile 99…100",
    "signed": "steps 2…64 log",
    "multi_threshold": "steps 1…64 log, thresholds 1…8",
    "coarse_to_fine": "steps 2…64 log",
    "few_spikes": "steps 1…12",
    "canonic_spikes": "steps 1…12",
    "time_to_first_spike": "time_bits 1…8",
    "quantised": "steps 2…64 log from 8",
    "every_edge": "steps 2…8",
    "differential": "steps 1…8, step_bits 1…8",
    "calibrated": "steps 2…64 log, most 1…8",
}
"""Where a search of at most 64 steps looks for numbers; switches and resets have all their values."""


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_a_search_looks_at_a_method_s_useful_numbers(method: Method[Any]) -> None:
    told = []
    for name, one in method.ranges.items():
        within = one.within(64) if isinstance(one, Steps) else one
        if not isinstance(within, Choice):
            start = "" if within.start is None else f" from {within.start:g}"
            told.append(f"{name} {within.low:g}…{within.high:g}{' log' if within.log else ''}{start}")
    assert ", ".join(told) == RANGES[method.name]


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_a_method_takes_both_ends_of_every_range(method: Method[Any]) -> None:
    network = suited(_network(), method)
    calibration = images(network, 20)
    for name, one in method.ranges.items():
        within = one.within(8) if isinstance(one, Steps) else one
        ends = within.values if isinstance(within, Choice) else (within.low, within.high)
        for end in ends:
            schedule = {"input_steps": 2, "drain_steps": 2} if method.name == "fit" else {}
            plan = method.plan(network, calibration, **(schedule | {name: end}))
            assert plan.options[name] == end


ADVICE: list[tuple[str, dict[str, Any], str, float, str]] = [
    (
        "direct_copy",
        {"threshold": 1.0},
        "saturation",
        3.0,
        "methods.max_norm, which scales each layer by its largest activation; "
        "methods.fit, which sends later what saturation held back",
    ),
    ("direct_copy", {"threshold": 4.0}, "wasted_range", 0.123, "threshold=0.49; methods.max_norm"),
    (
        "direct_copy",
        {"threshold": 0.256},
        "spike_value",
        1.0,
        "threshold=1.0; methods.fit(threshold=0.26), whose spikes deliver the threshold",
    ),
    (
        "model_norm",
        {},
        "wasted_range",
        0.1,
        "methods.max_norm, scales from data; the bounds from the weights alone are never reached",
    ),
    ("percentile_norm", {"percentile": 99.0}, "saturation", 2.0, "percentile=99.9; methods.max_norm"),
    ("percentile_norm", {"percentile": 99.9}, "saturation", 2.0, "percentile=99.99; methods.max_norm"),
    ("percentile_norm", {"percentile": 99.99}, "saturation", 2.0, "percentile=100.0; methods.max_norm"),
    ("fit", {"drain_steps": 6}, "saturation", 2.0, "drain_steps=12, in which saturated neurons send what they hold"),
    ("fit", {"drain_steps": 0}, "saturation", 2.0, "drain_steps=8, in which saturated neurons send what they hold"),
    ("fit", {"threshold": 2.0}, "wasted_range", 0.251, "threshold=0.5; methods.max_norm"),
    ("fit", {"bias_while_draining": True}, "draining_bias", 1.0, "bias_while_draining=False"),
    ("fit", {"bias_while_draining": False}, "draining_bias", 1.0, ""),
    ("threshold_balancing", {}, "wasted_range", 0.2, "methods.rmp(scale=0.8); methods.max_norm"),
    ("threshold_balancing", {"poisson": True}, "noisy_input", 1.0, "poisson=False"),
    ("rmp", {"scale": 0.8}, "saturation", 2.0, "scale=1.0; methods.max_norm"),
    ("rmp", {"poisson": True}, "noisy_input", 1.0, "poisson=False"),
    (
        "ecc",
        {"current_normalisation": False},
        "saturation",
        2.0,
        "current_normalisation=True, which scales by the largest activation",
    ),
    ("ecc", {"current_normalisation": True}, "saturation", 2.0, ""),
    ("ecc", {"eta": 0.0}, "rounding_down", 1.0, "eta=0.5, ECC's residual elimination"),
    ("ecc", {"encoder": True}, "noisy_input", 1.0, "encoder=False"),
    ("ecc", {"spiking_output": True}, "readout", 1.0, "spiking_output=False"),
    (
        "few_spikes",
        {"alpha": None},
        "saturation",
        2.0,
        "least_squares=False, which makes the largest calibration activation the largest value",
    ),
    (
        "few_spikes",
        {"alpha": 2.0},
        "saturation",
        2.0,
        "alpha=None, units then come from calibration, for each channel",
    ),
    (
        "few_spikes",
        {"alpha": 2.0},
        "wasted_range",
        0.1,
        "alpha=None, units then come from calibration, for each channel",
    ),
    ("few_spikes", {"alpha": None}, "wasted_range", 0.1, ""),
    ("few_spikes", {"half_unit": False}, "rounding_down", 1.0, "half_unit=True, which rounds to the nearest"),
    ("time_to_first_spike", {"time_bits": 5}, "steps", 1.0, "time_bits=6, finer values, in twice the time"),
    ("time_to_first_spike", {"time_bits": 8}, "silent", 1.0, "methods.few_spikes, which takes a step for each bit"),
]
"""What a method says where a rule of `diagnose` has found something in a plan of it with these options."""


@pytest.mark.parametrize(("name", "options", "rule", "reach", "advice"), ADVICE)
def test_what_a_method_advises(name: str, options: dict[str, Any], rule: str, reach: float, advice: str) -> None:
    plan = Plan({}, Steady(4), method=name, options=options)
    assert "; ".join(map(str, methods.find(name).remedies[rule](plan, reach))) == advice


def test_all_that_methods_advise_stands_there() -> None:
    told = {(method.name, rule) for method in methods.ALL for rule in method.remedies}
    first = {("time_to_first_spike", rule) for rule in methods.find("time_to_first_spike").remedies}
    assert told - first == {(name, rule) for name, _, rule, _, _ in ADVICE} - first
