"""What a page shows, against the definition and against what was measured."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mixers import mixer
from networks import images as sample_images
from report.page_samples import CLASSES, HOSTILE, TAG, images, network, page_data, plans, runs
from report.samples import REPORT
from respike import Probe, Report, SpikingNetwork, engines, methods
from respike.coding import Frames
from respike.errors import InvalidData
from respike.ir import Linear
from respike.measure import names
from respike.report import Bounds, collect, observe
from respike.report.collect import moments
from respike.report.decisions import confusion, worth_showing
from respike.report.page_data import pareto_front, recommended
from respike.report.pictures import picture
from respike.report.sampling import correlation, histogram, sample

FRACTIONS = st.integers(0, 8).map(lambda eighths: eighths / 8)


@pytest.mark.parametrize("kind", ["steady", "drain", "layerwise"])
def test_what_a_layer_delivers_gives_the_outputs_through_the_last_map(kind: str) -> None:
    spiking = SpikingNetwork(network(), plans()[kind])
    delivered = sample(spiking, images(5), Bounds())[TAG].delivered
    last = spiking.network["out"]
    assert isinstance(last, Linear)
    assert last.bias is not None
    torch.testing.assert_close(delivered @ last.weight.T + last.bias, spiking(images(5)))


@pytest.mark.parametrize("kind", ["steady", "drain", "layerwise"])
def test_the_sample_is_what_the_reference_engine_gives_in_one_batch(kind: str) -> None:
    spiking = SpikingNetwork(network(), plans()[kind])
    names = (HOSTILE, TAG)
    record = engines.reference(spiking.network, spiking.plan, images(9), Probe(potentials=names))
    for found in (sample(spiking, images(9), Bounds()), sample(spiking, images(9), Bounds(raster_values=1500))):
        for name in names:
            threshold = spiking.plan.sites[name].like(images(9)).threshold
            shape = (-1, *record.potentials[name].shape[1:])
            expected = record.potentials[name] / threshold.reshape((1, -1, 1, 1) if len(shape) == 4 else (1, -1))
            torch.testing.assert_close(found[name].potentials, expected)
            torch.testing.assert_close(found[name].spikes, record.spike_counts[name])
            torch.testing.assert_close(found[name].activations, spiking.network.values((images(9),), keep=[name])[name])


def test_the_sum_of_spikes_is_what_was_measured() -> None:
    for method in page_data().methods:
        for layer, run in zip(page_data().layers, method.layers, strict=True):
            assert run is not None
            assert run.spikes == pytest.approx(method.report.spikes_per_layer[layer.name], rel=1e-5)


def test_a_steady_layer_can_send_what_its_activations_say() -> None:
    """Hidden neurons of a long run, whose inputs are constant, send their activation up to one spike."""
    spiking = SpikingNetwork(network(), replace(plans()["drain"], schedule=plans()["steady"].schedule))
    found = sample(spiking, images(4), Bounds())[HOSTILE]
    wanted = found.activations.clamp(max=1.0) * 24
    assert float((found.spikes - wanted).abs().max()) < 1 + 1e-9


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=2, max_size=30))
def test_the_correlation_is_that_of_numpy(pairs: list[tuple[float, float]]) -> None:
    one, other = torch.tensor(pairs, dtype=torch.float64).T
    found = correlation(one, other)
    if float(one.std()) == 0 or float(other.std()) == 0:
        assert found is None
    else:
        assert found == pytest.approx(np.corrcoef(one, other)[0, 1])


@given(st.lists(st.integers(-10, 26).map(lambda number: number / 8), max_size=40))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    found = histogram(torch.tensor(values, dtype=torch.float64), 0.0, 2.0, 8)
    counts, _ = np.histogram(values, 8, (0, 2))
    assert found.counts == tuple(counts)
    assert sum(found.counts) + found.below + found.above == len(values)


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=1, max_size=8))
def test_the_front_is_what_nobody_beats(points: list[tuple[float, float]]) -> None:
    reports = [_after_all_steps(accuracy, energy) for accuracy, energy in points]
    front = pareto_front(reports)
    for number, (accuracy, energy) in enumerate(points):
        better = [a >= accuracy and e <= energy and (a > accuracy or e < energy) for a, e in points]
        assert (number in front) == (not any(better) and accuracy >= 0.45)
    assert recommended(reports, margin=1.0) in {n for n, (_, e) in enumerate(points) if e == min(e for _, e in points)}


def _after_all_steps(accuracy: float, energy: float) -> Report:
    """A report on a network that is right on half of the images; what loses more than 5 points is on no front."""
    timeless = replace(
        REPORT, energy_over_time=[energy], margin=[0.5], steps_to_network_accuracy=None, network_accuracy=0.5
    )
    return replace(timeless, accuracy=[accuracy], energy_ratio=energy)


def test_the_front_is_one_of_headlines() -> None:
    """Cheap at the step from which the accuracy stays, dear at the end: compared is the former."""
    early = replace(REPORT, energy_ratio=9.0, energy_over_time=[0.1, 0.2, 0.3, 9.0], accuracy=[0.1, 0.9, 0.98, 0.98])
    late = replace(
        REPORT, energy_ratio=0.5, energy_over_time=[0.5], accuracy=[0.98], margin=[0.9], steps_to_network_accuracy=4
    )
    assert pareto_front([early, late]) == {0}
    assert recommended([early, late]) == 0


def test_a_method_that_is_there_twice_is_named_by_what_differs() -> None:
    other = replace(REPORT, options={"input_steps": 3, "drain_steps": 2})
    assert names([REPORT, other, replace(REPORT, method="ecc")]) == (
        "fit (drain_steps=1)",
        "fit (drain_steps=2)",
        "ecc",
    )


def test_the_work_of_layers_adds_up_to_the_report() -> None:
    """Of populations and of what does not spike, at every step: additions, multiply-accumulates, energy."""
    for run in runs()[0]:
        report = run.report
        spikes, operations = (
            [sum(column) for column in zip(*parts, strict=True)]
            for parts in zip(*(layer.at(report.times) for layer in run.layers), strict=True)
        )
        macs = sum(layer.macs for layer in run.layers)
        assert macs == report.input_macs + report.analog_macs
        assert sum(layer.original_macs for layer in run.layers) == pytest.approx(report.macs)
        for place, step in enumerate(report.times):
            cost = report.after(step)
            assert operations[place] == pytest.approx(cost.synaptic_operations)
            assert spikes[place] / report.neurons == pytest.approx(cost.spikes_per_neuron)
            energy = run.energy(macs, operations[place]) / run.energy(report.macs, 0)
            assert energy == pytest.approx(cost.energy_ratio)


def test_what_stays_analog_has_its_work_by_name() -> None:
    mixed = mixer(["attention", "gate", "gelu"])
    plan = methods.every_edge(mixed, sample_images(mixed, 8), steps=4)
    run = observe(SpikingNetwork(mixed, plan), sample_images(mixed, 5))
    analog = {layer.name: layer for layer in run.layers if layer.kind not in ("input", "spikes")}
    assert set(analog) == {*plan.analog, *plan.held}
    assert sum(layer.macs for layer in analog.values()) == run.report.analog_macs > 0
    assert sum(layer.original_macs for layer in run.layers) == pytest.approx(run.report.macs)
    kinds = {layer.kind for layer in analog.values()}
    assert {"LayerNorm", "Softmax", "GELU", "Sigmoid", "held"} <= kinds


def test_sequences_of_frames_have_a_page_too() -> None:
    """The network itself, and the pictures, are given the mean of the frames."""
    draw = torch.Generator().manual_seed(5)
    sequences = (torch.rand(6, 24, 1, 8, 8, generator=draw, dtype=torch.float64) < 0.4).double()
    spiking = SpikingNetwork(network(), replace(plans()["steady"], coding=Frames()))
    labels = network()(sequences.mean(1)).argmax(-1)
    run = observe(spiking, (sequences, labels))
    data = collect([run], sequences.__getitem__, labels, labels, CLASSES)
    assert data.examples[0].picture == picture(sequences[0].mean(0))
    assert data.examples[0].outputs == pytest.approx(network()(sequences[:1].mean(1))[0].tolist(), rel=1e-3)
    assert data.methods[0].curve.accuracy[-1] == pytest.approx(run.report.accuracy[-1], rel=1e-5)


def test_decisions_over_time_are_those_of_the_accuracy() -> None:
    found, labels, decisions = runs()
    for run, method in zip(found, page_data().methods, strict=True):
        right = run.decisions == labels
        assert right.double().mean(1).tolist() == pytest.approx(run.report.accuracy)
        kept = decisions == labels
        curve = method.curve
        for place, step in enumerate(curve.step):
            now = right[step - run.report.times[0]]
            assert (curve.lost[place], curve.gained[place]) == (int((kept & ~now).sum()), int((~kept & now).sum()))
            cost = run.report.after(step)
            assert curve.accuracy[place] == pytest.approx(cost.accuracy, rel=1e-5)
            assert curve.energy[place] == pytest.approx(cost.energy_ratio, rel=1e-5)
        assert curve.step[-1] == run.report.end.step
        reached = run.report.steps_to_network_accuracy
        assert (None if curve.stands is None else curve.step[curve.stands]) == reached


def test_the_images_that_are_lost_are_told_with_what_is_decided_at_each_moment() -> None:
    found, labels, decisions = runs()
    assert page_data().lost
    for one in page_data().lost:
        assert decisions[one.number] == one.label == labels[one.number]
        wrong = []
        for run, method, told in zip(found, page_data().methods, one.decisions, strict=True):
            assert told is not None
            changes = dict(zip(told[::2], told[1::2], strict=True))
            now = None
            for step in method.curve.step:
                now = changes.get(step, now)
                assert now == int(run.decisions[step - run.report.times[0], one.number])
                wrong.append(now != one.label)
        assert any(wrong)


def test_confusions_over_time_end_at_the_matrix() -> None:
    found, labels, _ = runs()
    for run, method in zip(found, page_data().methods, strict=True):
        matrix = np.zeros((4, 4), int)
        for step, cells in zip(method.curve.step, method.confusion.changes, strict=True):
            for true, decided, by in zip(cells[::3], cells[1::3], cells[2::3], strict=True):
                matrix[true, decided] += by
            now = run.decisions[step - run.report.times[0]]
            expected = np.zeros((4, 4), int)
            np.add.at(expected, (labels.numpy(), now.numpy()), 1)
            np.testing.assert_array_equal(matrix, expected)
        np.testing.assert_array_equal(matrix, np.array(method.confusion.matrix))


@given(st.integers(1, 5000), st.integers(2, 70), st.floats(0, 1))
def test_moments_are_steps_of_the_run_and_few(steps: int, most: int, at: float) -> None:
    wanted = 1 + int(at * (steps - 1))
    found = moments(range(1, steps + 1), most, [wanted])
    assert list(found) == sorted(set(found))
    assert {wanted, steps} <= set(found) <= set(range(1, steps + 1))
    assert len(found) == steps if steps <= most else len(found) <= most + 2


def test_layers_that_only_some_methods_have_are_left_out_of_the_others() -> None:
    """Populations on edges beside those of activations: each method has numbers where it has neurons."""
    mixed = mixer(["relu", "linear"])
    inputs, labels = sample_images(mixed, 6), torch.zeros(6, dtype=torch.int64)
    both = [methods.few_spikes(mixed, inputs, steps=3, analog=("*norm*",)), methods.every_edge(mixed, inputs, steps=3)]
    found = [observe(SpikingNetwork(mixed, plan), (inputs, labels)) for plan in both]
    data = collect(found, inputs.__getitem__, labels, labels, ("a", "b", "c"))
    layers = [layer.name for layer in data.layers]
    for plan, method in zip(both, data.methods, strict=True):
        assert {name for name, run in zip(layers, method.layers, strict=True) if run is not None} == set(plan.sites)
        own = [name for name in layers if name in plan.sites]
        assert own == [layer.name for layer in method.costs if layer.kind == "spikes"]


def test_a_raster_holds_the_spikes_of_the_reference_engine() -> None:
    for method, kind in zip(page_data().methods, plans(), strict=True):
        for example, raster in zip(page_data().examples, method.rasters, strict=True):
            image = images()[example.number].unsqueeze(0)
            record = engines.reference(network(), plans()[kind], image, Probe(spikes=(HOSTILE, TAG)))
            for layer in raster.layers:
                spikes = record.spikes[layer.name].flatten(1)
                assert layer.fired == int((spikes.sum(0) > 0).sum())
                for neuron, times in zip(layer.neurons, layer.times, strict=True):
                    assert list(times) == (spikes[:, neuron].nonzero().flatten() + 1).tolist()
            assert raster.layers[1].first_step == (6 if kind == "layerwise" else 0)


def test_the_diagonal_of_a_confusion_matrix_is_the_accuracy() -> None:
    for method in page_data().methods:
        matrix = np.array(method.confusion.matrix)
        assert matrix.sum() == method.report.images
        assert matrix.trace() / matrix.sum() == pytest.approx(method.report.accuracy[-1])
        assert tuple(matrix.sum(1)) == method.confusion.images
    network_matrix = np.array(page_data().confusion.matrix)
    assert network_matrix.trace() / network_matrix.sum() == page_data().methods[0].report.network_accuracy


def test_with_many_classes_only_the_worst_confusions_are_kept() -> None:
    labels, decisions = torch.arange(100) % 30, (torch.arange(100) % 30).clamp(max=25)
    found = confusion(labels, decisions, 30, Bounds())
    assert found.matrix is None
    assert set(found.worst) == {(26, 25, 3), (27, 25, 3), (28, 25, 3), (29, 25, 3)}


def test_images_worth_showing_are_lost_or_never_right() -> None:
    found, labels, decisions = runs()
    shown = worth_showing(found, labels, decisions)
    assert shown[0] == "the first image"
    wrong = [number for number, why in shown.items() if why.startswith("the network")]
    assert wrong == [int((decisions != labels).nonzero()[0])]
    for number, why in shown.items():
        if why.startswith("lost by"):
            assert decisions[number] == labels[number]
            assert any(run.decided[number] != labels[number] for run in found)


def test_a_large_network_is_sampled_within_the_bounds() -> None:
    bounds = Bounds(values=600, points=300, raster_values=600, raster_neurons=5, bins=12)
    data = page_data(bounds)
    assert data.sampled == 600 // (3 * 64 + 12)
    for method in data.methods:
        for run in method.layers:
            assert run is not None
            assert len(run.activations) == len(run.delivered) <= 50
            assert len(run.membrane.counts) == 12
        for raster in method.rasters:
            assert raster.left_out == (HOSTILE,)
            assert [(layer.name, len(layer.neurons) <= 5) for layer in raster.layers] == [(TAG, True)]
    assert data.layers[0].values == 2 * 3 * 64


def test_what_is_collected_is_the_same_each_time() -> None:
    once, again = (
        [replace(method, report=replace(method.report, seconds=0)) for method in data.methods]
        for data in (page_data(), page_data.__wrapped__())
    )
    assert once == again


def test_an_image_becomes_a_picture_pixel_by_pixel() -> None:
    pixels = torch.arange(12).reshape(1, 3, 4) / 11
    content = base64.b64decode(picture(pixels) or "")
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(content))), (pixels[0] * 255).round().numpy())
    assert picture(torch.zeros(5)) is None
    assert picture(torch.full((3, 2, 2), -4.0)) is not None


def test_runs_of_two_networks_make_no_page() -> None:
    found, labels, decisions = runs(("steady", "drain"))
    other = replace(found[1], report=replace(found[1].report, network="other"))
    for wrong in ([], [found[0], other]):
        with pytest.raises(InvalidData, match="the same network"):
            collect(wrong, images().__getitem__, labels, decisions, CLASSES)
