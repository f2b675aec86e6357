"""Face-Off: attacks on face embeddings (Chandrasekaran et al. 2021)."""

from camfilter.lab.faceoff.experiment import FaceOff

__all__ = ["FaceOff"]
