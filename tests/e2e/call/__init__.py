"""A real video call without a camera: what a recogniser reads at its far end."""
