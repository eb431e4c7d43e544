"""Random networks of what transformers are made of, for property tests: norms, attention, gates and residuals."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor

from networks import images
from respike.ir import (
    GELU,
    Activation,
    Add,
    ElementwiseAffine,
    Embedding,
    FixedLinear,
    Input,
    LayerNorm,
    Linear,
    MatMul,
    Multiply,
    Network,
    Node,
    Permute,
    ReLU,
    Reshape,
    RMSNorm,
    Sigmoid,
    SiLU,
    Softmax,
)

TOKENS, WIDTH, OUT = 5, 6, 3


WORDS = 9

KINDS = ("attention", "causal", "gelu", "relu", "gate", "gated", "linear")
"""What blocks of transformers are made of: BERT has attention and GELU, GPT causal and GELU, Llama causal and gated."""


class Mixer:
    """Blocks in any order on a residual stream of 5 tokens of 6 values, which may be words looked up in a table."""

    def __init__(self, seed: int, words: bool = False) -> None:
        self.nodes: list[Node] = [Input("x", (), (TOKENS,) if words else (TOKENS, WIDTH))]
        self.generator = torch.Generator().manual_seed(seed)
        if words:
            self.put(Embedding("words", ("x",), torch.rand(WORDS, WIDTH, generator=self.generator).double()))

    def put(self, node: Node) -> str:
        self.nodes.append(node)
        return node.name

    def linear(self, name: str, source: str, out: int = WIDTH) -> str:
        weight, bias = (torch.randn(*size, generator=self.generator).double() for size in ((out, WIDTH), (out,)))
        return self.put(Linear(name, (source,), weight / WIDTH**0.5, bias / 4))

    def heads(self, name: str, source: str) -> str:
        """Two heads of three values: [5, 6] to [2, 5, 3]."""
        split = self.put(Reshape(f"{name}.split", (self.linear(name, source),), (TOKENS, 2, 3)))
        return self.put(Permute(f"{name}.heads", (split,), (0, 2, 1, 3)))

    def attention(self, name: str, source: str, *, causal: bool = False) -> str:
        query, key, value = (self.heads(f"{name}.{kind}", source) for kind in ("query", "key", "value"))
        turned = self.put(Permute(f"{name}.key.turned", (key,), (0, 1, 3, 2)))
        scores = self.put(MatMul(f"{name}.scores", (query, turned)))
        mask = torch.full((TOKENS, TOKENS), -1e30).double().triu(1) if causal else torch.zeros(()).double()
        scaled = ElementwiseAffine(f"{name}.scaled", (scores,), torch.tensor(0.5).double(), mask)
        weights = self.put(Softmax(f"{name}.weights", (self.put(scaled),), 3))
        mixed = self.put(MatMul(f"{name}.mixed", (weights, value)))
        joined = self.put(Permute(f"{name}.joined", (mixed,), (0, 2, 1, 3)))
        return self.linear(f"{name}.project", self.put(Reshape(f"{name}.flat", (joined,), (TOKENS, WIDTH))))

    def gate(self, name: str, source: str) -> str:
        """Every value times one that all tokens share: squeeze and excitation."""
        mean = self.put(FixedLinear(f"{name}.mean", (source,), 1, torch.full((1, TOKENS), 1 / TOKENS).double()))
        gate = self.put(Activation(f"{name}.sigmoid", (self.linear(f"{name}.squeeze", mean),), Sigmoid()))
        return self.linear(
            f"{name}.project", self.put(Multiply(f"{name}.gate", (self.linear(f"{name}.in", source), gate)))
        )

    def gated(self, name: str, source: str) -> str:
        """Every value times a SiLU of another."""
        gate = self.put(Activation(f"{name}.silu", (self.linear(f"{name}.in", source),), SiLU()))
        return self.linear(
            f"{name}.out", self.put(Multiply(f"{name}.product", (gate, self.linear(f"{name}.up", source))))
        )

    def block(self, kind: str, name: str, source: str) -> str:
        ones = torch.ones(WIDTH).double()
        mean = kind not in ("causal", "gated")
        layer = LayerNorm(f"{name}.norm", (source,), (WIDTH,), ones, ones / 8, 1e-5)
        normed = self.put(layer if mean else RMSNorm(f"{name}.norm", (source,), (2,), 1e-5))
        match kind:
            case "attention" | "causal":
                return self.attention(name, normed, causal=kind == "causal")
            case "gated":
                return self.gated(name, normed)
            case "gate":
                return self.gate(name, normed)
            case "linear":
                return self.linear(f"{name}.wide", self.linear(f"{name}.narrow", normed))
            case _:
                function = GELU() if kind == "gelu" else ReLU()
                hidden = self.put(Activation(f"{name}.{kind}", (self.linear(f"{name}.in", normed),), function))
                return self.linear(f"{name}.out", hidden)


def mixer(kinds: list[str], seed: int = 0, words: bool = False) -> Network:
    build, stream = Mixer(seed, words), "words" if words else "x"
    for number, kind in enumerate(kinds):
        name = f"{number}"
        stream = build.put(Add(f"{name}.add", (stream, build.block(kind, name, stream))))
    mean = build.put(FixedLinear("mean", (stream,), 1, torch.full((1, TOKENS), 1 / TOKENS).double()))
    build.linear("head", build.put(Reshape("flat", (mean,), (WIDTH,))), OUT)
    return Network(tuple(build.nodes), ("head",))


@st.composite
def mixers(draw: st.DrawFn) -> Network:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    return mixer(kinds, draw(st.integers(0, 999)), words=draw(st.booleans()))


def given_to(network: Network, count: int) -> Tensor:
    """Random images, or words where the network looks them up."""
    drawn = images(network, count)
    return (WORDS * drawn).floor() if len(network.inputs[0].shape) == 1 else drawn
