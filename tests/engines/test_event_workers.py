"""Threads that share the images of a batch, each with a network run of its own: nobody may see a difference."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.test_event_replay import same
from networks import images, networks
from respike import Probe, coding, cost, engines
from respike.engines.event import COMPILED
from respike.ir import Input, Linear, Network
from respike.neurons import Burst, IntegrateFire, Neuron, SignedIntegrateFire
from respike.plan import Plan, Site
from respike.record import Recording
from respike.schedule import InputThenDrain, Steady

if not COMPILED:
    pytest.skip("the event engine was not compiled", allow_module_level=True)

from respike.engines.event import calls, engine


@torch.no_grad()
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    network=networks(),
    neuron=st.sampled_from((IntegrateFire(), SignedIntegrateFire(), Burst(3))),
    batch=st.integers(2 * engine.SHARED_IMAGES, 60),
    threads=st.integers(2, 4),
)
def test_threads_that_share_images_change_nothing(network: Network, neuron: Neuron, batch: int, threads: int) -> None:
    """Each run has other images; from the third on, each thread has a script of its own.

    Where currents are dense, they are convolutions of PyTorch. Those of float64 are MKL's, which on some processors
    rounds the last bit by where an image lies in memory; so potentials are compared but for that.
    """
    names = [node.name for node in network.activations]
    plan = Plan({name: Site(0.3, neuron=neuron) for name in names}, InputThenDrain(12, 3))
    probe = Probe(spikes=names, potentials=names, fan_out=cost.fan_outs(network))
    for run, memory in enumerate([2**28, 2**28, 2**28, 2**28, 2**12]):
        shown = images(network, batch, run)
        alone = engines.event(network, Plan(plan.sites, plan.schedule), shown, probe, memory=memory)
        torch.set_num_threads(threads)
        try:
            found = engines.event(network, plan, shown, probe, memory=memory)
            assert torch.get_num_threads() == threads
            assert same(replace(alone, potentials={}), found)
            for name, potential in alone.potentials.items():
                torch.testing.assert_close(found.potentials[name], potential, rtol=0, atol=1e-12)
        finally:
            torch.set_num_threads(1)


@torch.no_grad()
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks())
def test_codings_of_others_see_one_thread(network: Network) -> None:
    plan = Plan({node.name: Site(0.3) for node in network.activations}, InputThenDrain(12, 3))
    plan = replace(plan, coding=coding.Bernoulli(seed=3))
    shown = images(network, 40).clamp(0, 1)
    alone = engines.event(network, plan, shown)
    torch.set_num_threads(2)
    try:
        assert same(alone, engines.event(network, plan, shown))
    finally:
        torch.set_num_threads(1)


@pytest.fixture
def three_threads() -> object:
    torch.set_num_threads(3)
    yield None
    torch.set_num_threads(1)


def test_threads_have_the_modes_of_the_one_that_calls(three_threads: object) -> None:
    def seen(item: int, worker: int) -> tuple[bool, bool, int, int]:
        barrier.wait(10)
        return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_num_threads(), calls.threads()

    for mode, wanted in (
        (torch.no_grad(), (False, False, 1, 1)),
        (torch.inference_mode(), (False, True, 1, 1)),
        (torch.enable_grad(), (True, False, 1, 1)),
    ):
        barrier = threading.Barrier(3)
        with mode, calls.kernels_alone():
            assert calls.shared(seen, 3, 3) == [wanted] * 3
            assert calls.threads() == 3


def test_kernels_have_the_threads_while_pytorch_has_one(three_threads: object) -> None:
    """Also behind an error, and where one run is within another."""
    with calls.kernels_alone():
        assert (torch.get_num_threads(), calls.threads()) == (1, 3)
        with calls.all_threads():
            assert torch.get_num_threads() == 3
        with calls.kernels_alone():
            assert (torch.get_num_threads(), calls.threads()) == (1, 3)
        assert torch.get_num_threads() == 1
    with pytest.raises(ZeroDivisionError), calls.kernels_alone():
        raise ZeroDivisionError
    assert (torch.get_num_threads(), calls.threads()) == (3, 3)


@pytest.mark.parametrize(("tile", "tiles"), [(100, 3), (15, 6), (1, 48)])
def test_threads_have_equal_shares(
    tile: int, tiles: int, three_threads: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 48 images: a tile more than another thread has is waited for."""
    network = Network((Input("r", (), (5,)), Linear("a", ("r",), torch.ones(1, 5), None)), ("a",))
    given: list[int] = []

    def shared(run: object, items: int, workers: int) -> list[Recording]:
        given.append(items)
        return calls.shared(run, items, workers)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "shared", shared)
    engines.event(network, Plan({}, Steady(7)), torch.ones(48, 5), memory=tile * 6 * 4 * 7)
    assert given == [tiles]


def test_what_a_thread_throws_is_thrown_when_all_have_ended(three_threads: object) -> None:
    def run(item: int, worker: int) -> int:
        barrier.wait(10)
        if item == failing:
            raise ZeroDivisionError(item)
        ended.append(item)
        return item

    for failing in range(3):
        barrier = threading.Barrier(3)
        ended: list[int] = []
        with calls.kernels_alone(), pytest.raises(ZeroDivisionError, match=str(failing)):
            calls.shared(run, 3, 3)
        assert sorted(ended) == [item for item in range(3) if item != failing]


def test_threads_that_do_not_begin_delay_nothing(three_threads: object, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    with ThreadPoolExecutor(1) as busy:
        monkeypatch.setattr(calls, "_others", lambda: busy)
        busy.submit(ended.wait)
        try:
            with calls.kernels_alone():
                assert calls.shared(lambda item, worker: (item, worker), 5, 3) == [(item, 0) for item in range(5)]
        finally:
            ended.set()


FORKED = """
import os, sys, warnings
import torch
from respike.engines.event import calls

warnings.simplefilter("ignore")  # Python's, about forks beside threads
torch.set_num_threads(2)
with calls.kernels_alone():
    assert calls.shared(lambda item, worker: item, 6, 2) == list(range(6))
    child = os.fork()
    assert calls.shared(lambda item, worker: item, 6, 2) == list(range(6))
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(torch.multiprocessing, "fork") and sys.platform == "win32", reason="no forks")
def test_a_fork_has_threads_of_its_own() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)
