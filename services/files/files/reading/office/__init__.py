"""DOCX and XLSX: the archive is checked first, then read without running or following anything in it."""
