"""Admission of requests, access control, rate limits, audit."""
