"""The controls of the window, beside the preview."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from camfilter.settings import Mode
from camfilter.tray.actions import Actions
from camfilter.tray.cameras import Devices, camera_choices, chosen_camera, sink_choices
from camfilter.tray.choices import (
    CHAIN_LENGTH_PRESETS,
    CHAIN_LENGTHS,
    EPSILON_LEVELS,
    EPSILON_PRESETS,
    MODES,
    TARGETS,
    Choice,
)
from camfilter.tray.level_slider import LevelSlider
from camfilter.tray.model import View

__all__ = ["Controls"]


class ChoiceBox(QComboBox):
    """A drop-down list of choices.

    Args:
        name: for screen readers.
        choices: what to offer at first.
    """

    opened = Signal()
    chosen = Signal(str)

    def __init__(self, name: str, choices: Sequence[Choice] = ()) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setPlaceholderText("none")
        self.activated.connect(lambda place: self.chosen.emit(self.itemData(place)))
        self.offer(choices)

    def offer(self, choices: Sequence[Choice]) -> None:
        """Offer other choices."""
        with QSignalBlocker(self):
            self.clear()
            for choice in choices:
                self.addItem(choice.label.replace("&", ""), choice.value)

    def show_value(self, value: str) -> None:
        """Show what is set, without choosing it."""
        if not self.view().isVisible():
            self.setCurrentIndex(self.findData(value))

    def showPopup(self) -> None:  # noqa: N802 - Qt's name
        """Say so first, so that the list can be brought up to date."""
        self.opened.emit()
        super().showPopup()


class Controls(QWidget):
    """Mode, target, epsilon, chain length, camera and virtual camera.

    Args:
        actions: brings wishes to the controller.
        devices: lists cameras when a list is opened.
    """

    def __init__(self, actions: Actions, devices: Devices) -> None:
        super().__init__()
        self._devices = devices
        self._view = actions.view()
        self.camera = ChoiceBox("Camera")
        self.camera.opened.connect(self.list_cameras)
        self.camera.chosen.connect(actions.set_camera)
        self.sink = ChoiceBox("Virtual camera")
        self.sink.opened.connect(self.list_sinks)
        self.sink.chosen.connect(actions.set_sink)
        self.mode = ChoiceBox("Mode", MODES)
        self.mode.chosen.connect(actions.set_mode)
        self.target = ChoiceBox("Target", TARGETS)
        self.target.chosen.connect(actions.set_target)
        self.epsilon = LevelSlider("&Epsilon", EPSILON_LEVELS, EPSILON_PRESETS, "levels")
        self.epsilon.chosen.connect(actions.set_epsilon)
        self.chain = LevelSlider("Chain &length", CHAIN_LENGTHS, CHAIN_LENGTH_PRESETS, "stages")
        self.chain.chosen.connect(actions.set_chain_length)
        self._hint = QLabel()
        self._hint.setWordWrap(True)
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        _row(form, "&Camera", self.camera)
        _row(form, "&Virtual camera", self.sink)
        _row(form, "&Mode", self.mode)
        _row(form, "&Target", self.target)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(14)
        layout.addLayout(form)
        layout.addWidget(self._hint)
        layout.addWidget(self.epsilon)
        layout.addWidget(self.chain)
        self.list_cameras()
        self.list_sinks()
        self.show_view(self._view)

    def show_view(self, view: View) -> None:
        """Show what is true now."""
        source, sink, self._view = self._view.source, self._view.sink, view
        self.mode.show_value(view.mode)
        self.target.show_value(view.target)
        self.epsilon.show_value(view.epsilon_level, view.epsilon_text, exact=view.epsilon_exact)
        self.chain.show_value(view.stages, view.stages_text, exact=view.stages_exact)
        if source != view.source:
            self.list_cameras()
        if sink != view.sink:
            self.list_sinks()
        hint = next(choice.hint for choice in MODES if choice.value == view.mode)
        if view.mode == Mode.TARGETED and "," in view.target_text:
            hint = f"{hint} Schedule: {view.target_text}."
        self._hint.setText(hint)

    def list_cameras(self) -> None:
        """Bring the list of cameras up to date."""
        cameras = self._devices.cameras()
        self.camera.offer(camera_choices(cameras, self._view.source, self._view.sink))
        self.camera.show_value(chosen_camera(cameras, self._view.source))

    def list_sinks(self) -> None:
        """Bring the list of virtual cameras up to date."""
        nodes = self._devices.loopbacks()
        self.sink.offer(sink_choices(nodes, self._devices.name, self._view.sink))
        self.sink.show_value(self._view.sink)


def _row(form: QFormLayout, name: str, box: QComboBox) -> None:
    label = QLabel(name)
    label.setBuddy(box)
    form.addRow(label, box)
