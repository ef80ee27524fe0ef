"""The schema that the gateway's tables share."""

from shared.persistence.schema import Table, schema


class GatewayTable(Table):
    """A table of the gateway's schema."""

    metadata = schema()
