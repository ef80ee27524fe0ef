"""`python -m cli.fakes.certs DIR --token-uri URL`: make temporary credentials for the fakes.

It writes ca.pem, localhost.pem, localhost-key.pem and service-account.json into DIR and keeps those that are still
valid, so a second run changes nothing.
"""

import argparse
import datetime as dt
import ipaddress
import json
import secrets
from collections.abc import Sequence
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

log = structlog.get_logger()

PROJECT = "schoolconnect-local"
LIFETIME = dt.timedelta(days=365)
MARGIN = dt.timedelta(days=7)


def main() -> None:
    parser = argparse.ArgumentParser(description="make a temporary CA, localhost certificate and service account")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--token-uri", required=True, help="OAuth endpoint of the fake FCM, https://…/token")
    parser.add_argument("--project", default=PROJECT, help="Firebase project id")
    options = parser.parse_args()
    made = make(options.folder, token_uri=options.token_uri, project=options.project)
    log.info("fake.credentials_written", folder=str(options.folder), made=made)


def make(folder: Path, *, token_uri: str, project: str = PROJECT, hosts: Sequence[str] = ()) -> list[str]:
    """Make the files in `folder` that are missing, expired or wrong; return the names of the written files.

    `hosts` are names of the server beside localhost.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    if not certificate_holds(folder, hosts):
        ca, leaf, key = localhost_certificate(hosts)
        _write(folder / "ca.pem", ca, 0o644)
        _write(folder / "localhost-key.pem", key, 0o600)
        _write(folder / "localhost.pem", leaf, 0o644)
        made += ["ca.pem", "localhost.pem", "localhost-key.pem"]
    account = folder / "service-account.json"
    if not account_holds(account, token_uri=token_uri, project=project):
        text = json.dumps(service_account(token_uri=token_uri, project=project), indent=2)
        _write(account, text.encode(), 0o600)
        made.append(account.name)
    return made


def certificate_holds(folder: Path, hosts: Sequence[str] = ()) -> bool:
    """Whether the three PEM files exist, belong together, name `hosts` and are valid for another week."""
    try:
        ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        leaf = x509.load_pem_x509_certificate((folder / "localhost.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "localhost-key.pem").read_bytes(), password=None)
        leaf.verify_directly_issued_by(ca)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    if not {*hosts} <= {*names.get_values_for_type(x509.DNSName)}:
        return False
    soon = dt.datetime.now(dt.UTC) + MARGIN
    return key.public_key() == leaf.public_key() and min(ca.not_valid_after_utc, leaf.not_valid_after_utc) > soon


def account_holds(path: Path, *, token_uri: str, project: str) -> bool:
    """Whether the service account can be read and names this token endpoint and project."""
    try:
        account = json.loads(path.read_text())
        serialization.load_pem_private_key(account["private_key"].encode(), password=None)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False
    return (account.get("token_uri"), account.get("project_id")) == (token_uri, project)


def localhost_certificate(hosts: Sequence[str] = ()) -> tuple[bytes, bytes, bytes]:
    """Return PEMs of a new CA, of a certificate for localhost and `hosts`, and of its key. The CA's key is not kept."""
    ca_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, leaf_name = _name("SchoolConnect fake CA"), _name("localhost")
    ca = (
        _certificate(ca_name, ca_name, ca_key.public_key(), ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
    leaf = (
        _certificate(leaf_name, ca_name, leaf_key.public_key(), ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*map(x509.DNSName, ("localhost", *hosts)), *addresses]), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return ca.public_bytes(pem), leaf.public_bytes(pem), _private_pem(leaf_key)


def service_account(*, token_uri: str, project: str) -> dict[str, str]:
    """Return the content of a service-account file as the Firebase console makes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": secrets.token_hex(20),
        "private_key": _private_pem(key).decode(),
        "client_email": f"fake@{project}.example.org",
        "client_id": "100000000000000000000",
        "auth_uri": token_uri,
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        key_cert_sign=certificates,
        crl_sign=certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    # Renamed into place, so that a reader never sees half a key.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=mode)
    draft.write_bytes(content)
    draft.replace(path)


if __name__ == "__main__":
    main()
