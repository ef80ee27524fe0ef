"""Scenarios of `make accuracy`: how well documents are read, on a corpus whose content is known."""
