"""Purging files that were deleted long enough ago."""
