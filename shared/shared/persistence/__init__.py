"""PostgreSQL: connections, migrations, encryption of personal fields."""
