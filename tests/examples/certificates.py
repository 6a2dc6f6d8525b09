"""Certificates and tokens for the scenarios, created for each run."""

import base64
import datetime
import ipaddress
import json
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
_TOMORROW = _YESTERDAY + datetime.timedelta(days=2)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject, issuer, key):
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_YESTERDAY)
        .not_valid_after(_TOMORROW)
    )


class Authority:
    """A root that signs certificates; `ca` is its file."""

    def __init__(self, folder, name):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _builder(name, self.name, self.key)
        builder = builder.add_extension(x509.BasicConstraints(True, None), True).add_extension(usage, True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.ca = folder / f"{name}.pem"
        self.ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name, dns=(), ips=(), uris=()):
        """The files of a new certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.name, key)
        names = [*map(x509.DNSName, dns), *map(x509.UniformResourceIdentifier, uris)]
        names += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), False)
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
        certificate = builder.sign(self.key, hashes.SHA256())
        cert, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        key_file.write_bytes(key.private_bytes(*pkcs8))
        return cert, key_file


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs bearer tokens as a cluster does for its service accounts; `jwks` is the file with its public key."""

    ISSUER, AUDIENCE = "https://issuer.example", "codepipeline-gateway"

    def __init__(self, folder):
        self.key = rsa.generate_private_key(65537, 2048)
        numbers = self.key.public_key().public_numbers()
        number = lambda n: _base64url(n.to_bytes((n.bit_length() + 7) // 8))
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "key-1", "n": number(numbers.n), "e": number(numbers.e)}
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [jwk]}))

    def token(self, subject, expires_in=3600):
        now = int(time.time())
        claims = {"iss": self.ISSUER, "aud": self.AUDIENCE, "sub": subject, "iat": now, "exp": now + expires_in}
        parts = {"alg": "RS256", "typ": "JWT", "kid": "key-1"}, claims
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"
