"""The notifier's copy of the directory, and the erasure of people."""
