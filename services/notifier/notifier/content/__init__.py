"""Texts: templates, their rendering, and the messages that providers take."""
