"""A made-up school group, and a player that puts it through a day over the public API."""
