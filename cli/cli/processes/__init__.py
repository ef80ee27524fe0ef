"""Start, watch and end processes, so that none is left behind."""
