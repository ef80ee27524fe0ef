"""Make the secrets of the local stack once, readable by their owner only."""

import base64
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from cli.layout import write_private

SIGNING, VERIFY, VAULT = "signing-key.pem", "verify-key.pem", "vault-key"


def make_keys(folder: Path) -> None:
    """Make the Ed25519 pair that signs access tokens, and the key that wraps every subject's key (32 bytes, base64)."""
    if not (folder / SIGNING).exists():
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(folder / SIGNING, pem)
    signing = load_pem_private_key((folder / SIGNING).read_bytes(), password=None)
    public = signing.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_private(folder / VERIFY, public)
    if not (folder / VAULT).exists():
        write_private(folder / VAULT, base64.b64encode(secrets.token_bytes(32)))


def password(folder: Path, name: str) -> str:
    """Return the password `name`, which can stand in a URL; make it if it is missing."""
    path = folder / f"{name}.password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24).encode())
    return path.read_text()
