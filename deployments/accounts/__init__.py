"""People: how they get in, what they may do, and how they lose it."""
