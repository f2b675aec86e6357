"""How fast the filter is, against the machine it runs on and against others."""
