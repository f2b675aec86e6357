"""Gradients of layers as plain forward operators, which ONNX can hold.

Each rule has the signature of the aten operator that it replaces. They compute the gradient
with respect to the input only: the weights of a surrogate are constants.

On a CPU ONNX Runtime computes convolutions in a layout of its own. Of the other operators it keeps
sums, products, HardSigmoid, Sigmoid, Relu, pooling and nearest resizing in it; all others cost a
change of layout before and after. So masks and derivatives are written here as lines clipped to
[0, 1], which `camfilter.lab.clipping` merges into HardSigmoid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions

from camfilter.errors import SurrogateError

__all__ = ["SiLU", "decompositions"]

aten = torch.ops.aten

STEEP: Final = 1e30
"""Slope of a clipped line that makes it a step: 0 on one side, 1 on the other."""


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Rules for tracing: core aten, with the gradients of this module in place of some."""
    rules: dict[Any, Callable[..., Any]] = dict(core_aten_decompositions())
    # Resize is what nearest upsampling becomes; its core form is a chain of index operators.
    for name in [rule for rule in rules if "upsample_nearest2d" in str(rule)]:
        del rules[name]
    rules[aten.convolution_backward.default] = convolution_backward
    rules[aten.avg_pool2d_backward.default] = avg_pool2d_backward
    rules[aten.max_pool2d_with_indices_backward.default] = max_pool2d_backward
    rules[aten.threshold_backward.default] = threshold_backward
    rules[aten.elu.default] = elu
    rules[aten.elu_backward.default] = elu_backward
    rules[aten.hardswish.default] = hardswish
    rules[aten.hardswish_backward.default] = hardswish_backward
    return rules


def convolution_backward(
    gradient: Tensor,
    picture: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,  # noqa: ARG001
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],  # noqa: ARG001
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor | None, None, None]:
    """Gradient of a convolution: a convolution with flipped weights.

    With a stride it is a transposed convolution, except where each channel has a kernel of its
    own: ONNX Runtime transposes those slowly, and is faster with zeros between the values. It is
    also one where the picture has a single channel, which a convolution would compute 16 times.

    Raises:
        SurrogateError: the convolution is itself transposed.
    """
    if not output_mask[0]:
        return None, None, None
    if transposed:
        raise SurrogateError("A surrogate with transposed convolutions cannot be exported.")
    reach = [dilation[i] * (weight.shape[2 + i] - 1) for i in (0, 1)]
    flipped_padding = [reach[i] - padding[i] for i in (0, 1)]
    if groups == weight.shape[0] and max(stride) > 1:
        spaced = [gradient.shape[2 + i] * stride[i] + reach[i] - 2 * padding[i] for i in (0, 1)]
        if spaced == list(picture.shape[2:]):
            gradient, stride = with_gaps(gradient, stride), [1, 1]
    if list(stride) == [1, 1] and min(flipped_padding) >= 0 and picture.shape[1] > 1:
        flipped = swapped(weight, groups).flip(2, 3)
        result = aten.convolution.default(
            gradient, flipped, None, [1, 1], flipped_padding, dilation, False, [0, 0], groups
        )
    else:
        missing = [
            picture.shape[2 + i]
            - ((gradient.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + reach[i] + 1)
            for i in (0, 1)
        ]
        result = aten.convolution.default(
            gradient, weight, None, stride, padding, dilation, True, missing, groups
        )
    return result, None, None


def with_gaps(picture: Tensor, stride: Sequence[int]) -> Tensor:
    """Each value followed by `stride - 1` zeros in both directions."""
    height, width = (picture.shape[2 + i] * stride[i] for i in (0, 1))
    grid = np.zeros((1, 1, height, width), np.float32)
    grid[:, :, :: stride[0], :: stride[1]] = 1
    grown: Tensor = aten.upsample_nearest2d.default(picture, [height, width])
    return grown * torch.from_numpy(grid)


def swapped(weight: Tensor, groups: int) -> Tensor:
    """Kernels (O, I / G, h, w) with inputs and outputs swapped in each group: (I, O / G, h, w)."""
    outputs, inputs, height, width = weight.shape
    split = weight.reshape(groups, outputs // groups, inputs, height, width)
    return split.transpose(1, 2).reshape(groups * inputs, outputs // groups, height, width)


def spread(pooled: Tensor, kernel: Sequence[int], like: Tensor) -> Tensor:
    """Each cell of a pooled picture repeated over its window; zeros where no window reaches."""
    height, width = (pooled.shape[2 + i] * kernel[i] for i in (0, 1))
    grown: Tensor = aten.upsample_nearest2d.default(pooled, [height, width])
    right, bottom = like.shape[3] - width, like.shape[2] - height
    if right or bottom:
        grown = aten.constant_pad_nd.default(grown, [0, right, 0, bottom])
    return grown


def tiles(kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> bool:
    """Whether pooling windows neither overlap nor reach over the edge."""
    return list(stride or kernel) == list(kernel) and not any(padding)


def avg_pool2d_backward(
    gradient: Tensor,
    picture: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,  # noqa: ARG001
    divisor: int | None,
) -> Tensor:
    """Gradient of average pooling over tiles: each value repeated over its tile.

    Raises:
        SurrogateError: windows overlap, are padded, or end outside the picture.
    """
    if not tiles(kernel, stride, padding) or ceil_mode:
        raise SurrogateError("Average pooling can be exported only where its windows tile.")
    area = divisor or kernel[0] * kernel[1]
    return spread(gradient * (1 / area), kernel, picture)


def max_pool2d_backward(
    gradient: Tensor,
    picture: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],  # noqa: ARG001
    ceil_mode: bool,  # noqa: ARG001
    indices: Tensor,
) -> Tensor:
    """Gradient of maximum pooling: each value goes to the place of its maximum.

    Tiles know that place by its value, which is faster than by its index: what a value is below
    the maximum, which is nothing there, by a step. Should two values of a tile be equal to the
    last bit, both take the gradient.
    """
    batch, channels, height, width = picture.shape
    flat = (batch, channels, -1)
    if tiles(kernel, stride, padding) and height % kernel[0] == 0 and width % kernel[1] == 0:
        greatest = aten.max_pool2d_with_indices.default(picture, kernel, stride)[0]
        below = aten.upsample_nearest2d.default(
            greatest * for_each_channel(-1.0, picture), [height, width]
        )
        grown: Tensor = aten.upsample_nearest2d.default(gradient, [height, width])
        return grown * clipped_line(picture + below, STEEP, 1.0)
    empty = torch.zeros(batch, channels, height * width)
    filled = empty.scatter_add(2, indices.reshape(flat), gradient.reshape(flat))
    return filled.reshape(picture.shape)


def clipped_line(picture: Tensor, slope: float, offset: float) -> Tensor:
    """`slope * picture + offset`, clipped to [0, 1]."""
    return (picture * slope + offset).clamp(0.0, 1.0)


def for_each_channel(value: float, picture: Tensor) -> Tensor:
    """One number, repeated for each channel: by a bare number ONNX Runtime changes the layout."""
    return torch.full((1, picture.shape[1], 1, 1), value)


def threshold_backward(gradient: Tensor, picture: Tensor, threshold: float) -> Tensor:
    """Gradient of ReLU, and of its kin with another threshold."""
    return gradient * clipped_line(picture, STEEP, -STEEP * threshold)


def exponential_below(picture: Tensor, scale: float) -> Tensor:
    """exp(scale * x) where x is negative, 1 elsewhere."""
    below = picture.clamp_max(0.0)
    return torch.exp(below if scale == 1 else below * scale)


def elu(
    picture: Tensor, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Tensor:
    """ELU from the exponential that its gradient is made of; also faster than ONNX Runtime's."""
    below = exponential_below(picture, input_scale) - 1.0
    if (alpha, scale, input_scale) == (1, 1, 1):
        return torch.maximum(picture, below)
    return picture.clamp_min(0.0) * scale + below * (alpha * scale)


def elu_backward(
    gradient: Tensor,
    alpha: float,
    scale: float,
    input_scale: float,
    is_result: bool,
    given: Tensor,
) -> Tensor:
    """Gradient of ELU from the exponential of the forward pass, or from its result."""
    if is_result:
        below = given.clamp_max(0.0) / (alpha * scale) + 1.0
    else:
        below = exponential_below(given, input_scale)
    if (alpha, scale, input_scale) == (1, 1, 1):
        return gradient * below
    slope = torch.full_like(given, scale)
    return gradient * torch.where(given > 0, slope, below * (alpha * scale * input_scale))


def hardswish(picture: Tensor) -> Tensor:
    """Hard swish: x * clip(x / 6 + 1/2)."""
    return picture * clipped_line(picture, 1 / 6, 0.5)


def hardswish_backward(gradient: Tensor, picture: Tensor) -> Tensor:
    """Gradient of hard swish: x / 3 + 1/2 between -3 and 3, 0 below and 1 above.

    That is twice the clipped line of the forward pass, less a half from each of the two bounds.
    """
    line = clipped_line(picture, 1 / 6, 0.5)
    bounds = clipped_line(picture, STEEP, 3 * STEEP) + clipped_line(picture, STEEP, -3 * STEEP)
    slope = line * for_each_channel(2.0, picture) + bounds * for_each_channel(-0.5, picture)
    return gradient * slope


class SiLUFunction(torch.autograd.Function):
    """SiLU whose gradient shares the sigmoid and the result of the forward pass.

    A rule cannot say this: torch takes SiLU's own gradient apart before rules are asked.
    """

    @staticmethod
    def forward(picture: Tensor) -> Tensor:
        """The product x * sigmoid(x)."""
        return picture * torch.sigmoid(picture)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:  # noqa: ARG004
        """Keep the input; equal expressions are shared after tracing."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """With the sigmoid s: s + x s (1 - s); its 1 - s is a clipped line too."""
        picture: Tensor = ctx.saved_tensors[0]
        sigmoid = torch.sigmoid(picture)
        return gradient * (sigmoid + picture * sigmoid * clipped_line(sigmoid, -1.0, 1.0))


class SiLU(nn.Module):
    """SiLU that is traced as SiLUFunction."""

    def forward(self, picture: Tensor) -> Tensor:
        """The product x * sigmoid(x) of any shape."""
        result: Tensor = SiLUFunction.apply(picture)  # type: ignore[no-untyped-call]
        return result
