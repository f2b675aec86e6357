"""What came out on attacks, their time, and the way to the service, in computed sentences."""

from __future__ import annotations

from collections.abc import Sequence

from camfilter.lab.faceoff.judging import JPEG
from camfilter.lab.faceoff.losses import Loss
from camfilter.lab.faceoff.optimisers import Norm, Optimiser
from camfilter.lab.faceoff.options import FaceOffOptions
from camfilter.lab.faceoff.plans import Attacked
from camfilter.lab.faceoff.rates import (
    NOTABLE,
    mean_rate,
    more_or_less,
    seconds_each,
    with_interval,
)

__all__ = [
    "on_attacks",
    "on_channels",
    "on_jpeg",
    "on_run_time",
    "on_steps",
    "on_the_printed_hinge",
]


def on_the_printed_hinge(grid: Sequence[Attacked], options: FaceOffOptions) -> str | None:
    """What is wrong with the hinge loss as printed; None where it was not tried."""
    printed = [one for one in grid if one.wish.order["loss"] == Loss.HINGE_FARTHEST]
    if not printed:
        return None
    one, alpha = printed[0], options.alpha
    usual = next(
        each for each in grid
        if each.wish.order == one.wish.order | {"loss": Loss.HINGE}
    )  # fmt: skip
    return (
        "The hinge loss as printed takes the greatest distance over all people but the target: it "
        "compares with whoever is farthest, not with the source. PGD makes it 0 for "
        f"{one.made.figures['reached']:.0%} of the masks, which hide "
        f"{mean_rate([one], 'hidden', alpha, own=True):.0%} from the attacked network at alpha "
        f"{alpha:g}; with the source set in its place, as in the authors' code and in all else "
        f"here, {usual.made.figures['reached']:.0%} and "
        f"{mean_rate([usual], 'hidden', alpha, own=True):.0%}."
    )


def on_attacks(grid: Sequence[Attacked], options: FaceOffOptions) -> str | None:
    """Whether attacks and norms differ."""
    main = [one for one in grid if one.surrogates == [options.main]
            and one.wish.order["loss"] == Loss.HINGE and _usual(one, options)]  # fmt: skip
    if len(main) < 2:
        return None
    told = [
        f"{one.wish.order['optimiser']} {one.wish.order['norm']} "
        f"{with_interval(one, 'hidden', options.alpha, own=False)}, RMS "
        f"{one.change(options.alpha)['rms_levels']:.1f} levels"
        for one in main
    ]
    intervals = [one.interval("hidden", options.alpha, own=False) or (0.0, 1.0) for one in main]
    alike = max(low for low, _ in intervals) <= min(high for _, high in intervals)
    sizes = [one.change(options.alpha)["rms_levels"] for one in main]
    unlike = max(sizes) > 1.5 * min(sizes)
    verdict = "does not contradict" if alike else "does not agree with"
    why = ", but their changes are not of one size" if unlike else ""
    return (
        f"Attacks with the hinge loss at alpha {options.alpha:g}, hidden from other networks (95 % "
        f"intervals): {'; '.join(told)}. That {verdict} the paper, which finds the choice of "
        f"attack and norm to matter little{why}."
    )


def on_steps(grid: Sequence[Attacked], options: FaceOffOptions) -> str | None:
    """Whether more steps help."""
    runs = {
        "PGD": (Optimiser.PGD, options.steps, options.many_steps),
        "C&W": (Optimiser.CW, options.cw_steps, options.cw_many[0]),
    }
    told, gains = [], []
    for name, (optimiser, few, many) in runs.items():
        short, long = (_main_hinge(grid, options, optimiser, steps) for steps in (few, many))
        if short is None or long is None:
            return None
        low, high = (mean_rate([one], "hidden", options.alpha, own=False) for one in (short, long))
        if low < 1:  # where few steps hide everybody, many cannot hide more
            gains.append(high > low + NOTABLE)
        after, before = (
            f"{with_interval(one, 'hidden', options.alpha, own=False)} from other networks, "
            f"{one.made.figures['pairs']} faces"
            for one in (long, short)
        )
        told.append(f"{many} steps of {name} hide {after}; {few} steps {before}")
    agrees = bool(gains) and all(gains)
    why = (
        ""
        if agrees or any(gains)
        else " A ball of fixed radius, or a loss that is reached, leaves long runs nothing to grow "
        "into but what is particular to the attacked network."
    )
    so = (
        "so it is here"
        if agrees
        else "so it is here for one of the two"
        if any(gains)
        else "not so here"
    )
    return (
        f"Steps, hinge loss in L2 at alpha {options.alpha:g}: {'. '.join(told)}. The paper finds "
        f"that more steps raise transfer; {so}.{why}"
    )


def _main_hinge(
    grid: Sequence[Attacked], options: FaceOffOptions, optimiser: Optimiser, steps: int
) -> Attacked | None:
    """The hinge loss in L2 on the main network; None where it was not tried."""
    wanted = {"optimiser": optimiser, "norm": Norm.L2, "loss": Loss.HINGE, "steps": steps,
              "surrogates": [options.main]}  # fmt: skip
    chosen = [one for one in grid if all(one.wish.order[k] == v for k, v in wanted.items())]
    return chosen[0] if chosen else None


def on_run_time(kappa: Sequence[Attacked], grid: Sequence[Attacked]) -> str:
    """How long attacks take."""
    cw = [one for one in kappa if one.wish.label == "C&W"]
    pgd = [one for one in kappa if one.wish.label == "PGD"]
    times = [one.made.figures["seconds"] for one in (*pgd, *cw)]
    text = (
        f"CPU time of one thread: PGD {seconds_each(pgd):.2f} s a picture, C&W in L2 "
        f"{seconds_each(cw):.1f} s ({seconds_each(cw) / seconds_each(pgd):.0f} times as long)"
    )
    linf = [one for one in grid if one.wish.order["optimiser"] == Optimiser.CW
            and one.wish.order["norm"] == Norm.LINF]  # fmt: skip
    if linf:
        text += f", C&W in Linf {seconds_each(linf):.1f} s"
    growth = times[len(pgd) - 1] / times[0]
    return text + (
        ". The paper's order is the same. A greater kappa costs PGD no time "
        f"({growth:.1f} times from the least to the greatest), as its steps are fixed, and C&W "
        "none, as no search ends early; the paper finds that it does."
    )


def on_channels(channel: Sequence[Attacked], options: FaceOffOptions) -> str:
    """Cropped against uncropped, float against 8 bits."""
    one, alpha = channel[0], options.alpha
    ways = {
        way: mean_rate([one], "hidden", alpha, way)
        for way in one.wish.order["channels"] if not way.startswith(JPEG)
    }  # fmt: skip
    cropped, uncropped = ways["cropped 8 bit"], ways["uncropped 8 bit"]
    rounding = max(
        abs(ways[f"{way} float"] - ways[f"{way} 8 bit"]) for way in ("cropped", "uncropped")
    )
    first = options.alphas[0]
    small = abs(mean_rate([one], "hidden", first, "uncropped float")
                - mean_rate([one], "hidden", first, "uncropped 8 bit"))  # fmt: skip
    less = uncropped < cropped - NOTABLE
    why = (
        " Here the mask is resampled twice on its way, and the service cuts its crop a little "
        "otherwise, while the cropped picture reaches it cell by cell."
        if less
        else ""
    )
    return (
        f"Cropped, {cropped:.0%} are hidden at alpha {alpha:g}, mean of all networks; put back and "
        f"found anew {uncropped:.0%}, {more_or_less(uncropped, cropped)} cropped. The paper finds "
        f"both alike.{why} Rounding to 8 bits changes the rate by {rounding:.0%} at most, by "
        f"{small:.0%} uncropped at alpha {first:g}."
    )


def on_jpeg(channel: Sequence[Attacked], options: FaceOffOptions) -> str | None:
    """What JPEG leaves."""
    one = channel[0]
    qualities = sorted(options.qualities, reverse=True)
    if not qualities:
        return None
    told = []
    for alpha in sorted({options.alphas[0], options.alpha}):
        before = mean_rate([one], "hidden", alpha)
        rates = ", ".join(
            f"{mean_rate([one], 'hidden', alpha, f'{JPEG}{quality}'):.0%} at {quality}"
            for quality in qualities
        )
        told.append(f"at alpha {alpha:g} {before:.0%} without, {rates}")
    last = mean_rate([one], "hidden", options.alpha, f"{JPEG}{qualities[-1]}")
    kept = last >= mean_rate([one], "hidden", options.alpha) - NOTABLE
    return (
        f"JPEG, hidden from all networks: {'; '.join(told)}. Masks "
        f"{'survive' if kept else 'do not survive'} it at alpha {options.alpha:g}, "
        f"{'as' if kept else 'while'} the paper says{'' if kept else ' they do'}."
    )


def _usual(one: Attacked, options: FaceOffOptions) -> bool:
    order = one.wish.order
    if order["optimiser"] == Optimiser.PGD:
        return bool(order["steps"] == options.steps)
    return bool(order["steps"] == options.cw_steps)
