"""What is right and what is wrong with this machine's set-up, each in one line."""
