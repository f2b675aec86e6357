"""Recognisers that others trained, brought into one form so that the filter meets strangers."""
