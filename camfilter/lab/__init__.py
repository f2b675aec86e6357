"""The lab: training, export and research. It imports the core and is never imported by it."""
