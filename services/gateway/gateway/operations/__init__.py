"""Operating the system: failures and what becomes of them, retries in bulk, replay."""
