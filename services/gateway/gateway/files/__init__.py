"""Files: uploads from their first byte to the file service, what becomes of them there, and the records they say."""
