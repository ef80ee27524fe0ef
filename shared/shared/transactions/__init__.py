"""Unit of work, outbox and relay: one commit, then publish."""
