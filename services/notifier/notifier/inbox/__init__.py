"""People's inboxes."""
