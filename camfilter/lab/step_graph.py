"""One FGSM stage of a surrogate as a forward graph, and its reading alone.

ONNX Runtime cannot differentiate. So the gradient is traced here into plain forward operators,
and the stage around it too: bounds, mask, momentum and step are inputs.
"""

from __future__ import annotations

import contextlib
import io
import warnings

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from torch.func import vjp

import onnx
from camfilter.errors import SurrogateError
from camfilter.expressions import EXPRESSIONS
from camfilter.lab.clipping import merge_clipped_lines
from camfilter.lab.networks import size_of
from camfilter.lab.sharing import share_flipped_kernels
from camfilter.lab.tracing import fused, traced
from camfilter.surrogate.manifest import GraphKind

__all__ = ["READ_INPUTS", "READ_OUTPUTS", "STEP_INPUTS", "STEP_OUTPUTS", "Step", "graph_bytes"]

STEP_INPUTS = ("picture", "label", "step", "mask", "lower", "upper", "momentum", "decay")
STEP_OUTPUTS = ("stepped", "gradient", "momentum_next", "logits")
READ_INPUTS = ("picture",)
READ_OUTPUTS = ("logits",)


class Step(nn.Module):
    """One stage: the gradient of the loss, momentum, and a signed step inside bounds.

    Args:
        network: maps (B, 1, S, S) to (B, 8) logits.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        picture: Tensor,
        label: Tensor,
        step: Tensor,
        mask: Tensor,
        lower: Tensor,
        upper: Tensor,
        momentum: Tensor,
        decay: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Take one step.

        Args:
            picture: (B, 1, S, S) in [0, 1].
            label: (B, 8) distribution whose cross-entropy is the loss.
            step: (B, 1, 1, 1) in [0, 1] units; positive ascends the loss, negative descends.
            mask: (B, 1, S, S) in [0, 1], scales the step of each pixel.
            lower: (B, 1, S, S) least value of each pixel.
            upper: (B, 1, S, S) greatest value of each pixel.
            momentum: (B, 1, S, S) of the stage before; zeros at first.
            decay: () of the momentum; 0 is plain FGSM.

        Returns:
            stepped, gradient and momentum_next, (B, 1, S, S) each, and (B, 8) logits.
        """
        logits, gradient_of, *_ = vjp(self.network, picture)
        # The cross-entropy's gradient; written out, it takes fewer operators than a trace of it.
        weight = label.sum(dim=1, keepdim=True)
        (gradient,) = gradient_of(weight * F.softmax(logits, dim=1) - label)
        size = gradient.abs().sum(dim=(1, 2, 3), keepdim=True).clamp_min(1e-12)
        momentum_next = decay * momentum + gradient / size
        moved = picture + step * mask * momentum_next.sign()
        stepped = torch.minimum(torch.maximum(moved, lower), upper)
        return stepped, gradient, momentum_next, logits


def example_inputs(kind: GraphKind, batch: int, size_px: int) -> tuple[Tensor, ...]:
    """Inputs of the right shapes; their values do not matter to a trace."""
    shape = (batch, 1, size_px, size_px)
    picture = torch.full(shape, 0.5)
    if kind is GraphKind.READ:
        return (picture,)
    label = torch.full((batch, len(EXPRESSIONS)), 1 / len(EXPRESSIONS))
    step, decay = torch.full((batch, 1, 1, 1), 0.01), torch.tensor(0.0)
    zeros, ones = torch.zeros(shape), torch.ones(shape)
    return picture, label, step, ones, zeros, ones.clone(), zeros.clone(), decay


def graph_bytes(network: nn.Module, kind: GraphKind, batch: int) -> bytes:
    """An ONNX file of one graph of a surrogate.

    The same weights give the same bytes: names of files and of this machine are left out.

    Args:
        network: the surrogate; is not changed.
        kind: step or read.
        batch: number of faces, fixed.

    Raises:
        SurrogateError: the network holds an operator that cannot be exported.
    """
    inputs = example_inputs(kind, batch, size_of(network))
    plain: nn.Module = fused(network)
    step = kind is GraphKind.STEP
    try:
        graph = traced(Step(plain) if step else plain, inputs)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning, UserWarning))
            program = torch.onnx.export(
                graph,
                inputs,
                input_names=STEP_INPUTS if step else READ_INPUTS,
                output_names=STEP_OUTPUTS if step else READ_OUTPUTS,
                dynamo=True,
                verbose=False,
            )
    except (RuntimeError, NotImplementedError, torch.onnx.OnnxExporterError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SurrogateError(f"The surrogate cannot be exported: {reason}") from error
    if program is None:
        raise SurrogateError("The surrogate cannot be exported: the exporter made nothing.")
    return bytes(stripped(program.model_proto).SerializeToString(deterministic=True))


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model without descriptions, source positions and unused operator sets."""
    share_flipped_kernels(model)
    merge_clipped_lines(model)
    model.producer_name, model.producer_version = "camfilter", ""
    strip(model)
    strip(model.graph)
    for part in (
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.initializer,
    ):
        strip(part)
    del model.graph.value_info[:]
    used = {node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    return model


def strip(
    part: onnx.ModelProto
    | onnx.GraphProto
    | onnx.NodeProto
    | onnx.ValueInfoProto
    | onnx.TensorProto,
) -> None:
    """Forget the description and the metadata of one part of a model."""
    part.doc_string = ""
    del part.metadata_props[:]
