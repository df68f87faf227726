"""TLS with real handshakes on loopback: whom the carrier trusts, and whom it does not."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.server import Server, Step, answer
from vault_exec.errors import ConfigError
from vault_exec_backends.aws.errors import Lost, NotSent
from vault_exec_backends.aws.light import Unusual, url
from vault_exec_backends.aws.light.http import Connections, Deadline
from vault_exec_backends.aws.light.tls import Trust


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture(scope="module")
def theirs(folder: Path) -> Authority:
    return Authority(folder, "theirs")


def call(address: str, trust: Trust | dict[str, str]) -> bytes:
    """The answer's body. trust: or the variables that say whom to trust."""
    server, _ = url.parsed(address)
    to = Connections(server, trust if isinstance(trust, Trust) else Trust(trust))
    return to.call("POST", "/", {"host": "here"}, b"{}", Deadline(5)).body


# -- trusted ------------------------------------------------------------------------------------------------


def test_a_bundle_of_ones_own(ours: Authority) -> None:
    with Server(answer(b"yes"), tls=ours.server()) as server:
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            assert call(server.url, {name: str(ours.pem)}) == b"yes"


def test_a_folder_of_ones_own(ours: Authority, tmp_path: Path) -> None:
    hashed = str(ours.hashed(tmp_path / "hashed"))
    with Server(answer(b"yes"), tls=ours.server()) as server:
        for name in ("AWS_CA_BUNDLE", "SSL_CERT_DIR"):
            assert call(server.url, {name: hashed}) == b"yes"


def test_a_host_by_its_name(ours: Authority) -> None:
    with Server(answer(b"yes"), tls=ours.server("localhost")) as server:
        named = f"https://localhost:{server.port}"
        assert call(named, {"AWS_CA_BUNDLE": str(ours.pem)}) == b"yes"


def test_an_ipv6_address(ours: Authority) -> None:
    with Server(answer(b"yes"), tls=ours.server("::1"), host="::1") as server:
        assert call(server.url, {"AWS_CA_BUNDLE": str(ours.pem)}) == b"yes"


def test_a_kept_connection_needs_no_second_handshake(ours: Authority) -> None:
    with Server(answer(b"yes"), tls=ours.server()) as server:
        place, _ = url.parsed(server.url)
        to = Connections(place, Trust({"AWS_CA_BUNDLE": str(ours.pem)}))
        for _ in range(3):
            assert to.call("POST", "/", {}, b"x" * 100_000, Deadline(5)).body == b"yes"
        assert server.connections == 1


def test_the_systems_folder_and_then_its_bundle(ours: Authority, theirs: Authority, tmp_path: Path) -> None:
    system = str(ours.pem), str(theirs.hashed(tmp_path / "hashed"))
    trust = Trust({}, system)
    for authority in (theirs, ours, theirs):
        with Server(answer(b"yes"), tls=authority.server()) as server:
            assert call(server.url, trust) == b"yes"


def test_the_systems_bundle_alone(ours: Authority, tmp_path: Path) -> None:
    with Server(answer(b"yes"), tls=ours.server()) as server:
        assert call(server.url, Trust({}, (str(ours.pem), str(tmp_path)))) == b"yes"


def test_a_system_without_authorities_is_unusual(ours: Authority, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nothing")
    with Server(answer(b"no"), tls=ours.server()) as server, pytest.raises(Unusual):
        call(server.url, Trust({}, (nowhere, nowhere)))


def test_what_is_named_replaces_the_systems(ours: Authority, theirs: Authority) -> None:
    trust = Trust({"AWS_CA_BUNDLE": str(ours.pem)}, (str(theirs.pem), "/nowhere"))
    with Server(answer(b"no"), tls=theirs.server()) as server, pytest.raises(ConfigError):
        call(server.url, trust)


# -- not trusted --------------------------------------------------------------------------------------------


def refused(server_side: ssl.SSLContext, environ: dict[str, str], match: str) -> None:
    with Server(answer(b"no"), tls=server_side) as server:
        with pytest.raises(ConfigError, match=match) as caught:
            call(server.url, environ)
        assert "AWS_CA_BUNDLE" in (caught.value.hint or "")
        assert server.requests == []


def test_a_wrong_host(ours: Authority) -> None:
    environ = {"AWS_CA_BUNDLE": str(ours.pem)}
    refused(ours.server("127.0.0.2"), environ, "IP address mismatch")
    with Server(answer(b"no"), tls=ours.server("other.example.com")) as server:
        with pytest.raises(ConfigError, match="Hostname mismatch"):
            call(f"https://localhost:{server.port}", environ)
        assert server.requests == []


def test_a_wrong_authority(ours: Authority, theirs: Authority) -> None:
    refused(theirs.server(), {"AWS_CA_BUNDLE": str(ours.pem)}, "unable to get local issuer")


def test_the_systems_authorities_do_not_know_ours(ours: Authority) -> None:
    refused(ours.server(), {}, "cannot be trusted")


def test_an_expired_certificate(ours: Authority) -> None:
    refused(ours.server(ended=True), {"AWS_CA_BUNDLE": str(ours.pem)}, "expired")


def test_a_self_signed_certificate(ours: Authority) -> None:
    refused(ours.server(own=True), {"AWS_CA_BUNDLE": str(ours.pem)}, "self-signed")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_an_old_version(ours: Authority, version: ssl.TLSVersion) -> None:
    side = ours.server()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is what this test is about
        side.set_ciphers("ALL:@SECLEVEL=0")  # or OpenSSL would refuse it on the server's side
        side.minimum_version = ssl.TLSVersion.TLSv1
        side.maximum_version = version
    with Server(answer(b"no"), tls=side) as server:
        with pytest.raises(NotSent, match=r"(?i)protocol.*version|version|alert"):
            call(server.url, {"AWS_CA_BUNDLE": str(ours.pem)})
        assert server.requests == []


def test_version_1_2_will_do(ours: Authority) -> None:
    side = ours.server()
    side.maximum_version = ssl.TLSVersion.TLSv1_2
    with Server(answer(b"yes"), tls=side) as server:
        assert call(server.url, {"AWS_CA_BUNDLE": str(ours.pem)}) == b"yes"


@pytest.mark.parametrize(
    ("environ", "match"),
    [
        (lambda here: {"AWS_CA_BUNDLE": f"{here}/absent.pem"}, "No such file"),
        (lambda here: {"AWS_CA_BUNDLE": f"{here}/empty.pem"}, "NO_CERTIFICATE"),
        (lambda here: {"SSL_CERT_FILE": f"{here}/absent.pem"}, "No such file"),
        (lambda here: {"SSL_CERT_DIR": str(here)}, "unable to get local issuer"),
    ],
)
def test_what_is_named_is_all_that_counts(
    ours: Authority, tmp_path: Path, environ: Callable[[Path], dict[str, str]], match: str
) -> None:
    (tmp_path / "empty.pem").write_text("nothing\n")
    refused(ours.server(), environ(tmp_path), match)


def test_awss_bundle_goes_before_openssls(ours: Authority, theirs: Authority) -> None:
    refused(
        theirs.server(),
        {"AWS_CA_BUNDLE": str(ours.pem), "SSL_CERT_FILE": str(theirs.pem)},
        "unable to get local issuer",
    )


def test_no_tls_at_all() -> None:
    with Server(answer(b"no")) as server, pytest.raises(NotSent, match="by TLS"):
        call(
            server.url.replace("http", "https"),
            {"SSL_CERT_FILE": ssl.get_default_verify_paths().openssl_cafile},
        )


def test_an_end_without_goodbye_may_be_a_part(ours: Authority) -> None:
    """A body that lasts to the end of the connection: TLS must say that this is the end."""
    cut = Step(b"HTTP/1.1 200 OK\r\n\r\npart", closes=True)
    with Server(cut, tls=ours.server()) as server, pytest.raises(Lost):
        call(server.url, {"AWS_CA_BUNDLE": str(ours.pem)})
