"""A made-up school group, and a player that runs a school day with it over the public API."""
