"""From delivery rows to providers, and from their answers back to rows and tasks."""
