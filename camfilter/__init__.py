"""camfilter: a real-time filter for video calls that keeps emotions private."""

import os

__all__ = ["__version__"]

__version__ = "0.1.0"

# ONNX Runtime's official builds keep a number for the device and send usage figures to their
# maker. It reads this once, when it is loaded, and nothing here loads it before this line.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
