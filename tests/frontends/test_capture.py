"""Names, reuse, and every refusal in the user's words."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from frontends.torch_models import Function, ResNet, trained
from respike.errors import InvalidData, InvalidNetwork, UnsupportedOperator
from respike.frontends import torch_export
from respike.ir import Conv, Network


def names(network: Network) -> list[str]:
    return [node.name for node in network.nodes]


class Reused(nn.Module):
    """One ReLU and one convolution called twice, functions beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(18, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv(self.relu(self.conv(x))))
        y = F.relu(x - 0.5)
        y += x
        return self.fc(F.relu(y).view(-1, 18))  # type: ignore[no-any-return]


def test_names_are_module_paths_and_functions_named_after_their_module() -> None:
    network = torch_export(trained(ResNet()), torch.rand(2, 3, 6, 6))
    block = [name.removeprefix("layer1.0.") for name in names(network) if name.startswith("layer1.0.")]
    assert block == ["conv1", "bn1", "relu", "conv2", "bn2", "shortcut.0", "shortcut.1", "add", "relu@2"]
    assert names(network)[:4] == ["x", "conv1", "bn1", "relu"]
    assert names(network)[-3:] == ["mean", "mean.flatten", "fc"]
    assert network.origin == "ResNet"


def test_a_module_called_again_gets_a_number() -> None:
    model = Reused().eval()
    network = torch_export(model, torch.rand(1, 2, 3, 3))
    assert names(network) == [
        *("x", "conv", "relu", "conv@2", "relu@2", "sub", "relu@3", "add", "relu@4", "flatten", "fc")
    ]
    x = torch.randn(5, 2, 3, 3)
    torch.testing.assert_close(network(x), model(x))


def test_what_follows_an_in_place_operator_sees_its_result() -> None:
    def function(_: nn.Module, x: Tensor) -> Tensor:
        y = x * 2
        shortcut = y
        F.relu(y, inplace=True)
        y[:, :2] += 1
        return shortcut + 1

    x = torch.randn(3, 4)
    for model in (Function(lambda m, x: F.relu_(x * 2) + x), Function(function)):
        torch.testing.assert_close(torch_export(model, x)(x), model(x))


def test_the_model_is_left_as_it_was() -> None:
    model = trained(ResNet())
    before, modes = copy.deepcopy(model.state_dict()), [m.training for m in model.modules()]
    network = torch_export(model, torch.rand(2, 3, 6, 6))
    assert [m.training for m in model.modules()] == modes
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    conv = network["conv1"]
    assert isinstance(conv, Conv)
    conv.weight.zero_()
    assert not conv.weight.requires_grad
    assert model.get_parameter("conv1.weight").abs().sum() > 0


def test_any_batch_size_fits() -> None:
    model = Reused().eval()
    for batch in (1, 5):
        network = torch_export(model, torch.rand(batch, 2, 3, 3))
        x = torch.rand(3, 2, 3, 3)
        torch.testing.assert_close(network(x), model(x))


def refused(function: Callable[..., Any] | nn.Module, *shape: int) -> str:
    model = function.eval() if isinstance(function, nn.Module) else Function(function)
    with pytest.raises(UnsupportedOperator) as caught:
        torch_export(model, torch.rand(2, *shape))
    return str(caught.value)


def test_everything_unsupported_is_listed_at_once_with_what_to_do() -> None:
    features = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LocalResponseNorm(2), nn.SiLU(), nn.LPPool2d(2, 2))
    model = nn.Sequential(features, nn.Flatten(), nn.Hardshrink())
    lines = refused(model, 1, 6, 6).splitlines()
    assert lines[0] == "respike cannot convert 3 part(s) of the network:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        *("0.1 (LocalResponseNorm)", "0.3 (LPPool2d)", "2 (Hardshrink)")
    ]
    assert "use BatchNorm" in lines[1]
    assert "average pooling" in lines[2]
    assert "Hardtanh and fine-tune" in lines[3]


def test_functions_are_listed_by_the_module_they_are_called_in() -> None:
    assert "0 (LSTM): takes a sequence for the batch" in refused(
        nn.Sequential(nn.LSTM(3, 3), Function(lambda m, x: x[0])), 4, 3
    )
    text = refused(nn.Sequential(Function(lambda m, x: torch.log(x) * torch.exp(x) ** 4)), 3)
    assert "0.log (function)" in text
    assert "0.exp (function)" in text
    assert "0.pow (function): a power other than 2 or 3" in text


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x.flatten(0),
        lambda m, x: x.reshape(-1),
        lambda m, x: x.view(1, -1),
        lambda m, x: x - x.mean(0),
        lambda m, x: x.t(),
        lambda m, x: x[0],
        lambda m, x: x[:1] + x,
        lambda m, x: torch.cat([x, x]),
        lambda m, x: x[:, 0] + x[:, :2],
        lambda m, x: x.unsqueeze(0),
        lambda m, x: x.permute(1, 0),
    ],
)
def test_mixing_the_batch_is_refused(function: Callable[..., Any]) -> None:
    assert "batch" in refused(function, 6)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda m, x: F.pad(x, (1, 1), value=-math.inf), "give the max pool a padding"),
        (lambda m, x: x.sort(1)[0], "order that depends on the data"),
        (lambda m, x: F.bilinear(x, x, torch.ones(2, 4, 4)), "a linear layer of one"),
        (lambda m, x: x.index_add(1, torch.tensor([0]), x[:, :1]), "writes elements by their numbers"),
        (lambda m, x: x.gather(1, torch.zeros(2, 1, 4, dtype=torch.long)), "a place of its own"),
        (lambda m, x: F.threshold(x, 1.0, 0.0), "jumps"),
        (lambda m, x: x.clamp(1.0, 0.0), "no room"),
        (lambda m, x: F.dropout(x), "training=self.training"),
        (lambda m, x: x * x.max().item(), "reads a number from the data"),
        (lambda m, x: torch.where(x > 0, x, 0 * x), "chooses by values of the data"),
        (lambda m, x: x.double(), "number type"),
        (lambda m, x: F.max_pool1d(x, 2, return_indices=True)[1], "only the values"),
        (lambda m, x: x + torch.arange(2.0)[:, None, None], "sample to sample"),
        (nn.BatchNorm1d(3, track_running_stats=False), "running statistics"),
    ],
)
def test_refusals_say_why(function: Callable[..., Any] | nn.Module, reason: str) -> None:
    assert reason in refused(function, 3, 4)


def test_training_mode_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    with pytest.raises(InvalidNetwork, match=r"training mode \(1, 2\); call model.eval\(\)"):
        torch_export(model, torch.rand(2, 3))
    model.eval()[1].train()
    with pytest.raises(InvalidNetwork, match=r"training mode \(1\)"):
        torch_export(model, torch.rand(2, 3))


def test_weights_that_are_not_finite_are_named() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 2)).eval()
    with torch.no_grad():
        model.get_parameter("0.weight")[0, 0] = float("nan")
        model.get_parameter("3.bias")[0] = float("inf")
    with pytest.raises(InvalidNetwork, match="infinite in: 0, 3"):
        torch_export(model, torch.rand(2, 3))


def test_a_variance_that_is_negative_is_refused() -> None:
    model = nn.Sequential(nn.BatchNorm1d(3)).eval()
    model.get_buffer("0.running_var").fill_(-1.0)
    with pytest.raises(InvalidNetwork, match="variance of '0'"):
        torch_export(model, torch.rand(2, 3))


def test_control_flow_over_data_is_explained(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidNetwork, match="branches on values of the data") as caught:
        torch_export(Function(lambda m, x: x if x.sum() > 0 else -x), torch.rand(2, 3))
    assert "\n" not in str(caught.value)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


def test_a_network_that_counts_is_refused() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.get_buffer("calls").add_(1)
            return F.relu(x)

    with pytest.raises(InvalidNetwork, match="buffer 'calls'"):
        torch_export(Counter().eval(), torch.rand(2, 3))


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (torch.rand(2, 7), r"batch of shape \[2, 7\] .*cannot be multiplied"),
        (torch.rand(2, 6).double(), "dtype"),
        (torch.ones(2, 6, dtype=torch.int64), "floating-point"),
        (torch.rand(6), r"got \[6\]"),
        (torch.full((2, 6), float("nan")), "NaN"),
        (torch.rand(0, 6), r"got \[0, 6\]"),
        ([1.0], "list"),
        ((torch.rand(2, 6), torch.rand(1, 6)), "batch size"),
        (None, "an example is needed"),
    ],
)
def test_bad_examples(example: Any, reason: str) -> None:
    with pytest.raises(InvalidData, match=reason):
        torch_export(nn.Linear(6, 4).eval(), example)


def test_no_warning_reaches_the_user() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch_export(nn.Conv2d(1, 1, 2, padding="same").eval(), torch.rand(2, 1, 3, 3))


class _AttentionOverSamples(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x)


def test_attention_over_the_samples_of_a_batch_is_refused() -> None:
    """Without a sequence dimension torch takes the batch for one."""
    with pytest.raises(UnsupportedOperator, match="multiplies matrices over the batch"):
        torch_export(_AttentionOverSamples().eval(), torch.randn(3, 5))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 3, stride=0),
        nn.Conv2d(1, 1, 3, dilation=0),
        nn.ConvTranspose2d(1, 1, 3, stride=0),
        nn.MaxPool2d(2, stride=0),
        nn.MaxPool2d(2, dilation=0),
        nn.AvgPool2d(0),
    ],
    ids=repr,
)
def test_a_layer_whose_windows_are_nothing_is_named(layer: nn.Module) -> None:
    model = nn.Sequential(nn.Identity(), nn.Sequential(layer), nn.Flatten()).eval()
    told = rf"layer '1\.0' \({type(layer).__name__}\), RuntimeError: .*(zero|positive)|1\.0 \(.*\): its dilation is"
    with pytest.raises((InvalidData, UnsupportedOperator), match=told):
        torch_export(model, torch.rand(2, 1, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
