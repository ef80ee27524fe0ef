"""Reports: requested here, made by the report service, downloaded by links."""
