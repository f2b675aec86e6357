"""Other ways to run the same chain on the same network, for the bench."""
