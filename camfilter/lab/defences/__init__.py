"""Defences of classifiers and the small network that they are tried on."""
