"""The schema that the report service's tables share."""

from shared.persistence.schema import Table, schema


class ReportsTable(Table):
    """A table of the report service's schema."""

    metadata = schema()
