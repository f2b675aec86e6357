"""The page of `camfilter web` in a real browser: a picture in, a masked one out, nothing else."""
