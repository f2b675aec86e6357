"""Which chains an experiment runs: the paper's, and others beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from camfilter.lab.attacks import ATTACKS
from camfilter.lab.caa.chain import has_epsilon
from camfilter.lab.caa.curves import Plan
from camfilter.lab.caa.options import PAPER_SCHEDULE, ChainingOptions
from camfilter.settings import LEAST_LIKELY, Projection

__all__ = ["main_plans", "side_plans"]


def main_plans(options: ChainingOptions, faces: str, network: str) -> list[Plan]:
    """The paper's chains on one set of faces and one network, at all lengths.

    Raises:
        SettingError: an attack is unknown.
    """
    lengths = list(range(1, options.chain_length + 1))
    plans = []
    for name in options.attacks:
        attack = ATTACKS.named(name)
        epsilons = options.epsilons if has_epsilon(attack) else (None,)
        for targets in ([], list(options.targets)) if attack.targeted else ([],):
            for epsilon in epsilons:
                plan = Plan(faces, network, name, targets, epsilon, lengths, seed=options.seed)
                plan = replace(plan, relabel=options.relabel)
                plans.append(projected(plan) if options.projection is Projection.BALL else plan)
    return plans


def side_plans(options: ChainingOptions, faces: str) -> list[Plan]:
    """Other forms of the chain, other attacks and other networks; first and last length only.

    Raises:
        SettingError: an attack is unknown.
    """
    network, attack = options.networks[0], options.attacks[0]
    lengths = [1, options.chain_length]
    plans = []
    for epsilon in options.side_epsilons:
        away = Plan(faces, network, attack, [], epsilon, lengths, seed=options.seed, form="paper's")
        least = replace(away, targets=[LEAST_LIKELY])
        neutral = replace(away, targets=["neutral"], form="straight to neutral")
        by_way = replace(neutral, targets=list(PAPER_SCHEDULE), form="neutral by way of three")
        both = (away, least) if ATTACKS.named(attack).targeted else (away,)
        plans += [
            *both,
            *(replace(plan, relabel=True, form="relabelled") for plan in both),
            *(replace(projected(plan), form="in the ball") for plan in both),
            *((neutral, by_way) if len(both) > 1 else ()),
            *(plan for other in options.side_networks for plan in on(other, both)),
        ]
    return plans + [
        plan for name in options.side_attacks for plan in by_attack(options, name, faces, lengths)
    ]


def on(network: str, plans: tuple[Plan, ...]) -> Iterator[Plan]:
    """The same chains on another network."""
    for plan in plans:
        yield replace(plan, network=network, form=f"on {network}")


def by_attack(
    options: ChainingOptions, name: str, faces: str, lengths: list[int]
) -> Iterator[Plan]:
    """Chains of another attack."""
    attack = ATTACKS.named(name)
    for epsilon in options.side_epsilons[:1] if has_epsilon(attack) else (None,):
        for targets in ([], [LEAST_LIKELY]) if attack.targeted else ([],):
            yield Plan(
                faces, options.networks[0], name, targets, epsilon, lengths,
                seed=options.seed, form=f"stages of {name}",
            )  # fmt: skip


def projected(plan: Plan) -> Plan:
    """The chain with epsilon as radius of a ball, and the product's steps."""
    if plan.epsilon is None:
        return plan
    step = min(plan.epsilon, 2.5 * plan.epsilon / max(plan.lengths))
    return replace(plan, radius=plan.epsilon, epsilon=step)
