"""Task status, cancel, retention and dead letters."""
