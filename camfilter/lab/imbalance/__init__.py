"""How unequal classes in training change what FGSM does (Carvalhaes Possas 2017)."""

from camfilter.lab.imbalance.run import Imbalance

__all__ = ["Imbalance"]
