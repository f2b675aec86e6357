"""What a foreign recogniser's file needs to be told about: read from TOML, checked once."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as validates

from camfilter.errors import SettingError

__all__ = ["Colour", "Description", "Kind", "Layout", "Output"]

Name = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Colour(StrEnum):
    """Order of the channels of the input."""

    GRAY = "gray"
    RGB = "rgb"
    BGR = "bgr"


class Layout(StrEnum):
    """Order of the axes of the input."""

    NCHW = "nchw"
    NHWC = "nhwc"


class Output(StrEnum):
    """What the output holds."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


class Kind(StrEnum):
    """Whose recogniser it is.

    FOREIGN: trained elsewhere, on pictures that nobody filtered: an unseen one.
    ADAPTIVE: trained, or trained further, on filtered pictures.
    HARDENED: adversarially trained.
    """

    FOREIGN = "foreign"
    ADAPTIVE = "adaptive"
    HARDENED = "hardened"


class Description(BaseModel):
    """Size, colour, normalisation and classes of a recogniser in an ONNX file.

    Attributes:
        name: in reports.
        family: networks of one family are judged together; an own family's name means that
            it is also read on clips whose filter does not know that family.
        size_px: width and height of the input.
        colour: order of the channels.
        layout: order of the axes.
        scale: the input is level * scale + offset, with levels from 0 to 255; one number, or
            one for each channel.
        offset: see scale.
        margin: of the side of the detector's box, added on each side; "template" instead aligns
            the crop as the project's own networks have it.
        output: logits or probabilities.
        classes: what each column of the output means; camfilter's names where they correspond.
        kind: whose it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    family: Name
    size_px: int = Field(ge=8, le=1024)
    colour: Colour
    layout: Layout = Layout.NCHW
    scale: Number | tuple[Number, ...] = 1.0
    offset: Number | tuple[Number, ...] = 0.0
    margin: Annotated[float, Field(ge=-0.4, le=2)] | None = 0.0
    output: Output
    classes: tuple[Name, ...] = Field(min_length=2, max_length=1000)
    kind: Kind = Kind.FOREIGN

    @validates(mode="before")
    @classmethod
    def _template(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("margin") == "template":
            return {**values, "margin": None}
        return values

    @validates(mode="after")
    def _fits(self) -> Self:
        for name, value in (("scale", self.scale), ("offset", self.offset)):
            if isinstance(value, tuple) and len(value) != self.channels:
                raise ValueError(f"{name} needs 1 or {self.channels} numbers")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        return self

    @property
    def channels(self) -> int:
        """Channels of the input."""
        return 1 if self.colour is Colour.GRAY else 3

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a description.

        Raises:
            SettingError: it is missing, is no TOML, or has a value that cannot be used.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise SettingError(
                f"The description {path} cannot be read.",
                "A recogniser FILE.onnx needs its description FILE.toml beside it.",
            ) from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingError(f"The description {path} is no TOML: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
            message = first["msg"].removeprefix("Value error, ")
            at = f" at {where}" if where else ""
            raise SettingError(f"The description {path} is wrong{at}: {message}.") from error
