"""PostgreSQL: how tables are declared and read."""
