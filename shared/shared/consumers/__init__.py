"""At-least-once processing: batches, retries, quarantine, dead letters."""
