"""Gradients of layers as plain forward operators, which ONNX can hold.

Each rule has the signature of the aten operator that it replaces. They compute the gradient
with respect to the input only: the weights of a surrogate are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions

from camfilter.errors import SurrogateError

__all__ = ["decompositions"]

aten = torch.ops.aten


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Rules for tracing: core aten, with the gradients of this module in place of some."""
    rules: dict[Any, Callable[..., Any]] = dict(core_aten_decompositions())
    # Resize is what nearest upsampling becomes; its core form is a chain of index operators.
    for name in [rule for rule in rules if "upsample_nearest2d" in str(rule)]:
        del rules[name]
    rules[aten.convolution_backward.default] = convolution_backward
    rules[aten.avg_pool2d_backward.default] = avg_pool2d_backward
    rules[aten.max_pool2d_with_indices_backward.default] = max_pool2d_backward
    rules[aten.elu_backward.default] = elu_backward
    rules[aten.silu.default] = silu
    rules[aten.silu_backward.default] = silu_backward
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

    With a stride it is a transposed convolution.

    Raises:
        SurrogateError: the convolution is itself transposed.
    """
    if not output_mask[0]:
        return None, None, None
    if transposed:
        raise SurrogateError("A surrogate with transposed convolutions cannot be exported.")
    reach = [dilation[i] * (weight.shape[2 + i] - 1) for i in (0, 1)]
    flipped_padding = [reach[i] - padding[i] for i in (0, 1)]
    if list(stride) == [1, 1] and min(flipped_padding) >= 0:
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

    Tiles know that place by its value, which is faster than by its index; should two values of a
    tile be equal to the last bit, both take the gradient.
    """
    batch, channels, height, width = picture.shape
    flat = (batch, channels, -1)
    if tiles(kernel, stride, padding) and height % kernel[0] == 0 and width % kernel[1] == 0:
        greatest = aten.max_pool2d_with_indices.default(picture, kernel, stride)[0]
        chosen = aten.upsample_nearest2d.default(greatest, [height, width])
        grown = aten.upsample_nearest2d.default(gradient, [height, width])
        return torch.where(chosen == picture, grown, 0.0)
    empty = torch.zeros(batch, channels, height * width)
    filled = empty.scatter_add(2, indices.reshape(flat), gradient.reshape(flat))
    return filled.reshape(picture.shape)


def elu_backward(
    gradient: Tensor,
    alpha: float,
    scale: float,
    input_scale: float,
    is_result: bool,
    given: Tensor,
) -> Tensor:
    """Gradient of ELU from its result, which the forward pass has already computed."""
    result = given if is_result else aten.elu.default(given, alpha, scale, input_scale)
    if (alpha, scale, input_scale) == (1, 1, 1):
        return gradient * (result.clamp_max(0.0) + 1.0)
    below = (result + alpha * scale) * input_scale
    return gradient * torch.where(result > 0, torch.full_like(result, scale), below)


def silu(picture: Tensor) -> Tensor:
    """SiLU as its product, so that its gradient can share the sigmoid."""
    return picture * torch.sigmoid(picture)


def silu_backward(gradient: Tensor, picture: Tensor) -> Tensor:
    """Gradient of SiLU from the sigmoid and the result of the forward pass."""
    sigmoid = torch.sigmoid(picture)
    result = picture * sigmoid
    return gradient * (sigmoid - result * (sigmoid - 1.0))
