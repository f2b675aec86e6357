"""Training a surrogate: one object that can stop after any epoch and go on as if it had not.

Everything that decides the next epoch is in the state file: weights, their moving average,
optimiser, schedule and the random generator. So a resumed run ends with the very weights of an
uninterrupted one.
"""

from __future__ import annotations

import copy
import json
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from camfilter.errors import SettingError
from camfilter.lab.augment import Augment, mixed
from camfilter.lab.data import Faces, LabelledFaces
from camfilter.lab.metrics import confusion_of, draw_confusion
from camfilter.lab.networks import save_weights
from camfilter.lab.recipe import Recipe

__all__ = ["Training"]

Batch = tuple[Tensor, Tensor]


class Training:
    """A run in a folder: `state.pt` to go on from, `metrics.json`, and at the end the rest.

    Args:
        build: makes the network with random weights.
        recipe: every hyper-parameter.
        faces: the data; only its `train` part is learned from.
        folder: where files are written; it is made.
        clock: seconds, for the figures only.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        recipe: Recipe,
        faces: LabelledFaces,
        folder: Path,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.batches = len(faces.train) // recipe.batch
        if self.batches == 0:
            raise SettingError(
                f"The batch of {recipe.batch} is greater than the {len(faces.train)} "
                "training pictures.",
                "Make it smaller in the recipe.",
            )
        torch.manual_seed(recipe.seed)
        self.recipe, self.folder = recipe, folder
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self._faces, self._clock = faces, clock
        self._augment = Augment(recipe.augment)
        self._network = build()
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for layer in self._network.modules():
            if isinstance(layer, nn.Dropout):
                layer.p = recipe.dropout
        self.average = copy.deepcopy(self._network).eval()
        self._optimiser = optimiser_of(self._network, recipe)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            recipe.optimiser.lr,
            recipe.epochs * self.batches,
            pct_start=recipe.optimiser.warmup,
            div_factor=recipe.optimiser.start_divisor,
            final_div_factor=recipe.optimiser.end_divisor,
        )
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def state_file(self) -> Path:
        """What a later run resumes from."""
        return self.folder / "state.pt"

    @property
    def done(self) -> bool:
        """Whether all epochs of the recipe are trained."""
        return self.epoch >= self.recipe.epochs

    def run_epoch(self, on_batch: Callable[[], None] = lambda: None) -> dict[str, float]:
        """Train one epoch, validate, and write state and metrics.

        Args:
            on_batch: called after each batch.

        Returns:
            The figures of the epoch, also appended to `history`.
        """
        began = self._clock()
        self._network.train()
        total = 0.0
        for picture, label in self._shuffled(self._faces.train):
            total += self._learn(picture, label)
            on_batch()
        self.epoch += 1
        figures = {
            "epoch": self.epoch,
            "loss": total / self.batches,
            "valid": confusion_of(self._network, self._faces.valid).accuracy,
            "valid_average": confusion_of(self.average, self._faces.valid).accuracy,
            "seconds": self._clock() - began,
        }
        self.history.append({key: round(value, 6) for key, value in figures.items()})
        self._save_state()
        self._write_metrics({})
        return self.history[-1]

    def finish(self) -> dict[str, Any]:
        """Score the averaged weights on the test part, once, and write all results.

        Writes `checkpoint.safetensors`, `metrics.json` and `confusion.png`.

        Returns:
            The figures of the test part.
        """
        confusion = confusion_of(self.average, self._faces.test)
        test = {
            "pictures": len(self._faces.test),
            "accuracy": round(confusion.accuracy, 6),
            "recall": {key: round(value, 4) for key, value in confusion.recall.items()},
            "precision": {key: round(value, 4) for key, value in confusion.precision.items()},
            "confusion": confusion.counts.tolist(),
        }
        save_weights(self.average, self.folder / "checkpoint.safetensors")
        title = f"{100 * confusion.accuracy:.1f} % of {len(self._faces.test)} test pictures"
        draw_confusion(confusion, self.folder / "confusion.png", title)
        self._write_metrics({"test": test})
        return test

    def resume(self) -> None:
        """Go on from the state file.

        Raises:
            SettingError: there is none, it is damaged, or its recipe or data is another.
        """
        try:
            state = torch.load(self.state_file, weights_only=True)
        except FileNotFoundError as error:
            raise SettingError(
                f"There is nothing to resume in {self.folder}.", "Start without --resume."
            ) from error
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise SettingError(f"The state in {self.folder} is damaged: {error}.") from error
        if state["run"] != self._identity():
            raise SettingError(
                f"The run in {self.folder} has another recipe or other data.",
                "Start without --resume, or choose another --out.",
            )
        self._network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.epoch, self.history = state["epoch"], state["history"]

    def _learn(self, picture: Tensor, label: Tensor) -> float:
        """One step of the optimiser; the loss of its batch."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            logits = self._network(picture)
        loss = F.cross_entropy(
            logits.float(), label, label_smoothing=self.recipe.loss.label_smoothing
        )
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
        self._schedule.step()
        self._average_in()
        return loss.item()

    def _average_in(self) -> None:
        """Move the average towards the weights; faster at first, as it starts from noise."""
        step = self._schedule.last_epoch
        decay = min(self.recipe.ema_decay, step / (step + 9))
        pairs = zip(
            self.average.state_dict().values(), self._network.state_dict().values(), strict=True
        )
        with torch.no_grad():
            for average, weight in pairs:
                if average.is_floating_point():
                    average.lerp_(weight, 1 - decay)
                else:
                    average.copy_(weight)

    def _shuffled(self, faces: Faces) -> Iterator[Batch]:
        """Augmented batches of one epoch in random order; a short last batch is left out."""
        order = torch.randperm(len(faces))
        for index in range(self.batches):
            chosen = order[index * self.recipe.batch :][: self.recipe.batch].numpy()
            picture = torch.from_numpy(faces.pictures[chosen])[:, None].float() / 255
            label = torch.from_numpy(faces.labels[chosen])
            picture, label = mixed(self._augment(picture), label, self.recipe.loss.mixup)
            yield picture.contiguous(memory_format=torch.channels_last), label

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a run to go on: the recipe and the size of the data."""
        return {"recipe": self.recipe.model_dump(), "data": self._sizes()}

    def _sizes(self) -> dict[str, int]:
        faces = self._faces
        return {"train": len(faces.train), "valid": len(faces.valid), "test": len(faces.test)}

    def _save_state(self) -> None:
        """Write the state beside the old one, then take its place: a kill leaves one whole."""
        state = {
            "run": self._identity(),
            "network": self._network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "random": torch.get_rng_state(),
            "epoch": self.epoch,
            "history": self.history,
        }
        fresh = self.state_file.with_suffix(".new")
        torch.save(state, fresh)
        fresh.replace(self.state_file)

    def _write_metrics(self, more: dict[str, Any]) -> None:
        parameters = sum(weight.numel() for weight in self.average.parameters())
        metrics = {
            "parameters": parameters,
            "pictures": self._sizes(),
            "recipe": self.recipe.model_dump(),
            "epochs": self.history,
            **more,
        }
        (self.folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with Nesterov momentum that decays matrices and kernels only."""
    weights = list(network.parameters())
    decayed = [weight for weight in weights if weight.ndim > 1]
    free = [weight for weight in weights if weight.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.optimiser.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, recipe.optimiser.lr, momentum=0.9, nesterov=True)
