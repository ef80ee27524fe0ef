"""The local stack: what it consists of, how it starts and stops, and what it shows."""
