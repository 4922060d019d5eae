# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the certificates and keys of one cluster."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = datetime.timedelta(days=30)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Subject:
    """The user and group of a client certificate."""

    user: str
    groups: tuple[str, ...] = ()


MACHINERY = "lab:machinery"  # Group of the lab's processes; the audit policy excludes it.
CLIENTS = {
    "admin": Subject("admin", ("system:masters",)),
    "controller-manager": Subject("system:kube-controller-manager"),
    "scheduler": Subject("system:kube-scheduler"),
    "kubelet-client": Subject("lab:kubelet-client", ("system:masters", MACHINERY)),
    "kwok": Subject("lab:kwok", ("system:masters", MACHINERY)),
    "supervisor": Subject("lab:supervisor", ("system:masters", MACHINERY)),
}


class Authority:
    """The certificate authority of one cluster; it writes files into one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(constraints, critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = self._write("ca.crt", self._certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + VALID_FOR)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            # Since version 3.13, Python refuses certificates without it.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )

    def _write(self, name: str, data: bytes) -> Path:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        return path

    def issue(self, name: str, subject: Subject, hosts: tuple[str, ...] = ()) -> KeyPair:
        """Return a certificate for a client or, with hosts, for a server."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in subject.groups]
        attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, subject.user))
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(x509.Name(attributes), key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(
            self._write(f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{name}.key", _pem(key)),
        )

    def signing_key(self) -> KeyPair:
        """Return the key pair that signs ServiceAccount tokens. Its `certificate` is only a public key."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return KeyPair(self._write("service-accounts.pub", public), self._write("service-accounts.key", _pem(key)))


@dataclass(frozen=True)
class Pki:
    """All files of one cluster."""

    ca: Path
    server: KeyPair
    service_accounts: KeyPair
    clients: dict[str, KeyPair]


def create(folder: Path, first_service_ip: str) -> Pki:
    """Create all files of a cluster."""
    authority = Authority(folder)
    hosts = ("localhost", "kubernetes.default.svc", "127.0.0.1", first_service_ip)
    return Pki(
        ca=authority.certificate,
        server=authority.issue("server", Subject("kube-apiserver"), hosts),
        service_accounts=authority.signing_key(),
        clients={name: authority.issue(name, subject) for name, subject in CLIENTS.items()},
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
