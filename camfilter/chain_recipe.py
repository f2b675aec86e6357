"""What a chain over time is made of, so that each ingredient can be measured by leaving it out."""

from __future__ import annotations

from dataclasses import dataclass, field

from camfilter.texture import RADIUS
from camfilter.views import ViewRange

__all__ = ["Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a chain over time is made of. `scripts/measure_ingredients.py` tries others.

    Attributes:
        reach: how far the views of the stages stray.
        decoys: approach a decoy in mode untargeted; False only leaves the truth.
        judged: a decoy that leaves a third of the surrogates unmoved gives way, in the end to none;
            False keeps the one that was drawn as long as nobody reads it.
        drawn_by_face: each face draws its decoy by its picture; False gives the first face of
            every call the same one.
        masked: take less where the eye would see it.
        full_steps: every cell moves by a full step, as in FGSM; False moves those less whose
            gradient is small, so that less can be seen and less flickers.
        press: a texture is flattened by resampling; so much more brings pixels to the budget.
        radius: root mean square of a texture in budgets, see `camfilter.texture`.
        kept: how much of the momentum stays from stage to stage, beside what the settings say:
            each stage sees another surrogate, so what is old misleads.
        rests: a settled face takes a stage in every third frame; False never lets it rest.
        alert: all surrogates read a face again as soon as it changes, and another expression is
            worked on in haste; False has one read it now and then.
        at_once: a face that changed is read, and what is new hidden, before its frame is out; False
            does both afterwards, to show from the next frame on.
        on_skin: the texture goes with the skin when it moves inside the crop, as in a head that
            turns; False leaves it in its cells.
    """

    reach: ViewRange = field(default_factory=ViewRange)
    decoys: bool = True
    judged: bool = True
    drawn_by_face: bool = True
    masked: bool = True
    full_steps: bool = False
    press: float = 1.7
    radius: float = RADIUS
    kept: float = 0.8
    rests: bool = True
    alert: bool = True
    at_once: bool = True
    on_skin: bool = True
