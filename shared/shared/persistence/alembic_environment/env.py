"""Runs the missing revisions of one history on the connection of `migration_runner`. Alembic executes this file."""

from alembic import context

chain = context.config.attributes["chain"]
context.configure(
    connection=context.config.attributes["connection"],
    version_table=chain.table,
    version_table_schema=chain.schema,
    on_version_apply=context.config.attributes["applied"],
    transactional_ddl=False,  # the caller has the transaction, or none
)
context.run_migrations()
