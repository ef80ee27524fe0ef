"""Tells what a school's logo is, by its first bytes."""

from typing import Any

SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"<svg": "svg", b"<?xml": "svg"}


def logo_format(logo: bytes) -> str | None:
    """Return `png` or `svg`, or None for anything else."""
    start = logo.lstrip(b"\xef\xbb\xbf \t\r\n")
    return next((name for signature, name in SIGNATURES.items() if start.startswith(signature)), None)


def logo_data(logo: bytes | None) -> dict[str, Any] | None:
    """Return a logo as the template reads it; None if there is none that can be drawn."""
    found = logo_format(logo) if logo else None
    if not logo or found is None:
        return None
    return {"format": found, "bytes": list(logo)}
