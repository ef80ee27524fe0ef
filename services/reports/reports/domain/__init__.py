"""Values and pure rules of the report service: what a report says, before it is drawn."""
