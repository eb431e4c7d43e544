"""Populations on edges: what they compute, send and cost, in networks of norms, attention, gates and residuals."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixers import OUT, TOKENS, WIDTH, given_to, mixer, mixers
from networks import images, networks
from respike import SpikingNetwork, engines, methods
from respike.cost import analog_operations, fan_out, fan_outs, macs, probed_fan_out
from respike.errors import InvalidPlan
from respike.ir import (
    Activation,
    Divide,
    Embedding,
    Identity,
    Input,
    Linear,
    Network,
    Node,
    Sigmoid,
)
from respike.neurons import FewSpikes, SignedDigits
from respike.passes import spike_edges
from respike.passes.edges import Made, edges, forks, made_of, products
from respike.plan import Plan, Site
from respike.record import Probe, Recording
from respike.schedule import InputThenDrain, Layerwise, Steady


def converted(network: Network, steps: int = 4) -> SpikingNetwork:
    return SpikingNetwork(network, methods.every_edge(network, given_to(network, 8), steps=steps))


@st.composite
def conversions(draw: st.DrawFn) -> SpikingNetwork:
    """Networks with spikes on every edge, in which either input of a product is the one whose spikes add."""
    spiking = converted(draw(mixers()))
    made = made_of(spiking.network)
    turned = {
        name: draw(st.sampled_from([0, 1]))
        for name in spiking.plan.products
        if all(made[one] is Made.SPIKES for one in spiking.network[name].inputs)
    }
    plan = replace(spiking.plan, products={**spiking.plan.products, **turned})
    return SpikingNetwork(spiking.network, plan)


def test_features_of_tokens_have_units_of_their_own() -> None:
    network = mixer(["relu", "attention"])
    plan = converted(network).plan
    assert torch.as_tensor(plan.sites["0.norm@spikes"].threshold).shape == (1, WIDTH)  # read by linear layers
    assert torch.as_tensor(plan.sites["1.weights@spikes"].threshold).shape == (2,)  # heads
    wrong = replace(plan.sites["0.norm@spikes"], threshold=torch.ones(2, WIDTH))
    with pytest.raises(InvalidPlan, match=r"shape \[5, 6\], its site has numbers of the shape \[2, 6\]"):
        SpikingNetwork(network, replace(plan, sites={**plan.sites, "0.norm@spikes": wrong}))


@settings(max_examples=5, derandomize=True, deadline=None)
@given(spiking=conversions())
def test_sums_alone_are_counted_as_from_the_spikes_themselves(spiking: SpikingNetwork) -> None:
    fan_out, batch = fan_outs(spiking.network, spiking.plan), given_to(spiking.network, 3)
    fast = engines.few_spikes(spiking.network, spiking.plan, batch, Probe(spike_counts=False, fan_out=fan_out))
    slow = engines.few_spikes(spiking.network, spiking.plan, batch, Probe(fan_out=fan_out))
    for kind in ("spikes_per_step", "operations_per_step"):
        assert getattr(fast, kind).keys() == getattr(slow, kind).keys() == spiking.plan.sites.keys()
        for name, numbers in getattr(slow, kind).items():
            assert torch.equal(numbers, getattr(fast, kind)[name]), (kind, name)


def run(spiking: SpikingNetwork, engine: Callable[..., Recording] = engines.reference, count: int = 3) -> Recording:
    names = tuple(spiking.plan.sites)
    probe = Probe(spikes=names, potentials=names, fan_out=fan_outs(spiking.network, spiking.plan))
    return engine(spiking.network, spiking.plan, given_to(spiking.network, count), probe)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(spiking=conversions())
def test_engines_agree(spiking: SpikingNetwork) -> None:
    expected = run(spiking)
    for engine in (engines.batched, engines.few_spikes):
        found = run(spiking, engine)
        assert torch.equal(expected.outputs, found.outputs)
        for kind in ("spikes", "spike_counts", "spikes_per_step", "operations_per_step"):
            assert getattr(expected, kind).keys() == getattr(found, kind).keys() == spiking.plan.sites.keys()
            for name, numbers in getattr(expected, kind).items():
                assert torch.equal(numbers, getattr(found, kind)[name]), (kind, name)
    pipelined = engines.pipelined(spiking.network, spiking.plan, given_to(spiking.network, 3))
    assert torch.allclose(pipelined.outputs, expected.outputs, atol=1e-9)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=st.one_of(mixers(), networks()))
def test_every_multiplication_reads_spikes_and_nothing_else_changes(network: Network) -> None:
    batch, spiking = given_to(network, 2), spike_edges(network)
    assert torch.equal(spiking(batch), network(batch))
    assert not edges(spiking)
    assert spike_edges(spiking) is spiking
    assert set(macs(spiking)) - {node.name for node in spiking.nodes if isinstance(node, Linear)} >= set(
        products(spiking)
    )


def test_engines_run_one_and_the_same_network_with_its_populations() -> None:
    """They keep what they work out for it, packed weights and shapes, for the runs to come."""
    network = mixer(["attention"])
    plan = converted(network).plan
    placed = plan.on(network)
    assert plan.on(network) is placed
    some = dict(list(plan.sites.items())[:1])
    assert [node.name for node in replace(plan, sites=some).on(network).activations] == [
        *some,
        *(node.name for node in network.activations),
    ]
    assert plan.on(network).shapes.keys() == placed.shapes.keys()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(spiking=conversions())
def test_fan_outs_equal_probing(spiking: SpikingNetwork) -> None:
    for name, counts in fan_outs(spiking.network, spiking.plan).items():
        source = spiking.network.inputs[0].name if name == "input" else name
        assert torch.equal(counts, probed_fan_out(spiking.network, source, spiking.plan)), name


@pytest.mark.parametrize("kind", ["attention", "causal"])
@pytest.mark.parametrize("scores", [0, 1])
@pytest.mark.parametrize("mixed", [0, 1])
def test_operations_of_attention_are_those_of_its_loops(kind: str, scores: int, mixed: int) -> None:
    """Counted by hand: each spike adds one value to each accumulator that it is multiplied into."""
    spiking = converted(mixer([kind]))
    assert spiking.plan.products == {"0.scores": 0, "0.mixed": 0}
    plan = replace(spiking.plan, products={"0.scores": scores, "0.mixed": mixed})
    record = run(SpikingNetwork(spiking.network, plan))
    targets = {
        "0.norm": 3 * WIDTH,  # q, k and v
        "0.query.heads": 1 if scores else TOKENS,  # held as a number, or the scores of its token with all others
        "0.key.turned": TOKENS if scores else 1,
        "0.weights": 1 if mixed else WIDTH // 2,  # the values of the token that it looks at, of its head
        "0.value.heads": TOKENS if mixed else 1,  # all tokens that look at it
        "0.flat": WIDTH,  # the projection
        "flat": OUT,
    }
    assert {f"{name}@spikes" for name in targets} == record.spikes.keys()
    for name, count in targets.items():
        site = f"{name}@spikes"
        assert float(record.operations_per_step[site].sum()) == count * float(record.spikes[site].abs().sum()), site


def test_scores_are_made_of_as_many_additions_as_are_counted() -> None:
    """Spike by spike: each of q adds, with its worth, one element of k to the scores of its token with all others."""
    spiking = converted(mixer(["causal"]))
    record = run(spiking, count=1)
    query, key = spiking.network["0.scores"].inputs
    sites, sent = spiking.plan.sites, {name: record.spikes[name][:, 0].double() for name in (query, key)}
    worth = {name: torch.tensor(sites[name].neuron.worth).double() for name in (query, key)}
    units = {name: sites[name].like(record.spikes[name][0]).spike_value[0] for name in (query, key)}
    values = {name: torch.tensordot(worth[name], sent[name], dims=([0], [0])) * units[name] for name in (query, key)}
    scores, additions = torch.zeros(2, TOKENS, TOKENS).double(), 0
    for step, head, token, feature in sent[query].nonzero().tolist():
        delivered = sent[query][step, head, token, feature] * worth[query][step] * units[query][head, 0, 0]
        for other in range(TOKENS):
            scores[head, token, other] += delivered * values[key][head, feature, other]
            additions += 1
    torch.testing.assert_close(scores, values[query] @ values[key])
    assert float(record.operations_per_step[query].sum()) == additions > 0


def test_gates_are_counted_like_their_loops() -> None:
    spiking = converted(mixer(["gate"]))
    record = run(spiking)
    assert spiking.plan.products == {"0.gate": 0}
    source, other = spiking.network["0.gate"].inputs
    assert (source, other) == ("0.in@spikes", "0.sigmoid@spikes")
    for site in (source, other):
        assert float(record.operations_per_step[site].sum()) == float(record.spikes[site].abs().sum())
    turned = replace(spiking.plan, products={"0.gate": 1})
    counts = fan_outs(spiking.network, turned)
    assert (counts[source] == 1).all()
    assert (counts[other] == TOKENS).all()  # one value gates all tokens


def test_what_is_held_ends_spikes_and_goes_on_as_numbers() -> None:
    network = mixer(["gelu", "gelu", "gelu"])
    spiking = converted(network)
    counts = fan_outs(spiking.network, spiking.plan)
    hidden = [name for name in spiking.plan.sites if "gelu" in name]
    assert len(hidden) == 3
    assert all((counts[name] == WIDTH).all() for name in hidden[:2])
    loose = replace(spiking.plan, held=())
    first = fan_out(spiking.network, hidden[0], loose)
    assert (first == 3 * WIDTH).all()  # two norms and the mean: it reaches all that read the stream
    work = analog_operations(spiking.network, spiking.plan, counts)
    assert work.keys() == {*spiking.plan.analog, *spiking.plan.held}
    norms = [name for name in spiking.plan.analog if "norm" in name]
    assert {work[name] for name in norms} == {TOKENS * WIDTH * (4 + 1)}  # arithmetic, and one population that reads it
    assert set(forks(spiking.network)) == set(spiking.plan.held)


@settings(max_examples=15, derandomize=True, deadline=None)
@given(network=mixers(), factor=st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_gauge(network: Network, factor: float) -> None:
    """Values on an edge in another unit: what is in front times c, the site too, what reads them by c: same spikes."""
    spiking = converted(network)
    plan, expected = spiking.plan, run(spiking)
    scaled = next(
        (node for node in network.nodes if isinstance(node, Linear) and f"{node.name}@spikes" in plan.sites), None
    )
    if scaled is None:
        return
    readers = {node.name for node in network.readers(scaled.name) if isinstance(node, Linear)}
    if len(readers) != len(network.readers(scaled.name)):
        return

    def other(node: Node) -> Node:
        if isinstance(node, Linear) and node.name == scaled.name:
            assert node.bias is not None
            return replace(node, weight=node.weight * factor, bias=node.bias * factor)
        if isinstance(node, Linear) and node.name in readers:
            return replace(node, weight=node.weight / factor)
        return node

    site = plan.sites[f"{scaled.name}@spikes"]
    moved = replace(
        site,
        threshold=site.threshold * factor,
        spike_value=site.value * factor,
        initial_potential=site.initial_potential * factor,
        extra_current=site.extra_current * factor,
    )
    same = replace(plan, sites={**plan.sites, f"{scaled.name}@spikes": moved})
    changed = replace(network, nodes=tuple(map(other, network.nodes)))
    found = run(SpikingNetwork(changed, same))
    for name in plan.sites:
        assert torch.equal(expected.spikes[name], found.spikes[name]), name


def test_more_steps_come_closer_to_the_network() -> None:
    network = mixer(["attention", "gelu", "gate"])
    batch = images(network, 8)  # what it is calibrated on
    errors = [float((converted(network, steps)(batch) - network(batch)).abs().max()) for steps in (2, 5, 8, 12)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.002 * float(network(batch).abs().max())


def test_a_file_holds_populations_on_edges(tmp_path: Path) -> None:
    spiking = converted(mixer(["attention", "gate"]))
    spiking.save(tmp_path / "spiking.safetensors")
    again = SpikingNetwork.load(tmp_path / "spiking.safetensors")
    assert again.plan.products == spiking.plan.products
    assert again.plan.held == spiking.plan.held
    expected, found = run(spiking), run(again, engines.few_spikes)
    for name in spiking.plan.sites:
        assert torch.equal(expected.spikes[name], found.spikes[name]), name


def test_a_population_can_stand_on_any_edge_by_name() -> None:
    network = mixer(["linear"])
    bare = Plan({}, Layerwise(6), analog=("0.norm",))
    quantised = replace(bare, sites={"0.norm@spikes": Site(2.0**-4, initial_potential=2.0**-5, neuron=SignedDigits(6))})
    spiking, batch = SpikingNetwork(network, quantised), images(network, 4)
    assert isinstance(spiking.network["0.norm@spikes"], Activation)
    assert torch.equal(engines.batched(network, quantised, batch).outputs, spiking(batch))
    sent = run(spiking).spikes["0.norm@spikes"]
    values = torch.tensordot(sent.new_tensor(SignedDigits(6).worth), sent, dims=([0], [0])) * 2.0**-4
    exact = network.values((images(network, 3),), ["0.norm"])["0.norm"]
    assert float((values - exact).abs().max()) <= 2.0**-5


def test_plans_that_do_not_fit_say_what_does() -> None:
    network = mixer(["gate"])
    good = converted(network).plan
    silent = {name: site for name, site in good.sites.items() if name != "0.in@spikes"}
    nobody = {**good.sites, "nobody@spikes": Site(1.0, neuron=SignedDigits(4))}
    unsigned = {name: replace(site, neuron=FewSpikes(4)) for name, site in good.sites.items()}
    for wrong, message in (
        (Plan({}, Layerwise(4)), "or use the method every_edge"),
        (replace(good, sites=silent), "give the plan a site for '0.in@spikes'"),
        (replace(good, products={**good.products, "0.norm": 0}), "'0.norm', which is no product of two signals"),
        (replace(good, held=(*good.held, "0.norm")), "holds '0.norm', which is no affine map"),
        (replace(good, sites=nobody), "nobody@spikes, which are neither activations of the network nor the edge"),
        (replace(good, sites=unsigned), "use neurons.SignedDigits"),
        (replace(good, schedule=Steady(4)), "'0.gate' takes spikes, so its inputs must come whole in one step"),
        (replace(good, schedule=InputThenDrain(1, 3)), "they need schedule=Layerwise(steps)"),
    ):
        with pytest.raises(InvalidPlan, match=re.escape(message)):
            SpikingNetwork(network, wrong)


def test_the_identity_is_no_function_of_the_network() -> None:
    network = mixer(["linear"])
    assert not any(isinstance(node.function, Identity) for node in network.activations)
    assert [node.name for node in spike_edges(network).activations] == list(edges(network))


def words() -> Network:
    """Words looked up in a table, and a function of two signals that no neuron computes."""
    draw = torch.Generator().manual_seed(0)
    table, weight = (torch.randn(size, 4, generator=draw).double() / 2 for size in (7, 4))
    nodes = (
        Input("words", (), (TOKENS,)),
        Embedding("table", ("words",), table),
        Linear("map", ("table",), weight, None),
        Activation("gate", ("map",), Sigmoid()),
        Divide("quotient", ("map", "gate")),
        Linear("out", ("quotient",), weight[:3]),
    )
    return Network(nodes, ("out",))


def test_edges_that_cannot_spike_are_named_with_the_reason() -> None:
    network = words()
    given = torch.randint(7, (8, TOKENS), generator=torch.Generator().manual_seed(1))
    plan = methods.every_edge(network, given, steps=4)
    for value, reason in (
        ("words", "'words' are whole numbers that 'table' looks up in a table"),
        ("mask", "'mask' is no node of the network, as masks, shapes and other constants are none"),
        ("map", "'map' is read by gate (Activation), quotient (Divide) alone, and nothing there multiplies it"),
        ("out", "'out' is an output, which is read out as a number"),
    ):
        more = {**plan.sites, f"{value}@spikes": Site(1.0, neuron=SignedDigits(4))}
        with pytest.raises(InvalidPlan, match=re.escape(reason)):
            SpikingNetwork(network, replace(plan, sites=more))


def test_a_function_of_several_signals_stays_analog_by_name_and_is_charged() -> None:
    network = words()
    given = torch.randint(7, (8, TOKENS), generator=torch.Generator().manual_seed(1))
    plan = methods.every_edge(network, given, steps=10)
    assert plan.sites.keys() == {"table@spikes", "quotient@spikes"}
    assert set(plan.analog) == {"table", "gate", "quotient"}
    spiking = SpikingNetwork(network, plan)
    torch.testing.assert_close(spiking(given), network(given), rtol=0.05, atol=0.05)
    work = analog_operations(spiking.network, plan, fan_outs(spiking.network, plan))
    size = TOKENS * 4  # values of 5 words
    assert work["table"] == size  # looked up, and one population that reads each
    assert work["quotient"] == size * (1 + 1)  # a quotient each, and one population that reads it
    assert work["gate"] == size * (8 + 1)  # a sigmoid each, which the quotient reads
    expected = engines.reference(spiking.network, plan, given).outputs
    for engine in (engines.batched, engines.few_spikes, engines.pipelined):
        torch.testing.assert_close(engine(spiking.network, plan, given).outputs, expected)
