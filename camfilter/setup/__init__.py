"""Sets the machine up for the virtual camera: shown first, asked for, and taken back on demand."""
