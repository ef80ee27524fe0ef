"""Internal authentication between services and conditional requests."""
