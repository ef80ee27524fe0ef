"""Decisions of people about files: confirm, delete, restore, read again; and what they see of files."""
