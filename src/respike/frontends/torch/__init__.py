"""PyTorch modules, programs of `torch.export`, and `.pt2` archives."""

from respike.frontends.torch.archive import read_program
from respike.frontends.torch.capture import Captured, capture, torch_export

__all__ = ["Captured", "capture", "read_program", "torch_export"]
