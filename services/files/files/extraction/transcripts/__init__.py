"""School reports: which student has which grade in which subject."""
