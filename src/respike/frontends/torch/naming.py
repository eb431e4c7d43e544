"""Names that the user knows: the module's path, or the enclosing module's path and the operator."""

from __future__ import annotations

import operator

from torch import fx
from torch._ops import OpOverload

_SPOKEN = {
    "_native_batch_norm_legit_no_training": "batch_norm",
    "_native_batch_norm_legit": "batch_norm",
    "_native_batch_norm_legit_functional": "batch_norm",
    "constant_pad_nd": "pad",
    "view": "reshape",
    "_unsafe_view": "reshape",
    "rsub": "sub",
    "addmm": "linear",
    "max_pool2d_with_indices": "max_pool2d",
    "max_pool3d_with_indices": "max_pool3d",
    "split_with_sizes": "split",
    "native_dropout": "dropout",
}


def operator_name(node: fx.Node) -> str:
    """The operator of a call, without its overload: `relu`, `conv2d`."""
    if isinstance(node.target, OpOverload):
        return str(node.target.overloadpacket.__name__)
    return "getitem" if node.target is operator.getitem else str(getattr(node.target, "__name__", node.target))


def user_name(node: fx.Node) -> str:
    """`layer1.0.conv2` for a layer of torch.nn, `layer1.0.relu` for a function called in `layer1.0`."""
    path, kind = _module(node)
    if kind and path:
        return path
    name = operator_name(node).rstrip("_")
    spoken = _SPOKEN.get(name, name)
    if spoken == "reshape" and getattr(node.meta["val"], "ndim", 0) == 2:
        spoken = "flatten"
    return f"{path}.{spoken}" if path else spoken


def label(node: fx.Node) -> str:
    """The user's name with the layer's type, for messages: `features.3 (SiLU)`."""
    return f"{user_name(node)} ({layer_type(node) or 'function'})"


def layer_type(node: fx.Node) -> str:
    """The type of the torch.nn layer that a call is in, if it is in one."""
    return _module(node)[1]


def _module(node: fx.Node) -> tuple[str, str]:
    """The innermost module's path, and its type if it is a layer of torch.nn."""
    stack = [entry for entry in node.meta.get("nn_module_stack", {}).values() if not entry[0].startswith("_empty")]
    if not stack:
        return "", ""
    path, kind = stack[-1]
    qualified = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    is_layer = qualified.startswith("torch.nn.modules.") and ".container." not in qualified
    return path.split("@")[0].removeprefix("L__self__."), qualified.rsplit(".", 1)[-1] if is_layer else ""
