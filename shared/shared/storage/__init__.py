"""Blobs: uploads, thumbnails and reports, in a local folder, in S3 or in Google Cloud Storage, behind one Protocol."""
