"""Certificates for the run, made by openssl: one authority, any number of leaves, an hour each."""

import pathlib
import tempfile

from cluster import command


class Authority:
    """An authority and what it has signed; all of it goes with the directory."""

    def __init__(self, name="e2e"):
        self._scratch = tempfile.TemporaryDirectory()
        self._at = pathlib.Path(self._scratch.name)
        self._key("ca.key")
        command(
            "openssl",
            "req",
            "-x509",
            "-new",
            "-key",
            self._path("ca.key"),
            "-out",
            self._path("ca.crt"),
            "-days",
            "1",
            "-subj",
            f"/CN={name}",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        )
        self.pem = (self._at / "ca.crt").read_text()

    def leaf(self, *names):
        """A new certificate and its key, and its serial number in decimal; names as openssl has them: DNS:…, URI:…"""
        self._key("leaf.key")
        command(
            "openssl", "req", "-new", "-key", self._path("leaf.key"), "-out", self._path("leaf.csr"), "-subj", "/CN=e2e"
        )
        (self._at / "extensions").write_text(
            f"subjectAltName={','.join(names)}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n"
        )
        command(
            "openssl",
            "x509",
            "-req",
            "-in",
            self._path("leaf.csr"),
            "-CA",
            self._path("ca.crt"),
            "-CAkey",
            self._path("ca.key"),
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            self._path("extensions"),
            "-out",
            self._path("leaf.crt"),
        )
        serial = (
            command("openssl", "x509", "-noout", "-serial", "-in", self._path("leaf.crt"))
            .strip()
            .removeprefix("serial=")
        )
        return (self._at / "leaf.crt").read_text(), (self._at / "leaf.key").read_text(), str(int(serial, 16))

    def server(self, service, namespace):
        """A certificate for a Service and its headless twin."""
        names = [f"DNS:{each}.{namespace}.svc" for each in (service, f"{service}-headless")]
        return self.leaf(*names)

    def _key(self, name):
        command("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self._path(name))

    def _path(self, name):
        return str(self._at / name)
