"""The copy of the directory: which students a school has, and what they are called."""
