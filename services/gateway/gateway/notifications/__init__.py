"""Sends: create, read, cancel, resend."""
