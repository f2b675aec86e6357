"""Faces in a frame: finding them, following them, and where their parts lie."""
