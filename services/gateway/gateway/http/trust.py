"""The certificate authorities that the gateway's clients trust."""

import ssl
from functools import cache

import httpx


@cache
def authorities() -> ssl.SSLContext:
    """Load them once. httpx loads them for each client, which takes 90 ms of a core."""
    return httpx.create_ssl_context()
