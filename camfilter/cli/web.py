"""`camfilter web`: a page on this computer that masks the pictures dropped on it."""

from __future__ import annotations

import signal
import webbrowser
from types import FrameType
from typing import Annotated, NoReturn

import typer

from camfilter.cli.options import ProviderOption
from camfilter.errors import SettingError

__all__ = ["web"]

_MOST_PIXELS = 50_000_000


def web(
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1.", min=0, max=65535, show_default="a free one")
    ] = 0,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in your browser.")] = False,
    provider: ProviderOption = None,
) -> None:
    """Mask pictures on a page that only this computer can reach.

    Nothing is uploaded, and nothing is written to the disk but what you download.
    """
    # Here, since --help and bad words need none of it.
    from camfilter.photo import Masked, PhotoSettings, decode  # noqa: PLC0415
    from camfilter.photo.parts import open_masker  # noqa: PLC0415
    from camfilter.surrogate.provider import Provider  # noqa: PLC0415
    from camfilter.web import MaskDesk, PageServer  # noqa: PLC0415

    wanted = provider or "auto"
    if wanted not in list(Provider):
        raise SettingError(
            f"There is no provider {wanted!r}.", f"Choose one of: {', '.join(Provider)}."
        )

    def mask(data: bytes, settings: PhotoSettings) -> Masked:
        return masker.mask(decode(data, "The file", _MOST_PIXELS), settings)

    with PageServer(MaskDesk(mask), port) as server:
        masker = open_masker(None, Provider(wanted))
        try:
            signal.signal(signal.SIGTERM, _stop)
            typer.echo(
                f"Open {server.address} in a browser on this computer. Pictures do not leave it. "
                "Ctrl+C ends."
            )
            if open_:
                webbrowser.open(server.address)
            server.serve()
        except KeyboardInterrupt:
            typer.echo("Ended.")


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
