"""Facts from the log: added once, never changed, so that a report can be made as of any offset."""
