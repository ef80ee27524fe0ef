"""The schema that the notifier's tables share."""

from shared.persistence.schema import Table, schema


class NotifierTable(Table):
    """A table of the notifier's schema."""

    metadata = schema()
