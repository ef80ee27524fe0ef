"""The console: pages for school staff and operators. They call what the API's routes call, with the same access."""
