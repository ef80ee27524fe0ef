"""Downloads of blobs by short-lived links, for files and reports."""
