"""A matrix product by torch, whose library often is the fastest at it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

__all__ = ["torch_product"]


def torch_product(flop: int, threads: int) -> Callable[[], object]:
    """A call that multiplies two square float32 matrices with so many operations.

    Args:
        flop: multiplications and additions.
        threads: that torch computes with from here on.
    """
    torch.set_num_threads(threads)
    side = round((flop / 2) ** (1 / 3))
    rng = np.random.default_rng(0)
    left, right = (torch.from_numpy(rng.random((side, side), np.float32)) for _ in range(2))
    return lambda: torch.mm(left, right)
