"""The arms: one ingredient each, in the training of a surrogate or in how its gradient is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

__all__ = ["AS_IT_IS", "CONTROL", "TRAINED", "TRICKS", "Arm", "Learning", "Trick"]

Learning = Literal["votes", "margin", "features", "alignment", "adversarial", "distilled"]
Trick = Literal[
    "as it is", "softened backward", "linear backward", "skip gradients", "margin in the stages",
    "features in the stages",
]  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One way to fine-tune; everything that is not said is as in the control.

    Attributes:
        name: in tables.
        words: what it does, with its figures.
        augment: fields of `AugmentRecipe` that differ from the network's own recipe.
        shrink_px: least side to which half of the pictures are shrunk and enlarged again; 0 is off.
        jpeg: least and greatest quality of JPEG at twice the size, on half of the pictures.
        side_light: greatest difference of light between two sides of the face, [0, 1] units.
        label_smoothing: share of the target that is spread over all expressions.
        learning: the loss.
        strength: of that loss; its meaning is the loss's own.
        averaged: keep the moving average of the weights instead of the last ones.
        activation: takes the place of every activation; empty keeps them.
        lfw_share: of each batch, from LFW's training identities.
        other_seed: whether order, augmentation and dropout are drawn by another seed.
        taught_by: whose softened answers take the place of the labels, if anybody's.
    """

    name: str
    words: str
    augment: Mapping[str, float] = field(default_factory=dict)
    shrink_px: int = 0
    jpeg: tuple[int, int] | None = None
    side_light: float = 0.0
    label_smoothing: float = 0.0
    learning: Learning = "votes"
    strength: float = 0.0
    averaged: bool = False
    activation: Literal["", "relu"] = ""
    lfw_share: float = 0.0
    other_seed: bool = False
    taught_by: Literal["", "others", "itself"] = ""

    def order(self) -> dict[str, Any]:
        """All that decides the weights but the teachers, as plain values."""
        values = asdict(self)
        del values["words"], values["taught_by"]
        return values | {"augment": dict(self.augment), "jpeg": list(self.jpeg or ())}


CONTROL: Final = "control"
AS_IT_IS: Final[Trick] = "as it is"

TRAINED: Final = (
    Arm(CONTROL, "fine-tuned as the network was trained"),
    Arm("control, other seed", "the same with other chance: what chance alone does",
        other_seed=True),
    Arm("misalignment", "turned up to 30 degrees, zoomed by 35 %, shifted by 16 %",
        augment={"rotate_deg": 30.0, "log_scale": 0.3, "shift": 0.16}),
    Arm("resize", "half of the pictures shrunk to 16 px or more and enlarged again", shrink_px=16),
    Arm("codec", "half of the pictures through JPEG of quality 15 to 60 at 96 px", jpeg=(15, 60)),
    Arm("light", "contrast up to twice, brightness up to 0.3, light from one side",
        augment={"log_contrast": 0.7, "brightness": 0.3}, side_light=0.4),
    Arm("label smoothing", "a fifth of each label spread over all", label_smoothing=0.2),
    Arm("distillation", "labels are the mean answer of two other families, temperature 2",
        learning="distilled", strength=2.0, taught_by="others"),
    Arm("self-distillation", "labels are the network's own published answer, temperature 2",
        learning="distilled", strength=2.0, taught_by="itself"),
    Arm("feature loss", "features of two views of a face agree", learning="features",
        strength=2.0),
    Arm("logit margin", "hinge of 4 logits between the label and the next", learning="margin",
        strength=4.0),
    Arm("gradient alignment", "gradients of noisy faces point to the clean ones (DRA)",
        learning="alignment", strength=2.0),
    Arm("gradient alignment, weak", "the same with a tenth of the weight",
        learning="alignment", strength=0.2),
    Arm("weight averaging", "moving average of the weights, 0.97 a step", averaged=True),
    Arm("ReLU", "ReLU for every activation", activation="relu"),
    Arm("adversarial, 1 level", "trained on FGSM of 1 level", learning="adversarial", strength=1.0),
    Arm("adversarial, 3 levels", "trained on FGSM of 3 levels", learning="adversarial",
        strength=3.0),
    Arm("FER+ and LFW", "a quarter of each batch from LFW's training identities", lfw_share=0.25),
)  # fmt: skip
"""Arms that fine-tune, the control first."""

TRICKS: Final[Mapping[Trick, str]] = {
    AS_IT_IS: "the network and its gradient as published",
    "softened backward": "activations pass gradients on as softplus does",
    "linear backward": "the later half of the activations pass gradients on unchanged (LinBP)",
    "skip gradients": "gradients through residual bodies are halved (SGM)",
    "margin in the stages": "stages press the margin of logits, not the cross-entropy",
    "features in the stages": "stages press middle features by their weight for the label (FIA)",
}
"""Ways to take a gradient that need no training, the plain one first."""
