"""PostgreSQL: connections, migrations, declared tables and reads of them, encryption of personal fields."""
