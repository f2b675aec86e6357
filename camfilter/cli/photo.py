"""`camfilter photo`: one picture in, the same picture with masked faces out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from camfilter.cli.options import (
    JsonOption,
    ModeOption,
    ProviderOption,
    SurrogateOption,
    TargetOption,
)
from camfilter.cli.summary import prove_writable, write_json
from camfilter.errors import (
    CamfilterError,
    FilterFault,
    NothingProtected,
    SettingError,
    SinkError,
    SourceNotFound,
    UnreadableSource,
)

__all__ = ["photo"]

_NOTHING_WRITTEN = 1
_MOST_BYTES = 512 << 20


def photo(
    picture: Annotated[Path, typer.Argument(metavar="IN", help="A JPEG, PNG or WebP.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to: .jpg, .png or .webp.")],
    hide: Annotated[
        str | None,
        typer.Option(help="emotion, identity or both.", show_default="emotion"),
    ] = None,
    strength: Annotated[
        str | None,
        typer.Option(
            help="Greatest change of a pixel, in levels.", show_default="6, or 12 for identity"
        ),
    ] = None,
    amplification: Annotated[
        float | None,
        typer.Option("--amplify", help="Times the mask, 1 to 8 (Face-Off's alpha).",
                     show_default="1"),
    ] = None,
    mode: ModeOption = None,
    target: TargetOption = None,
    chain_length: Annotated[
        int | None,
        typer.Option(help="Stages of the chain, 1 to 200; twice as many for both.",
                     show_default="24"),
    ] = None,
    surrogate: SurrogateOption = None,
    provider: ProviderOption = None,
    quality: Annotated[
        int | None,
        typer.Option(help="Of JPEG and WebP, 1 to 100.", show_default="95"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT where it exists.")] = False,
    json: JsonOption = None,
) -> None:  # fmt: skip
    """Mask the faces of a picture, and drop what else tells on you: place, camera, thumbnail.

    Exit status 1: nothing could be masked, and nothing was written.
    """
    given = {
        "hide": hide, "strength": strength, "amplification": amplification, "quality": quality,
        "mode": mode, "targets": target, "chain_length": chain_length, "surrogate": surrogate,
    }  # fmt: skip
    try:
        figures, line = _run(
            picture, out, {name: value for name, value in given.items() if value is not None},
            provider or "auto", force, json,
        )  # fmt: skip
    except (NothingProtected, FilterFault) as error:
        _complain(picture, error)
        raise typer.Exit(_NOTHING_WRITTEN) from error
    if json is not None:
        write_json(json, figures)
    typer.echo(f"{out}: {line}")


def _run(
    picture: Path, out: Path, given: dict[str, Any], provider: str, force: bool, json: Path | None
) -> tuple[dict[str, Any], str]:
    # Here, since --help and bad words need none of it.
    from camfilter.atomic import AtomicFile  # noqa: PLC0415
    from camfilter.photo import PhotoSettings, decode  # noqa: PLC0415
    from camfilter.photo.encoding import kind_of_name  # noqa: PLC0415
    from camfilter.photo.figures import in_one_line  # noqa: PLC0415
    from camfilter.photo.parts import open_masker  # noqa: PLC0415
    from camfilter.surrogate.provider import Provider  # noqa: PLC0415

    settings = PhotoSettings.of(given)
    if provider not in list(Provider):
        raise SettingError(
            f"There is no provider {provider!r}.", f"Choose one of: {', '.join(Provider)}."
        )
    kind = kind_of_name(out)
    if (out.exists() or out.is_symlink()) and not force:
        raise SinkError(f"{out} is there already.", "Add --force to replace it.")
    read = decode(_bytes_of(picture), str(picture))
    prove_writable(json, picture, out)
    file = AtomicFile(out)
    try:
        masker = open_masker(settings.chain.surrogate, Provider(provider))
        try:
            masked = masker.mask(read, settings, kind)
        finally:
            masker.close()
    except BaseException:
        file.discard()
        raise
    file.write(masked.data)
    figures = {"input": str(picture), "output": str(out), **masked.figures}
    return figures, in_one_line(figures)


def _bytes_of(path: Path) -> bytes:
    """All of a file, which must not be endless.

    Raises:
        SourceNotFound: there is none.
        UnreadableSource: it cannot be read, or is far too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceNotFound(f"There is no picture {path}.") from error
    except OSError as error:
        raise UnreadableSource(f"{path} cannot be read: {error.strerror}.") from error
    if len(data) > _MOST_BYTES:
        raise UnreadableSource(f"{path} is larger than {_MOST_BYTES >> 20} MiB.")
    return data


def _complain(picture: Path, error: CamfilterError) -> None:
    line = f"camfilter: {picture}: {error} Nothing was written."
    print(" ".join(line.split()), file=sys.stderr)  # noqa: T201
