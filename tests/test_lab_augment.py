from __future__ import annotations

import pytest
import torch

from camfilter.lab.augment import Augment, mixed
from camfilter.lab.recipe import AugmentRecipe

STILL = AugmentRecipe(
    rotate_deg=0,
    log_scale=0,
    shift=0,
    flip=0,
    log_contrast=0,
    brightness=0,
    erase=0,
    erase_min_px=4,
    erase_max_px=8,
)


def only(**changes: float) -> Augment:
    return Augment(STILL.model_copy(update=changes))


@pytest.fixture
def picture() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(32, 1, 24, 24)


def test_all_ranges_at_zero_change_nothing(picture: torch.Tensor) -> None:
    assert torch.allclose(only()(picture), picture, atol=1e-5)


def test_the_generator_decides(picture: torch.Tensor) -> None:
    augment = only(rotate_deg=10, shift=0.1, flip=0.5, log_contrast=0.3, erase=0.5)
    torch.manual_seed(3)
    first = augment(picture)
    torch.manual_seed(3)
    assert torch.equal(augment(picture), first)
    assert not torch.equal(augment(picture), first)


def test_all_stay_in_range(picture: torch.Tensor) -> None:
    changed = only(rotate_deg=30, log_scale=0.3, log_contrast=1, brightness=0.5, erase=1)(picture)
    assert changed.shape == picture.shape
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_flip_mirrors(picture: torch.Tensor) -> None:
    assert torch.allclose(only(flip=1)(picture), picture.flip(3), atol=1e-5)


def test_shift_moves_by_no_more_than_its_reach() -> None:
    picture = torch.zeros(256, 1, 41, 41)
    picture[:, :, 20, 20] = 1
    torch.manual_seed(0)
    changed = only(shift=0.1)(picture)
    rows, columns = torch.nonzero(changed[:, 0] > 0.2)[:, 1:].T
    reach = (torch.stack([rows, columns]) - 20).abs().max()
    assert 3 <= reach <= 5


def test_erase_paints_one_rectangle_within_its_sides(picture: torch.Tensor) -> None:
    changed = only(erase=1)(picture)
    for before, after in zip(picture[:, 0], changed[:, 0], strict=True):
        rows, columns = torch.nonzero((before - after).abs() > 1e-3).T
        assert 3 <= rows.max() - rows.min() + 1 <= 8
        assert 3 <= columns.max() - columns.min() + 1 <= 8
        painted = after[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert torch.allclose(painted, painted[0, 0], atol=1e-3)


def test_mixup_blends_pictures_and_labels_alike() -> None:
    label = torch.eye(8)
    picture = label.reshape(8, 1, 2, 4)
    torch.manual_seed(1)
    blended, target = mixed(picture, label, 0.4)
    assert torch.allclose(blended.reshape(8, 8), target)
    assert torch.allclose(target.sum(dim=1), torch.ones(8))
    assert not torch.equal(target, label)


def test_mixup_off_draws_nothing(picture: torch.Tensor) -> None:
    label = torch.full((32, 8), 1 / 8)
    state = torch.get_rng_state()
    same, target = mixed(picture, label, 0)
    assert same is picture
    assert target is label
    assert torch.equal(torch.get_rng_state(), state)
