"""Faults at every seam of the program, alone, in pairs and in random schedules."""
