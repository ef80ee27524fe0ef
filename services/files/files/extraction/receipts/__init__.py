"""Receipts and invoices: who was paid, how much, when, for what."""
