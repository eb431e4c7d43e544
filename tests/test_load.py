"""`load`: the check against the original, the refusal of files that could run code, whole networks."""

from __future__ import annotations

import dataclasses
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.export import Dim, export

from frontends.torch_models import ResNet, trained
from respike.errors import InvalidData, InvalidFile, InvalidNetwork, NotEquivalent, RespikeWarning
from respike.frontends.semantics import Call, Result
from respike.frontends.torch.capture import quiet
from respike.frontends.torch.operators import OPERATORS
from respike.frontends.verify import close
from respike.ir import BatchNorm, Conv, Network, map_tensors
from respike.load import load


class Branching(nn.Module):
    """Chooses among residual addition, concatenation, normalisation and pooling."""

    def __init__(self, choices: list[str], channels: int) -> None:
        super().__init__()
        self.choices = choices
        self.layers = nn.ModuleDict()
        width = 2
        for i, choice in enumerate(choices):
            out = width if choice == "residual" else channels
            self.layers[f"conv{i}"] = nn.Conv2d(width, out, 3, padding=1, groups=2 if out % 2 == width % 2 == 0 else 1)
            self.layers[f"norm{i}"] = nn.BatchNorm2d(width if choice == "norm first" else out, eps=10.0**-i)
            width = width + out if choice == "concat" else out
        self.fc = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        for i, choice in enumerate(self.choices):
            conv, norm = self.layers[f"conv{i}"], self.layers[f"norm{i}"]
            match choice:
                case "residual":
                    x = F.relu(norm(conv(x)) + x)
                case "concat":
                    x = torch.cat([x, torch.relu(norm(conv(x)))], 1)
                case "norm first":
                    x = conv(F.relu(norm(x)))
                case "max pool":
                    x = F.max_pool2d(norm(conv(x)).relu(), 2, ceil_mode=True)
                case _:
                    x = F.avg_pool2d(conv(x), 2, ceil_mode=True).clamp(-0.5, 1.5)
        return self.fc(x.mean((2, 3)))  # type: ignore[no-any-return]


@given(
    choices=st.lists(
        st.sampled_from(["residual", "concat", "norm first", "max pool", "avg pool"]), min_size=1, max_size=3
    ),
    channels=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_networks_equal_their_originals(choices: list[str], channels: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = trained(Branching(choices, channels))
    x = torch.randn(4, 2, 7, 6)
    network = load(model, x[:1])
    with torch.no_grad():
        wanted = model(x)
    torch.testing.assert_close(network(x), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()) + 1e-7)


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return trained(
        nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 2))
    )


def test_a_residual_network_is_folded_and_equal() -> None:
    torch.manual_seed(0)
    model, x = trained(ResNet()), torch.rand(3, 3, 6, 6)
    network = load(model, x, verify=[torch.randn(2, 3, 6, 6), (torch.randn(1, 3, 6, 6),)])
    assert not any(isinstance(node, BatchNorm) for node in network.nodes)
    torch.testing.assert_close(network(x), model(x), rtol=1e-4, atol=1e-5)
    assert any(isinstance(node, BatchNorm) for node in load(model, x, passes=()).nodes)


def test_several_inputs_and_outputs() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
            return {"sum": F.relu(x) + y, "y": y * 2}

    x, y = torch.randn(2, 3), torch.randn(2, 3)
    network = load(Two().eval(), (x, y))
    assert network.outputs == ("add", "mul")
    torch.testing.assert_close(network(x, y), F.relu(x) + y)


def _labelled(x: Tensor) -> list[Any]:
    """The same images as `measure` takes them, with labels."""
    labels = torch.zeros(len(x), dtype=torch.int64)
    dataset = torch.utils.data.TensorDataset(x, labels)
    return [(x, labels), [[x, labels]], torch.utils.data.DataLoader(dataset, batch_size=2), Labelled(x, labels)]


class Labelled:
    """A data set that hands out batches, as those of `respike.data` do."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.parts = images, labels

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self.parts
        yield from zip(images.split(size), labels.split(size), strict=True)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("kind", range(4))
def test_verify_takes_what_measure_takes(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_relu(call: Call, x: Any) -> Result:
        return OPERATORS[torch.ops.aten.mul](call, x, 1.0)

    model = nn.Sequential(nn.ReLU(), nn.Linear(6, 2)).eval()
    load(model, torch.rand(4, 6), verify=_labelled(-torch.rand(4, 6))[kind])
    monkeypatch.setitem(OPERATORS, torch.ops.aten.relu, no_relu)
    load(model, torch.rand(4, 6), verify=_labelled(torch.rand(4, 6))[kind])
    with pytest.raises(NotEquivalent, match="first at node '0'"):
        load(model, torch.rand(4, 6), verify=_labelled(-torch.rand(4, 6))[kind])


def test_whole_numbers_agree_exactly() -> None:
    wanted = torch.tensor([[1000, 20]])
    assert close(torch.tensor([[1000.0, 20.0]]), wanted)
    assert close(wanted.to(torch.uint16), wanted.to(torch.uint16))
    assert not close(torch.tensor([[1001.0, 20.0]]), wanted)
    assert not close(wanted + 1, wanted)


def test_modules_that_are_spread_or_compiled_are_read_as_they_are() -> None:
    model, x = perceptron(), torch.rand(4, 6)
    names = [node.name for node in load(model, x).nodes]
    for wrapped in (nn.DataParallel(model), torch.compile(model)):
        assert isinstance(wrapped, nn.Module)
        assert [node.name for node in load(wrapped.eval(), x).nodes] == names


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1)])
def test_a_final_softmax_or_its_logarithm_is_left_out(last: nn.Module) -> None:
    model, x = nn.Sequential(nn.Linear(6, 3), last).eval(), torch.rand(4, 6)
    with pytest.warns(RespikeWarning, match="the final softmax '1' is left out"):
        network = load(model, x)
    torch.testing.assert_close(network(x), model[0](x))
    torch.testing.assert_close(load(model, x, passes=())(x), model(x))


@pytest.mark.parametrize("place", ["0", "3"])
def test_a_wrong_translation_is_caught_and_named(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = OPERATORS[torch.ops.aten.linear]

    def wrong(call: Call, x: Any, weight: Tensor, bias: Tensor) -> Result:
        return right(call, x, weight * (1.01 if call.name == place else 1.0), bias)

    monkeypatch.setitem(OPERATORS, torch.ops.aten.linear, wrong)
    with pytest.raises(NotEquivalent, match=f"first at node '{place}'"):
        load(perceptron(), torch.rand(4, 6))


def test_a_difference_that_only_another_batch_shows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_relu(call: Call, x: Any) -> Result:
        return OPERATORS[torch.ops.aten.mul](call, x, 1.0)

    model = nn.Sequential(nn.ReLU(), nn.Linear(6, 2)).eval()
    monkeypatch.setitem(OPERATORS, torch.ops.aten.relu, no_relu)
    load(model, torch.rand(4, 6))
    with pytest.raises(NotEquivalent, match="first at node '0'"):
        load(model, torch.rand(4, 6), verify=-torch.rand(4, 6))


def test_a_wrong_pass_is_caught_and_named() -> None:
    def halve(network: Network) -> Network:
        nodes = tuple(map_tensors(node, lambda t: t / 2) for node in network.nodes)
        return dataclasses.replace(network, nodes=nodes)

    with pytest.raises(NotEquivalent, match="pass halve"):
        load(perceptron(), torch.rand(4, 6), passes=[halve])


def test_a_pass_that_only_rounds_is_told_from_a_wrong_one() -> None:
    def lose_digits(network: Network) -> Network:
        nodes = tuple(map_tensors(node, lambda t: t + 1e4 - 1e4) for node in network.nodes)
        return dataclasses.replace(network, nodes=nodes)

    x = torch.rand(4, 6)
    with pytest.warns(RespikeWarning, match="magnifies rounding: .* the pass lose_digits in float32"):
        load(perceptron(), x, passes=[lose_digits])
    load(perceptron().double(), x.double(), passes=[lose_digits])


def test_a_network_that_magnifies_rounding_is_not_taken_for_an_error_of_ours() -> None:
    linear, norm = nn.Linear(6, 64), nn.BatchNorm1d(64)
    model = nn.Sequential(linear, norm).eval()
    with torch.no_grad():
        linear.bias.fill_(1e6)  # takes all digits but one, and is taken off again
        norm.get_buffer("running_mean").fill_(1e6)
    x = torch.rand(16, 6)
    with pytest.raises(NotEquivalent, match="the network magnifies rounding"):
        load(model, x)
    load(model.double(), x.double())


def test_a_network_without_weights_loads_in_any_type() -> None:
    x = torch.randn(2, 3, dtype=torch.float64)
    assert load(nn.ReLU().eval(), x).outputs == ("relu",)


def test_an_original_that_overflows_is_named_as_the_culprit() -> None:
    model = nn.Sequential(nn.Linear(6, 2)).eval()
    with torch.no_grad():
        model.get_parameter("0.weight").fill_(3e38)
    with pytest.raises(InvalidNetwork, match="the original itself"):
        load(model, torch.full((2, 6), 10.0))


def test_a_batch_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"\[2, 7\]"):
        load(perceptron(), torch.rand(4, 6), verify=[torch.rand(2, 7)])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "model.pt2"
    program = export(perceptron(), (torch.rand(3, 6),), dynamic_shapes=({0: Dim.AUTO, 1: Dim.STATIC},))
    torch.export.save(program, path)
    return path


def test_an_archive_gives_the_same_network(archive: Path) -> None:
    model, x = perceptron(), torch.rand(5, 6)
    network = load(archive, verify=x)
    assert [node.name for node in network.nodes] == ["input", "0", "2", "3", "4", "5"]
    torch.testing.assert_close(network(x), model(x))
    torch.testing.assert_close(load(str(archive), torch.rand(1, 6))(x), model(x))


def test_programs_with_a_fixed_batch_and_decomposed_ones_load() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)
    )
    x = torch.rand(2, 1, 6, 6)
    program = export(trained(model), (x,))
    y = torch.rand(5, 1, 6, 6)
    torch.testing.assert_close(load(program)(y), model(y), rtol=1e-4, atol=1e-5)
    with quiet():
        decomposed = program.run_decompositions()
    torch.testing.assert_close(load(decomposed)(y), model(y), rtol=1e-4, atol=1e-5)
    with pytest.raises(InvalidData, match="fixed batch size"):
        load(decomposed, verify=y)


def test_only_the_batch_may_be_dynamic() -> None:
    program = export(nn.ReLU(), (torch.rand(2, 4),), dynamic_shapes=({0: Dim.AUTO, 1: Dim.AUTO},))
    with pytest.raises(InvalidNetwork, match="only the batch may be dynamic"):
        load(program)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin"])
def test_pickles_are_refused_and_not_opened(suffix: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(InvalidFile, match=r"torch\.export\.save"):
        load(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes())  # the bomb is live
    assert marker.exists()


def rewritten(archive: Path, path: Path, changes: dict[str, Callable[[bytes], bytes]]) -> Path:
    """A copy of an archive with some of its files changed, or added."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w") as new:
        top = old.namelist()[0].partition("/")[0]
        contents = {name.partition("/")[2]: old.read(name) for name in old.namelist()}
        for name in {**contents, **changes}:
            content = contents.get(name, b"")
            new.writestr(f"{top}/{name}", changes[name](content) if name in changes else content)
    return path


def edit(function: Callable[[Any], None]) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        value = json.loads(content)
        function(value)
        return json.dumps(value).encode()

    return change


def crafted(marker: Path) -> dict[str, dict[str, Callable[[bytes], bytes]]]:
    """Ways to hide code in an archive that torch.export.load would run or hand to the caller to run."""
    bomb, call = pickle.dumps(Bomb(marker)), f"__import__('pathlib').Path('{marker}').touch()"

    def pickled_weight(config: Any) -> None:
        next(iter(config["config"].values()))["use_pickle"] = True

    def size(model: Any) -> None:
        model["graph_module"]["graph"]["tensor_values"]["input"]["sizes"][0]["as_expr"]["expr_str"] = call

    def operator(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"][0]["target"] = "torch.hub.load"

    def container(model: Any) -> None:
        model["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = '[1, {"__enum__": true, "fqn": "a:B"}]'

    return {
        "pickled example": {"data/sample_inputs/model.pt": lambda _: bomb},
        "pickled weights": {"data/weights/model.pt": lambda _: bomb},
        "pickled weight": {
            "data/weights/weight_0": lambda _: bomb,
            "data/weights/model_weights_config.json": edit(pickled_weight),
        },
        "pickled constant": {"data/constants/opaque_obj_0": lambda _: bomb},
        "library": {"data/aotinductor/model/model.so": lambda _: b""},
        "size expression": {"models/model.json": edit(size)},
        "operator": {"models/model.json": edit(operator)},
        "container": {"models/model.json": edit(container)},
    }


@pytest.mark.parametrize("kind", crafted(Path()))
def test_crafted_archives_are_refused_and_run_nothing(kind: str, archive: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = rewritten(archive, tmp_path / "crafted.pt2", crafted(marker)[kind])
    with pytest.raises(InvalidFile, match="damaged" if kind == "pickled example" else "the archive |is a pickle"):
        load(path)
    assert not marker.exists()


def test_a_rewritten_archive_still_loads(archive: Path, tmp_path: Path) -> None:
    load(rewritten(archive, tmp_path / "copy.pt2", {}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b"not an archive",
        lambda b: b[:900] + b"\0" * 400 + b[1300:],
    ],
)
def test_damaged_archives_are_refused(damage: Callable[[bytes], bytes], archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.pt2"
    path.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(InvalidFile, match="damaged"):
        load(path)


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.pt2", "no file"), ("missing.onnx", "no file"), ("model.txt", ".pt2 archives")]
)
def test_other_files_are_refused(name: str, reason: str, tmp_path: Path) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).touch()
    with pytest.raises(InvalidFile, match=reason):
        load(tmp_path / name)


def test_weights_do_not_alias_the_model() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1)).eval()
    network = load(model, torch.rand(1, 1, 2, 2))
    before = network["0"]
    assert isinstance(before, Conv)
    value = before.weight.clone()
    with torch.no_grad():
        model.get_parameter("0.weight").add_(1)
    assert torch.equal(before.weight, value)
