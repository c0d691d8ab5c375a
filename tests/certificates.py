"""Certificates of the moment, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from isthmus.shell.config import Tls


def certificates(directory: Path, name: str = "end") -> Tls:
    """A new authority, and one certificate from it for both ends, of this common name."""

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    key, request, certificate = (str(directory / f"end.{kind}") for kind in ("key", "csr", "pem"))
    ca_key, ca = str(directory / "ca.key"), str(directory / "ca.pem")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=authority")
    openssl("req", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", certificate)
    return Tls(Path(key), Path(certificate), Path(ca))
