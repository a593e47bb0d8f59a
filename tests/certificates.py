"""Certificates for servers of tests that speak TLS."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificates(folder: Path, host: str) -> tuple[Path, Path]:
    """Write an authority, and a certificate by it for a host with its key: two files in PEM."""
    now = datetime.datetime.now(datetime.timezone.utc)
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def certificate(name: str, key: Any, more: x509.ExtensionType) -> x509.Certificate:
        named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        builder = x509.CertificateBuilder(issuer, named, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        for extension in (more, identity, signer):
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(root, hashes.SHA256())

    def pem(found: x509.Certificate) -> bytes:
        return found.public_bytes(serialization.Encoding.PEM)

    authority, pair = folder / "authority.pem", folder / "pair.pem"
    authority.write_bytes(pem(certificate("tests", root, x509.BasicConstraints(ca=True, path_length=None))))
    key = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair.write_bytes(key + pem(certificate(host, leaf, x509.SubjectAlternativeName([x509.DNSName(host)]))))
    return authority, pair
