"""What each ingredient of a surrogate gives for transfer, measured on families left out."""

from camfilter.lab.transfer.run import Transfer

__all__ = ["Transfer"]
