"""Run tests and measurements on servers of their own."""
