"""Recurrent classifiers that read an image row by row: the networks that show recurrent few-spikes neurons."""

from __future__ import annotations

from torch import Tensor, nn


class RowByRow(nn.Module):
    """Reads an image `[n, 1, rows, columns]` as a sequence of rows; the state behind the last row is classified.

    Args:
        layers: `torch.nn.RNN`, `GRU` or `LSTM` with `batch_first=True`, whose input is a row.
        classes: the number of logits.
    """

    def __init__(self, layers: nn.RNNBase, classes: int = 10) -> None:
        super().__init__()
        self.layers = layers
        self.fc = nn.Linear(layers.hidden_size, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits `[n, classes]`."""
        states, _ = self.layers(images.flatten(1, 2))
        return self.fc(states[:, -1])  # type: ignore[no-any-return]


def row_rnn() -> RowByRow:
    """128 neurons with ReLU and their own output one row earlier; [n, 1, 28, 28] to [n, 10] logits."""
    return RowByRow(nn.RNN(28, 128, nonlinearity="relu", batch_first=True))


def row_gru() -> RowByRow:
    """64 gated recurrent units; [n, 1, 28, 28] to [n, 10] logits."""
    return RowByRow(nn.GRU(28, 64, batch_first=True))


def row_lstm() -> RowByRow:
    """64 long short-term memory cells; [n, 1, 28, 28] to [n, 10] logits."""
    return RowByRow(nn.LSTM(28, 64, batch_first=True))
