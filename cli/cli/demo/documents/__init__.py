"""Make receipts, transcripts and behaviour reports as PDF: the demo uploads some, the corpus of tests has many more."""
