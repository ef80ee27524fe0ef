"""Making a report: the request, its work under a lease, its files, and their removal."""
