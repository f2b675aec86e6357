"""Figures of the paper (Goel et al. 2018), tables 2 and 3, in percent."""

from __future__ import annotations

from typing import Final

__all__ = ["AFTER_ATTACK", "BEFORE", "DETECTED", "MITIGATED"]

BEFORE: Final = (96.96, 95.07)
"""Verification and identification before an attack."""

AFTER_ATTACK: Final = {
    "deepfool": (50.0, 3.4),
    "ead-l1": (0.0, 0.0),
    "ead-en": (0.0, 0.0),
    "fgsm": (67.04, 29.92),
    "cw-l2": (0.0, 0.0),
}
"""Verification and identification after an attack."""

_MITIGATIONS: Final = ("adversarial-training", "blur", "randomisation", "autoencoder")
_MITIGATED: Final = {
    "deepfool": ((98.48, 97.34), (93.56, 86.74), (73.48, 45.07), (93.18, 87.50)),
    "ead-l1": ((98.86, 97.72), (92.80, 85.22), (68.56, 38.25), (93.93, 85.98)),
    "ead-en": ((99.24, 99.24), (92.04, 83.33), (68.56, 36.36), (93.18, 85.60)),
    "fgsm": ((79.92, 57.19), (67.42, 32.57), (57.95, 18.18), (88.25, 75.37)),
    "cw-l2": ((99.62, 99.62), (92.80, 85.60), (70.07, 39.39), (93.18, 85.98)),
}
MITIGATED: Final = {
    (attack, mitigation): figures
    for attack, row in _MITIGATED.items()
    for mitigation, figures in zip(_MITIGATIONS, row, strict=True)
}
"""Verification and identification after attack and mitigation."""

_DETECTORS: Final = ("noise-reduction", "artifacts", "filter-statistics", "pca")
_DETECTED: Final = {
    "deepfool": (
        (77.48, 93.22, 83.06), (84.33, 95.83, 89.01), (52.13, 64.77, 52.65), (58.84, 61.74, 59.28),
    ),
    "ead-l1": (
        (78.41, 98.40, 85.65), (89.27, 97.72, 92.99), (56.77, 74.62, 58.90), (61.06, 56.43, 60.22),
    ),
    "ead-en": (
        (78.48, 98.80, 85.85), (86.44, 96.59, 90.71), (53.79, 64.39, 54.54), (56.86, 54.92, 56.62),
    ),
    "fgsm": (
        (55.17, 46.24, 54.33), (89.41, 86.36, 88.06), (95.54, 73.10, 84.84), (95.42, 63.25, 80.11),
    ),
    "cw-l2": (
        (78.54, 99.20, 86.05), (85.04, 96.96, 89.96), (54.19, 63.63, 54.92), (56.55, 57.19, 56.62),
    ),
}  # fmt: skip
DETECTED: Final = {
    (attack, detector): figures
    for attack, row in _DETECTED.items()
    for detector, figures in zip(_DETECTORS, row, strict=True)
}
"""Precision, recall and accuracy of detectors."""
