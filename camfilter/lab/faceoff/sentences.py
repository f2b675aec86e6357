"""What came out, in sentences computed from the figures, beside what the paper says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from camfilter.lab.experiment.made import Made
from camfilter.lab.faceoff.comparisons import (
    on_attacks,
    on_channels,
    on_jpeg,
    on_run_time,
    on_steps,
    on_the_printed_hinge,
)
from camfilter.lab.faceoff.losses import Loss
from camfilter.lab.faceoff.options import KAPPA_SCALE, FaceOffOptions
from camfilter.lab.faceoff.plans import Attacked, Section
from camfilter.lab.faceoff.rates import (
    NOTABLE,
    labelled,
    mean_rate,
    more_or_less,
    spread_of,
    with_interval,
)
from camfilter.lab.intervals import wilson

__all__ = ["said"]

_WEAK: Final = 0.4
_Parts = Mapping[Section, Sequence[Attacked]]


def said(parts: _Parts, clean: Made, training: Made, options: FaceOffOptions) -> list[str]:
    """Paragraphs on what the experiment shows."""
    told: list[str | None] = [
        _networks(clean, parts),
        _transfer(parts[Section.TRANSFER], options),
        _control(parts[Section.AMPLIFY], options),
        _amplification(parts[Section.AMPLIFY], options),
        _kappa_or_alpha(parts[Section.KAPPA], options),
        _losses(parts[Section.AMPLIFY], options),
        on_the_printed_hinge(parts[Section.GRID], options),
        on_attacks(parts[Section.GRID], options),
        on_steps(parts[Section.GRID], options),
        on_run_time(parts[Section.KAPPA], parts[Section.GRID]),
        on_channels(parts[Section.CHANNEL], options),
        on_jpeg(parts[Section.CHANNEL], options),
        _top3(parts[Section.AMPLIFY], options),
        _radius(parts[Section.EPSILON], options),
        _training(training, options),
        "Not done: commercial services and a study with people, which need a network connection "
        "and people; CASIA and VGGFace2, which are not at hand.",
    ]
    return [paragraph for paragraph in told if paragraph]


def _networks(clean: Made, parts: _Parts) -> str:
    rows = clean.figures["rows"]
    each = "; ".join(
        f"{row['network']} ({row['loss']}) AUC {row['auc']:.3f}, top-1 {row['top1']:.0%}"
        for row in rows
    )
    pairs, fewer = (
        one.made.figures["pairs"]
        for one in (parts[Section.TRANSFER][0], labelled(parts[Section.AMPLIFY], "C&W hinge"))
    )
    weak = [row["network"] for row in rows if row["top1"] < _WEAK]
    badly = (
        f" {' and '.join(weak)} recognises few strangers, so its rates rest on few faces, and the "
        "matrix says more than means over networks do."
        if weak
        else ""
    )
    return (
        f"The networks are small and were trained here on {rows[0]['trained_on_people']} people, "
        f"so they know strangers less well than the paper's (98 to 99.7 % on LFW): {each}.{badly} "
        f"A rate is over {pairs} source pictures for PGD, and over {fewer} for C&W, which takes "
        f"long: the 95 % interval of a rate of one half is {_of_half(pairs)} and {_of_half(fewer)}."
    )


def _of_half(faces: int) -> str:
    low, high = wilson(faces / 2, faces)
    return f"{low:.0%} to {high:.0%}"


def _transfer(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    alone = [one for one in attacked if len(one.surrogates) == 1]
    low, high = options.alphas[0], options.alpha
    own = [mean_rate(alone, "hidden", alpha, own=True) for alpha in (low, high)]
    others = [mean_rate(alone, "hidden", alpha, own=False) for alpha in (low, high)]
    aimed = [mean_rate(alone, "targeted", alpha, own=False) for alpha in (low, high)]
    text = (
        f"Masks made with one network hide {own[0]:.0%} of the faces from that network at alpha "
        f"{low:g} and {own[1]:.0%} at alpha {high:g}; from networks they were not made with "
        f"{others[0]:.0%} and {others[1]:.0%}. Matched with the very target by those: "
        f"{aimed[0]:.0%} and {aimed[1]:.0%}."
    )
    pairs = [one for one in attacked if len(one.surrogates) == 2 and len(options.networks) > 2]
    if pairs:
        single = mean_rate(alone, "hidden", high, own=False)
        double = mean_rate(pairs, "hidden", high, own=False)
        text += (
            f" Two networks together hide {double:.0%} from the third at alpha {high:g}, "
            f"{more_or_less(double, single)} one alone; their radius is the same."
        )
    return text


def _control(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    mask, control = labelled(attacked, "PGD hinge"), labelled(attacked, "control")
    told = []
    for alpha in sorted({options.alpha, options.alphas[-1]}):
        by_mask, by_size = (mean_rate([one], "hidden", alpha, own=False) for one in (mask, control))
        verdict = (
            "most of it is what the mask says"
            if by_size < by_mask / 2
            else "half of it or more is what any change of that size does"
        )
        told.append(
            f"{by_size:.0%} of the faces from the other networks at alpha {alpha:g}, the mask "
            f"{by_mask:.0%}: {verdict}"
        )
    return (
        "The control, a mask of equal energy and spectrum with phases drawn at random, hides "
        f"{'; '.join(told)}. The paper has no control."
    )


def _amplification(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    one = labelled(attacked, "PGD hinge")
    low, high = options.alphas[0], options.alphas[-1]
    rates = [one.rate("hidden", a, own=False) or 0 for a in options.alphas]
    away = [(one.rate("away", a, own=own) or 0) for own in (True, False) for a in (low, high)]
    agrees = rates[-1] > rates[0] + NOTABLE and away[3] > away[2]
    falls = sum(after < before for before, after in pairwise(rates))
    aimed = [one.rate("targeted", a, own=False) or 0 for a in options.alphas]
    best = max(range(len(aimed)), key=aimed.__getitem__)
    ssim = [one.change(alpha)["ssim"] for alpha in (low, high)]
    return (
        f"Amplification {'raises' if agrees else 'does not raise'} transfer, "
        f"{'as' if agrees else 'unlike what'} the paper says (III-D, IV-B): hidden from "
        f"other networks {rates[0]:.0%} at alpha {low:g}, {rates[-1]:.0%} at {high:g}, falling in "
        f"{falls} of {len(rates) - 1} steps; the distance from the own centroid grows by "
        f"{away[0]:.2f} and {away[1]:.2f} in the attacked network, {away[2]:.2f} and {away[3]:.2f} "
        f"in the others (its figure 3). The target is reached most often at alpha "
        f"{options.alphas[best]:g} ({aimed[best]:.0%} by other networks, {aimed[-1]:.0%} at "
        f"{high:g}). SSIM goes from {ssim[0]:.3f} to {ssim[1]:.3f}."
    )


def _kappa_or_alpha(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    told = []
    for kind in dict.fromkeys(one.wish.label for one in attacked):
        mine = [one for one in attacked if one.wish.label == kind]
        by_kappa = [mean_rate([one], "hidden", options.alpha, own=False) for one in mine]
        middle = mine[len(mine) // 2]
        by_alpha = [mean_rate([middle], "hidden", alpha, own=False) for alpha in options.alphas]
        kappa, alpha = spread_of(by_kappa), spread_of(by_alpha)
        kappas = [one.wish.order["kappa"] / KAPPA_SCALE for one in mine]
        told.append(
            f"{kind}: {by_kappa[0]:.0%} at kappa {kappas[0]:g}, {by_kappa[-1]:.0%} at "
            f"{kappas[-1]:g}, all at alpha {options.alpha:g}; the greatest difference by kappa is "
            f"{kappa:.0%}, by alpha {alpha:.0%}, so "
            f"{_which(alpha, kappa)}"
        )
    return (
        "What the margin does to transfer (hidden from the other networks). "
        + ". ".join(told)
        + "."
    )


def _which(alpha: float, kappa: float) -> str:
    if max(alpha, kappa) < NOTABLE:
        return "neither changes much"
    if alpha > kappa:
        return "alpha matters more, as the paper says"
    return "kappa matters more, unlike in the paper"


def _losses(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    alpha = options.alpha
    rows = {
        loss: [mean_rate([labelled(attacked, f"PGD {loss}")], rate, alpha, own=own)
               for rate in ("hidden", "targeted") for own in (True, False)]
        for loss in (Loss.HINGE, Loss.TARGET, Loss.UNTARGETED)
    }  # fmt: skip
    hinge, target, free = rows[Loss.HINGE], rows[Loss.TARGET], rows[Loss.UNTARGETED]
    told = ", ".join(
        f"{loss} {with_interval(labelled(attacked, f'PGD {loss}'), 'hidden', alpha, own=False)}"
        for loss in rows
    )
    leaves = hinge[1] > target[1] + NOTABLE
    why = "The hinge loss also leaves the source, the target loss does not. " if leaves else ""
    return (
        f"Losses, PGD at alpha {alpha:g}. Hidden from other networks (95 % intervals): {told}; "
        f"matched with the target by them: hinge "
        f"{hinge[3]:.0%}, target {target[3]:.0%}. The hinge loss hides "
        f"{more_or_less(hinge[1], target[1])} the target loss and aims "
        f"{more_or_less(hinge[3], target[3])} it; the paper finds both alike. "
        f"{why}"
        f"Without a target it hides {more_or_less(free[1], hinge[1])} with one."
    )


def _top3(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    one = labelled(attacked, "PGD hinge")
    low, high = options.alphas[0], options.alphas[-1]
    top3 = [mean_rate([one], "top3", alpha, own=False) for alpha in (low, high)]
    top1 = [1 - mean_rate([one], "untargeted", alpha, own=False) for alpha in (low, high)]
    agrees = top3[1] < top3[0] and top3[0] > top1[0]
    return (
        f"A service that takes the first three finds the person in {top3[0]:.0%} at alpha {low:g} "
        f"and {top3[1]:.0%} at {high:g} (the first alone: {top1[0]:.0%} and {top1[1]:.0%}); "
        f"{'as' if agrees else 'unlike'} in the paper's tables V and VI, top-3 is more than top-1 "
        "and falls with alpha."
    )


def _radius(attacked: Sequence[Attacked], options: FaceOffOptions) -> str:
    told = ", ".join(
        f"{mean_rate([one], 'hidden', options.alpha, own=True):.0%} and "
        f"{mean_rate([one], 'hidden', options.alpha, own=False):.0%} at {one.wish.label}"
        for one in attacked
    )
    rms = attacked[0].change(options.alphas[0])["rms_levels"]
    return (
        f"Radius of PGD, hidden from the attacked and from the other networks at alpha "
        f"{options.alpha:g}: {told}. The {attacked[0].wish.label} is "
        f"{rms:.2f} levels a pixel before amplification."
    )


def _training(training: Made, options: FaceOffOptions) -> str:
    rows: dict[str, Any] = {row["network"]: row for row in training.figures["rows"]}
    natural, adversarial = rows["natural"], rows["adversarial"]
    price = natural["natural_top1"] - adversarial["natural_top1"]
    gain = adversarial["top1_on_masks"] - natural["top1_on_masks"]
    return (
        f"Adversarial training: top-1 on unmasked faces {natural['natural_top1']:.1%} after "
        f"natural training and {adversarial['natural_top1']:.1%} after adversarial training, a "
        f"price of {100 * price:.1f} points (the paper: 11.9 on VGGFace2, 14.6 on LFW); AUC "
        f"{natural['natural_auc']:.3f} and {adversarial['natural_auc']:.3f}. Top-1 on masks made "
        f"for the network itself {natural['top1_on_masks']:.1%} and "
        f"{adversarial['top1_on_masks']:.1%}, {100 * gain:+.1f} points (the paper: +7.1). "
        f"{'Both signs are' if price > 0 and gain > 0 else 'Not both signs are'} the paper's; the "
        f"training is short, {options.training_steps} batches, and begins with a trained network."
    )
