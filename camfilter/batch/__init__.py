"""Recordings, many at a time: on all cores, or on a Ray cluster."""
