"""What every experiment of the lab shares: options, kept stages, findings and their reports."""
