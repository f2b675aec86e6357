"""camfilter: a real-time filter for video calls that keeps emotions private."""

__all__ = ["__version__"]

__version__ = "0.1.0"
