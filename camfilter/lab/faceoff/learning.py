"""Training of an embedding network from aligned crops of people."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from camfilter.errors import SettingError
from camfilter.lab.augment import Augment
from camfilter.lab.faceoff.metric_losses import CentreLoss, MarginLoss, TripletLoss
from camfilter.lab.faceoff.networks import dimensions_of
from camfilter.lab.recipe import AugmentRecipe

__all__ = ["Attacker", "EmbeddingRecipe", "learn"]

Attacker = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Changes some crops (B, 1, S, S) of people (B,) before they are learned from."""


class EmbeddingRecipe(BaseModel):
    """Every hyper-parameter of the training of an embedding network.

    Attributes:
        seed: of all chance.
        steps: batches.
        people: in a batch.
        pictures: of each of them.
        dropout: probability of every dropout layer.
        ema_decay: of the moving average of the weights, per batch.
        lr: greatest learning rate of AdamW, reached after `warmup` of the steps.
        weight_decay: of all weights.
        warmup: share of the steps before the greatest rate.
        loss: triplet, centre or margin.
        margin: of the triplet and the margin loss.
        scale: of embeddings or cosines before the softmax.
        centre_weight: lambda of the centre loss.
        augment: see AugmentRecipe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0)
    steps: int = Field(ge=1)
    people: int = Field(ge=2)
    pictures: int = Field(ge=2)
    dropout: float = Field(ge=0, lt=1)
    ema_decay: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup: float = Field(gt=0, lt=1)
    loss: Literal["triplet", "centre", "margin"]
    margin: float = Field(default=0, ge=0)
    scale: float = Field(default=1, gt=0)
    centre_weight: float = Field(default=0, ge=0)
    augment: AugmentRecipe

    @classmethod
    def load(cls, path: Path) -> EmbeddingRecipe:
        """Read a recipe from a TOML file.

        Raises:
            SettingError: it is missing, is no TOML, or has a value that cannot be used.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"The recipe {path} cannot be read: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SettingError(f"The recipe {path} is wrong at {where}: {first['msg']}.") from error

    def criterion(self, people: int, dimensions: int) -> nn.Module:
        """The loss, with a vector for each of the people where it needs one."""
        if self.loss == "triplet":
            return TripletLoss(self.margin)
        if self.loss == "centre":
            return CentreLoss(people, dimensions, self.centre_weight, self.scale)
        return MarginLoss(people, dimensions, self.margin, self.scale)


def learn(
    network: nn.Module,
    crops: NDArray[np.uint8],
    people: NDArray[np.int64],
    recipe: EmbeddingRecipe,
    *,
    attacker: Attacker | None = None,
    on_step: Callable[[int, float], None] = lambda _step, _loss: None,
) -> nn.Module:
    """Train a network.

    Args:
        network: with its first weights; is changed.
        crops: (N, S, S) uint8 luma, framed as `cut_crop` frames them.
        people: (N,) of the pictures.
        recipe: how.
        attacker: changes half of each batch, as adversarial training does; None for none.
        on_step: told the step, from 1, and its loss.

    Returns:
        The moving average of the weights, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    random = np.random.default_rng(recipe.seed)
    names, numbers = np.unique(people, return_inverse=True)
    of_person = [np.flatnonzero(numbers == person) for person in range(len(names))]
    # Who has many pictures comes more often, though not as often as pictures would have it.
    shares = np.sqrt([len(mine) for mine in of_person])
    shares /= shares.sum()
    criterion = recipe.criterion(len(names), dimensions_of(network))
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = recipe.dropout
    moving = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=moving, use_buffers=True)
    weights = [*network.parameters(), *criterion.parameters()]
    optimiser = torch.optim.AdamW(weights, recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.lr, recipe.steps, pct_start=recipe.warmup
    )
    augment = Augment(recipe.augment)
    for step in range(1, recipe.steps + 1):
        chosen = random.choice(len(names), min(recipe.people, len(names)), replace=False, p=shares)
        rows = np.concatenate([
            random.choice(of_person[person], recipe.pictures,
                          replace=len(of_person[person]) < recipe.pictures)
            for person in chosen
        ])  # fmt: skip
        picture = augment(torch.from_numpy(crops[rows])[:, None].float() / 255)
        person = torch.from_numpy(numbers[rows])
        if attacker is not None:
            picture[::2] = attacker(network, picture, person)[::2]
        loss = criterion(network(picture.contiguous(memory_format=torch.channels_last)), person)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        on_step(step, loss.item())
    averaged: nn.Module = average.module
    return averaged.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload,no-any-return]
