"""From an intent to delivery rows, and the decisions that change a plan."""
