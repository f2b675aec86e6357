"""The running program: one controller, and what follows its settings."""
