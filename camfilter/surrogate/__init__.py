"""The recogniser that the chain attacks, as graphs whose hashes are proved."""
