"""How the tray asks a person, so that a test can answer in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

__all__ = ["LEAVE_WITHOUT_TRAY", "TURN_OFF", "Question", "Questioner"]


@dataclass(frozen=True, slots=True)
class Question:
    """A yes-or-no question whose safe answer is no.

    Attributes:
        title: in a few words.
        text: what happens on a yes.
        yes: what the button for it says; & marks its key.
        no: the same for the safe answer.
    """

    title: str
    text: str
    yes: str
    no: str


class Questioner(Protocol):
    """Asks a person."""

    def ask(self, question: Question) -> bool:
        """True only when the person says yes."""


TURN_OFF: Final = Question(
    title="Turn protection off?",
    text="Somebody may be watching. The far end would see your real face and "
    "could read your true expression from the next frame on.",
    yes="&Turn off",
    no="&Keep protected",
)
LEAVE_WITHOUT_TRAY: Final = Question(
    title="Quit camfilter?",
    text="There is no tray to stay in, so closing the window ends the filter. "
    "The camera in your call goes dark.",
    yes="&Quit",
    no="&Stay",
)
