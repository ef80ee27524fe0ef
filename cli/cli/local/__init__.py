"""The local stack: its processes, their order, and that nothing of it is left behind."""
