"""The schema that the file service's tables share."""

from shared.persistence.schema import Table, schema


class FilesTable(Table):
    """A table of the file service's schema."""

    metadata = schema()
