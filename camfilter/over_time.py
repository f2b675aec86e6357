"""The chain over time: its stages are spread over the frames, and the change stays with the face.

Each face keeps a texture on the grid of its own crop. A similarity transform from the face's
landmarks carries it from frame to frame, and inside the crop it goes with the skin; every frame
gives it a stage more, each on another surrogate and another view. So the face wears a steady
texture that a video codec sends once, the length of the chain is paid little by little, and many
views make it hold for recognisers that nobody knows.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Final
from zlib import crc32

import numpy as np

from camfilter.chain import Perturbation
from camfilter.chain_recipe import Recipe
from camfilter.clean_reading import CHANGED, CleanReading
from camfilter.decoy import Decoys, goal, is_turned
from camfilter.faces.base import Face
from camfilter.frames import Pixels
from camfilter.geometry import Crop, FollowedMask, centred, cut_crop
from camfilter.haste import Haste
from camfilter.settings import LEVELS, ChainSettings
from camfilter.skin_flow import SkinFlow, carried
from camfilter.surrogate.base import Stage, Surrogate
from camfilter.surrogate.ensemble import members_of
from camfilter.texture import stepped
from camfilter.turns import Turns
from camfilter.views import draw_view
from camfilter.visibility import masking
from camfilter.worn import NOTHING, Worn

__all__ = ["ChainOverTime"]

GRID_PX: Final = 48
"""Width and height of the texture; a codec keeps cells of this size, finer ones it drops."""

_CROP_PX: Final = 64
_READ_EVERY_FRAMES: Final = 6
_SAME_SCENE: Final = 0.2
_FIRST_STAGES: Final = 24
_FIRST_CHAINS: Final = 2.4
_YOUNG_CHAINS: Final = 5
"""So many chain lengths a texture is young: it makes full steps, and one stage a frame more."""
_HASTE_CHAINS: Final = 2.4
_REREAD_FRAMES: Final = 2
_SELDOM_REREAD_FRAMES: Final = 8
_LEAST_HASTY_STAGES: Final = 0.25
"""Stages a frame; a machine that has time for fewer does nothing in haste."""
_LOST_FRAMES: Final = 300
_FADE_AFTER_FRAMES: Final = 5
_FADED: Final = 0.4
_SETTLED_STEP: Final = 2 / 3
_HASTY_STEP: Final = 1.5
_LEAST_STEP: Final = 0.1
_LEAST_LEVELS: Final = 1.0
_SETTLED_NEED: Final = 0.1
_SETTLED_STAGES: Final = 90
_MOVED_FRAMES: Final = 6
"""So long after its skin moved inside the crop a face does not count as still."""
_RESTS_FRAMES: Final = 3
"""A settled face takes a stage in every third frame: more change nothing that is measured."""


class ChainOverTime:
    """Keeps a texture for each followed face, and works on it a little every frame.

    Args:
        surrogate: the recogniser to attack; the members of an ensemble take turns.
        settings: mode, budget and stages.
        seed: of the views and of the decoys.
        recipe: what it is made of.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        settings: ChainSettings,
        *,
        seed: int = 0,
        recipe: Recipe | None = None,
    ) -> None:
        self.surrogate = surrogate
        self.settings = settings
        self._members = members_of(surrogate)
        self._random = np.random.default_rng(seed)
        self._recipe = recipe or Recipe()
        self._worn: dict[int, Worn] = {}
        self._lost: Worn | None = None
        self._frame = -1
        self._reader = 0
        self._face_turn = 0
        self._owed = 0.0
        self._waiting: tuple[list[Worn], list[Crop]] | None = None
        self._just_read = False

    def follow(self, settings: ChainSettings) -> ChainOverTime:
        """Go on under other settings from the next frame, with what the faces wear now."""
        if (settings.mode, settings.targets) != (self.settings.mode, self.settings.targets):
            self._worn, self._lost, self._waiting = {}, None, None
        self.settings = settings
        return self

    def perturb_faces(self, pixels: Pixels, faces: Sequence[Face]) -> Perturbation:
        """Carry every face's texture to this frame; new faces and expressions are worked on.

        The stages of a face that has neither are taken in `catch_up`, for the frames to come.

        Args:
            pixels: (height, width, 3) uint8, BGR, the raw frame.
            faces: of this frame, one or more; `track` says which are the same as before.

        Returns:
            One change of luma for each face, (faces, 48, 48); peaks are several times the budget,
            to which the composition limits each pixel.
        """
        self.catch_up()
        self._frame += 1
        keyed = self._keyed(faces)
        self._part_from_lost({key for key, _ in keyed})
        worn = [self._wear(pixels, face, key) for key, face in keyed]
        masks = [
            state.mask.of(face) * self._share(state, face)
            for face, state in zip(faces, worn, strict=True)
        ]
        self._waiting = None if self._begin(worn, masks) else (worn, masks)
        if self._recipe.at_once:
            self._hide_what_is_new()
        delta = np.stack(
            [self._press() * state.texture * mask for state, mask in zip(worn, masks, strict=True)]
        )
        return Perturbation(delta)

    def catch_up(self) -> None:
        """Take the stages of the newest frame; they show from the next one on."""
        if not self._recipe.at_once:
            self._hide_what_is_new()
        self._take_turns()

    def _take_turns(self) -> None:
        """The stages that each frame is given, for the faces in turn."""
        if self._waiting is None:
            return
        (worn, masks), self._waiting = self._waiting, None
        for _ in range(self._due(read=self._just_read or self._read_oldest(worn))):
            index = self._face_turn % len(worn)
            self._face_turn += 1
            if not self._rests(worn[index]):
                self._stage(worn[index], masks[index])

    def _rests(self, state: Worn) -> bool:
        """Whether a face had a stage a moment ago, and is turned, or has long been worked on.

        A head that turns shows what no stage has seen: it must be turned to rest.
        """
        just_now = 0 < self._frame - state.staged_frame < _RESTS_FRAMES
        if not self._recipe.rests or not just_now or self._is_young(state):
            return False
        worked_on = state.stages - self._begun_at_stage(state) >= _SETTLED_STAGES
        keeps_still = self._frame - state.moved_frame >= _MOVED_FRAMES
        return (worked_on and keeps_still) or state.turns.need <= _SETTLED_NEED

    def _hide_what_is_new(self) -> None:
        """Read a face that changed, and take all stages now while its expression is new."""
        if self._waiting is None:
            return
        worn, masks = self._waiting
        self._just_read = self._read_changed(worn)
        if not self._may_haste:
            return
        self._work_in_haste(worn, masks)
        if any(state.haste.goes_on(state.stages) for state in worn):
            self._take_turns()

    @property
    def _may_haste(self) -> bool:
        return self.settings.stages_per_frame >= _LEAST_HASTY_STAGES

    def _work_in_haste(self, worn: list[Worn], masks: list[Crop]) -> None:
        """Stages beyond the turn, for the one face that needs them most."""
        wanted = [state.haste.stages(state.stages, state.turns.need) for state in worn]
        index = max(range(len(worn)), key=lambda index: (wanted[index], -worn[index].stages))
        state, stages = worn[index], wanted[index]
        # A machine that is short of time takes less than one stage a frame: it saves up slowly.
        pace = min(1.0, self.settings.stages_per_frame)
        state.haste.spend(stages, self._frame, pace)
        for _ in range(max(stages, int(self._is_young(state) and pace == 1))):
            self._stage(state, masks[index])

    def _begun_at_stage(self, state: Worn) -> int:
        """The stage that was the first one on its expression, with its aim."""
        return max(state.aimed_at_stage, state.haste.begun_at_stage)

    def _is_young(self, state: Worn) -> bool:
        """Whether its texture is far from what it shall be."""
        return state.stages < _YOUNG_CHAINS * self.settings.chain_length

    def _due(self, *, read: bool) -> int:
        """How many stages this frame is given; a reading takes the place of one of several."""
        self._owed += self.settings.stages_per_frame
        due = int(self._owed + 1e-9)
        self._owed -= due
        return due - 1 if read and due > 1 else due

    def _keyed(self, faces: Sequence[Face]) -> list[tuple[int, Face]]:
        """Each face with the number of its track; one that nobody follows has one of its own."""
        return [
            (face.track if face.track >= 0 else -1 - index, face)
            for index, face in enumerate(faces)
        ]

    def _wear(self, pixels: Pixels, face: Face, key: int) -> Worn:
        """The state of a face, brought to this frame; a new one at its start or after a cut."""
        crop = cut_crop(pixels, face, _CROP_PX)
        state = self._worn.get(key)
        cut = state is not None and face.missed_frames == 0 and not _alike(state.seen, crop)
        if state is None or cut:
            start = self._lost if state is None else None
            state = self._start(crop, start)
            self._worn[key] = state
        elif self._recipe.on_skin and (places := state.skin.moved(crop)) is not None:
            state.texture = carried(state.texture, places)
            state.momentum = carried(state.momentum, places)
            state.moved_frame = self._frame
        state.seen, state.frame = crop, self._frame
        return state

    def _start(self, crop: Crop, lost: Worn | None) -> Worn:
        """A new texture: that of the face lost last, or none yet."""
        blank = np.zeros((GRID_PX, GRID_PX), np.float32)
        texture = lost.texture.copy() if lost is not None else blank
        reading = CleanReading(self._members, crop)
        # Faces draw by their pictures, too: a decoy that all share would tell who cannot have it.
        own = crc32(np.ascontiguousarray(crop).data) if self._recipe.drawn_by_face else 0
        seeds = [int(self._random.integers(2**32)), own]
        decoys, turns = Decoys(np.random.default_rng(seeds)), Turns(len(self._members))
        haste = Haste(_HASTE_CHAINS * self.settings.chain_length)
        return Worn(
            texture, blank.copy(), reading, crop, SkinFlow(crop, GRID_PX), decoys, turns, haste,
            FollowedMask(GRID_PX), read_frame=self._frame,
        )  # fmt: skip

    def _read_changed(self, worn: list[Worn]) -> bool:
        """Have the face that changed most read again, and work on it if its expression is another.

        No frame pays for two, so all frames cost alike.
        """
        changes = [state.reading.change(state.seen) for state in worn]
        state = worn[changes.index(max(changes))]
        pause = _REREAD_FRAMES if self._may_haste else _SELDOM_REREAD_FRAMES
        just_read = self._frame - state.reread_frame < pause
        if not self._recipe.alert or just_read or max(changes) <= CHANGED:
            return False
        state.reread_frame = self._frame
        otherwise = state.reading.read_again(state.seen)
        if otherwise.any():
            state.haste.begin(state.stages)
            state.turns.doubt(otherwise)
            state.momentum = np.zeros_like(state.momentum)
        state.read_frame = self._frame
        return True

    def _read_oldest(self, worn: list[Worn]) -> bool:
        """Now and then one member reads a clean face again, though it seems to be the same."""
        state = min(worn, key=lambda state: state.read_frame)
        if self._frame - state.read_frame < _READ_EVERY_FRAMES:
            return False
        state.read_frame = self._frame
        index = self._reader = (self._reader + 1) % len(self._members)
        state.reading.read_one(index, state.seen)
        return True

    def _begin(self, worn: list[Worn], masks: list[Crop]) -> bool:
        """Give new faces several stages at once, so that their first frame is protected."""
        new = [index for index, state in enumerate(worn) if not state.begun]
        for index in new:
            count = min(_FIRST_STAGES, round(_FIRST_CHAINS * self.settings.chain_length))
            for _ in range(max(2, count // len(new))):
                self._stage(worn[index], masks[index])
            worn[index].begun = True
        return bool(new)

    def _stage(self, state: Worn, mask: Crop) -> None:
        """One stage: the gradient at a random view, momentum, and a step inside the budget."""
        settings, turn = self.settings, state.turns.take()
        member = self._members[turn]
        view = draw_view(self._random, self._recipe.reach)
        size_px = member.size_px
        worn = self._press() * state.texture * mask
        change = view.see_change(worn, size_px, settings.budget)
        seen = view.light(np.clip(view.see(state.seen, size_px) + change, 0, 1))
        decoys = state.decoys if self._recipe.decoys else None
        label = goal(settings, state.beliefs, turn, decoys, state.stages)
        aim = int(label.argmax()) if label.max() > 0 else NOTHING
        if aim != state.aim:
            state.aim, state.aimed_at_stage = aim, state.stages
            state.momentum = np.zeros_like(state.momentum)
        still = np.zeros((1, size_px, size_px), np.float32)
        none = np.zeros(1, np.float32)
        found = member.take(
            Stage(seen[None], label[None], none, still, still, still, still, decay=0.0)
        )
        logits, truth = found.logits[0], int(state.beliefs[turn].argmax())
        if self._recipe.judged:
            state.decoys.hear(turn, truth_is_read=bool(logits.argmax() == truth))
        state.turns.hear(turn, turned=is_turned(settings.mode, logits, truth, aim))
        gradient = view.carry_back(found.momentum[0], GRID_PX) * (mask > 0)
        weight = float(np.abs(gradient).sum())
        if weight > 0:
            kept = np.float32(self._recipe.kept * settings.momentum)
            state.momentum = kept * state.momentum - gradient / np.float32(weight)
        step = self._step(state)
        state.stages, state.staged_frame = state.stages + 1, self._frame
        state.texture = stepped(
            state.texture,
            state.momentum,
            mask,
            step=step,
            epsilon=settings.epsilon,
            radius=self._recipe.radius,
            full_steps=self._recipe.full_steps,
        )

    def _press(self) -> np.float32:
        """How much a texture is magnified: to a whole level and a half at least."""
        return np.float32(max(self._recipe.press, 1.5 / (self.settings.epsilon * LEVELS)))

    def _share(self, state: Worn, face: Face) -> Crop:
        """Share of the budget for each cell: what hides it, less on a face not seen for long.

        Enough is left to survive rounding, or the guard would refuse the frame.
        """
        late = max(0, face.missed_frames - _FADE_AFTER_FRAMES)
        fade = np.float32(max(_FADED, 1 - late / 10))
        most_levels = float(self._press()) * self.settings.epsilon * LEVELS
        least = np.float32(min(1.0, _LEAST_LEVELS / most_levels))
        hiding = masking(state.seen, GRID_PX) if self._recipe.masked else np.float32(1)
        return np.maximum(hiding * fade, least) * np.ones_like(state.texture)

    def _step(self, state: Worn) -> float:
        """Step of the next stage: large for a new face or expression, small once all are turned."""
        step = self.settings.step_size
        if self._is_young(state):
            return step
        need = min(1.0, 2 * state.turns.need)
        most = _HASTY_STEP if state.haste.goes_on(state.stages) else _SETTLED_STEP
        return step * max(_LEAST_STEP * _SETTLED_STEP, most * need)

    def _part_from_lost(self, present: Set[int]) -> None:
        """Faces that are gone give up their texture; the newest may start the next face."""
        for key in self._worn.keys() - present:
            gone = self._worn.pop(key)
            if self._lost is None or gone.frame >= self._lost.frame:
                self._lost = gone
        if self._lost is not None and self._frame - self._lost.frame > _LOST_FRAMES:
            self._lost = None


def _alike(before: Crop, now: Crop) -> bool:
    """Whether two crops show the same scene: their correlation does not vanish."""
    one, other = centred(before), centred(now)
    size = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return size == 0 or float(np.dot(one, other)) / size > _SAME_SCENE
