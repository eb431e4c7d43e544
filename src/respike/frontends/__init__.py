"""Reading networks: each frontend gives an `ir.Network` and can be checked against its original."""

from respike.frontends.torch.capture import Captured, capture, torch_export

__all__ = ["Captured", "capture", "torch_export"]
