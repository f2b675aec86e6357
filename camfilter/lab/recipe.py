"""The recipe of a surrogate: every hyper-parameter of its training, read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from camfilter.errors import SettingError

__all__ = ["AugmentRecipe", "LossRecipe", "OptimiserRecipe", "Recipe"]

FROZEN = ConfigDict(frozen=True, extra="forbid")


class OptimiserRecipe(BaseModel):
    """SGD with Nesterov momentum under a one-cycle schedule.

    Attributes:
        lr: greatest learning rate.
        weight_decay: of matrices and kernels; biases and norms have none.
        warmup: share of the batches before the greatest rate.
        start_divisor: of the greatest rate, at the first batch.
        end_divisor: of the first rate, at the last batch.
    """

    model_config = FROZEN

    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup: float = Field(gt=0, lt=1)
    start_divisor: float = Field(ge=1)
    end_divisor: float = Field(ge=1)


class LossRecipe(BaseModel):
    """Cross-entropy with the vote distribution.

    Attributes:
        label_smoothing: share of the target that is spread over all expressions.
        mixup: a of the Beta(a, a) mixing weight; 0 is off.
    """

    model_config = FROZEN

    label_smoothing: float = Field(ge=0, lt=1)
    mixup: float = Field(ge=0)


class AugmentRecipe(BaseModel):
    """Ranges of the random changes to a training picture.

    Attributes:
        rotate_deg: greatest rotation either way.
        log_scale: greatest natural logarithm of the zoom either way.
        shift: greatest shift either way, of the width.
        flip: probability of mirroring.
        log_contrast: greatest natural logarithm of the contrast either way.
        brightness: greatest offset either way, [0, 1] units.
        erase: probability that a rectangle is painted over.
        erase_min_px: smallest side of that rectangle.
        erase_max_px: greatest side of that rectangle.
    """

    model_config = FROZEN

    rotate_deg: float = Field(ge=0, le=180)
    log_scale: float = Field(ge=0)
    shift: float = Field(ge=0, lt=1)
    flip: float = Field(ge=0, le=1)
    log_contrast: float = Field(ge=0)
    brightness: float = Field(ge=0)
    erase: float = Field(ge=0, le=1)
    erase_min_px: int = Field(ge=1)
    erase_max_px: int = Field(ge=1)


class Recipe(BaseModel):
    """All that decides the weights, besides the data and the network.

    Attributes:
        seed: of the first weights, the order, the augmentation and the dropout.
        epochs: passes over the training pictures.
        batch: pictures per step of the optimiser.
        dropout: probability of every dropout layer.
        ema_decay: of the moving average of the weights, per batch.
        bfloat16: whether activations are bfloat16 while training.
        optimiser: see OptimiserRecipe.
        loss: see LossRecipe.
        augment: see AugmentRecipe.
    """

    model_config = FROZEN

    seed: int = Field(ge=0)
    epochs: int = Field(ge=1)
    batch: int = Field(ge=2)
    dropout: float = Field(ge=0, lt=1)
    ema_decay: float = Field(ge=0, lt=1)
    bfloat16: bool
    optimiser: OptimiserRecipe
    loss: LossRecipe
    augment: AugmentRecipe

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a recipe from a TOML file.

        Raises:
            SettingError: it is missing, is no TOML, or has a value that cannot be used.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text()))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"The recipe {path} cannot be read: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SettingError(f"The recipe {path} is wrong at {where}: {first['msg']}.") from error
