"""Sends for later and recurring sends."""
