"""From a torch module to a flat graph of forward operators with constant weights."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from camfilter.lab.backward import SiLU, decompositions

__all__ = ["fused", "traced"]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fused(network: nn.Module) -> fx.GraphModule:
    """A copy of a network in evaluation mode, each norm inside the layer before it.

    What else has a cheaper equal is replaced by it: SiLU, and ReLU before maxima.
    """
    graph = fx.symbolic_trace(copy.deepcopy(network).eval())
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, NORMS):
            continue
        before = node.args[0]
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        merged: nn.Module
        if len(before.users) > 1:
            continue
        if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            merged = fuse_conv_bn_eval(layer, norm)
        elif isinstance(layer, nn.Linear):
            merged = fuse_linear_bn_eval(layer, norm)
        else:
            continue
        graph.set_submodule(str(before.target), merged)
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    for name, module in modules.items():
        if isinstance(module, nn.SiLU):
            graph.set_submodule(name, SiLU())
    pool_before_relu(graph)
    graph.recompile()
    return graph


def pool_before_relu(graph: fx.GraphModule) -> None:
    """Take maxima before ReLU instead of after: the same values, and fewer of them for ReLU."""
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        if not isinstance(modules.get(str(node.target)), nn.MaxPool2d):
            continue
        relu = node.args[0]
        if not isinstance(modules.get(str(relu.target)), nn.ReLU) or len(relu.users) > 1:
            continue
        with graph.graph.inserting_before(relu):
            pooled = graph.graph.call_module(str(node.target), relu.args)
        relu.args = (pooled,)
        node.replace_all_uses_with(relu)
        graph.graph.erase_node(node)


def traced(module: nn.Module, inputs: tuple[Tensor, ...]) -> fx.GraphModule:
    """Run a module once and record it, gradients included, as forward operators.

    Args:
        module: may use torch.func.grad; its parameters become constants.
        inputs: examples; their shapes become fixed.
    """
    module.requires_grad_(False)
    mutating = make_fx(module, decomposition_table=decompositions())(*inputs)
    # Twice, since the rules themselves may write into tensors, and equal expressions may be
    # shared only where nothing does.
    graph = make_fx(functionalize(mutating))(*inputs)
    drop_empty(graph)
    drop_indices(graph)
    share_equal(graph)
    fold_constants(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph


def drop_empty(graph: fx.GraphModule) -> None:
    """Replace tensors without content, which stand in for unused results."""
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and "empty_permuted" in str(node.target):
            with graph.graph.inserting_before(node):
                zeros = graph.graph.call_function(torch.ops.aten.full.default, (node.args[0], 0.0))
            node.replace_all_uses_with(zeros)
            graph.graph.erase_node(node)


def drop_indices(graph: fx.GraphModule) -> None:
    """Replace maximum pooling whose indices nobody reads by one that finds none."""
    aten = torch.ops.aten
    for node in list(graph.graph.nodes):
        if node.target is not aten.max_pool2d_with_indices.default:
            continue
        if any(user.target is not operator.getitem or user.args[1] != 0 for user in node.users):
            continue
        with graph.graph.inserting_before(node):
            pooled = graph.graph.call_function(aten.max_pool2d.default, node.args, node.kwargs)
        for user in list(node.users):
            user.replace_all_uses_with(pooled)
            graph.graph.erase_node(user)
        graph.graph.erase_node(node)


def share_equal(graph: fx.GraphModule) -> None:
    """Compute equal expressions once. A functional trace has no operator that writes."""
    seen: dict[str, fx.Node] = {}
    for node in list(graph.graph.nodes):
        if node.op != "call_function":
            continue
        key = f"{node.target} {node.args} {node.kwargs}"
        if key in seen:
            node.replace_all_uses_with(seen[key])
            graph.graph.erase_node(node)
        else:
            seen[key] = node


def fold_constants(graph: fx.GraphModule) -> None:
    """Replace each kernel that is computed from weights alone by its values.

    Matrices stay as they are: a transposed matrix product needs no second copy.
    """
    values: dict[fx.Node, Any] = {}
    for node in list(graph.graph.nodes):
        if node.op == "get_attr":
            values[node] = operator.attrgetter(str(node.target))(graph)
            continue
        if node.op != "call_function" or not node.all_input_nodes:
            continue
        if not all(given in values for given in node.all_input_nodes):
            continue
        args = fx.node.map_arg(node.args, values.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, values.__getitem__)
        value = node.target(*args, **kwargs)
        if not isinstance(value, Tensor) or value.ndim == 2:
            continue
        values[node] = value
    for index, (node, value) in enumerate(values.items()):
        if node.op == "get_attr" or all(user in values for user in node.users):
            continue
        name = f"folded_{index}"
        graph.register_buffer(name, value.contiguous())
        with graph.graph.inserting_before(node):
            constant = graph.graph.get_attr(name)
        node.replace_all_uses_with(constant)
