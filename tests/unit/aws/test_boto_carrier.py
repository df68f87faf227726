"""What really goes over the wire, and what botocore makes of it, in neutral terms."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest

from tests.support.commands import aws_variables
from tests.support.proxy import ALWAYS, Exchange, Proxy, cut_off, delayed, lost, refused, web_page
from vault_exec.errors import ConfigError, InvalidValueError, NoCredentialsError, VaultExecError
from vault_exec_backends.aws.boto_carrier import BotoCarrier
from vault_exec_backends.aws.errors import Lost, NotSent, Refused

CANARY = "canary-a1b2"
PUT = {"Name": "/app/key", "Value": CANARY, "Type": "SecureString"}


@pytest.fixture
def ssm(proxy: Proxy, aws: dict[str, str]) -> BotoCarrier:
    return BotoCarrier("ssm", aws, 60.0)


def carrier(monkeypatch: pytest.MonkeyPatch, service: str = "ssm", **variables: str) -> BotoCarrier:
    """A carrier in an environment of these variables alone."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    environ = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **variables,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return BotoCarrier(service, environ, 60.0)


def test_an_answer_is_its_members(ssm: BotoCarrier) -> None:
    assert ssm.send("PutParameter", PUT, 10)["Version"] == 1
    [found] = ssm.send("GetParameters", {"Names": ["/app/key"], "WithDecryption": True}, 10)["Parameters"]
    assert found["Value"] == CANARY
    assert found["LastModifiedDate"].utcoffset() is not None


def test_a_stream_is_bytes(proxy: Proxy, aws: dict[str, str]) -> None:
    s3 = BotoCarrier("s3", aws, 60.0)
    s3.send("CreateBucket", {"Bucket": "bucket"}, 10)
    s3.send("PutObject", {"Bucket": "bucket", "Key": "key", "Body": b"body"}, 10)
    assert s3.send("GetObject", {"Bucket": "bucket", "Key": "key"}, 10)["Body"] == b"body"
    proxy.spoil("GetObject", cut_off(2), nth=2)
    proxy.spoil("GetObject", changed, nth=3)
    for _ in range(2):
        with pytest.raises(Lost):
            s3.send("GetObject", {"Bucket": "bucket", "Key": "key"}, 10)
    with pytest.raises(Refused) as caught:
        s3.send("PutObject", {"Bucket": "bucket", "Key": "key", "Body": b"", "IfNoneMatch": "*"}, 10)
    assert (caught.value.code, caught.value.status) == ("PreconditionFailed", 412)


def changed(exchange: Exchange) -> None:
    """The body is another than the one that the checksum beside it is of."""
    status, headers, body = exchange.forward()
    exchange.send(status, headers, body[::-1])


def test_each_call_is_one_attempt(ssm: BotoCarrier, proxy: Proxy) -> None:
    for fault in (refused(400, "ThrottlingException"), refused(503, "ServiceUnavailable")):
        proxy.reset()
        proxy.spoil("PutParameter", fault)
        with pytest.raises(Refused):
            ssm.send("PutParameter", PUT, 10)
        assert proxy.counts == {"PutParameter": 1}


def test_a_refusal_has_code_status_and_request(ssm: BotoCarrier, proxy: Proxy) -> None:
    proxy.spoil("PutParameter", refused(400, "ThrottlingException", "slow down"))
    with pytest.raises(Refused) as caught:
        ssm.send("PutParameter", PUT, 10)
    error = caught.value
    assert (error.code, error.status, error.message) == ("ThrottlingException", 400, "slow down")
    assert error.request_id


def test_answers_that_are_none(ssm: BotoCarrier, proxy: Proxy) -> None:
    for nth, (fault, malformed) in enumerate(
        [(lost, False), (cut_off(0), False), (cut_off(7), False), (web_page, True)], 1
    ):
        proxy.spoil("DescribeParameters", fault, nth=nth)
        with pytest.raises(Lost) as caught:
            ssm.send("DescribeParameters", {}, 10)
        assert caught.value.malformed is malformed


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_that_is_not_from_aws_is_no_refusal(ssm: BotoCarrier, proxy: Proxy, status: int) -> None:
    """A proxy's 403 is no missing permission."""

    def blocked(exchange: Exchange) -> None:
        exchange.send(status, {"Content-Type": "text/html"}, b"<!doctype html><title>Blocked</title>")

    proxy.spoil("PutParameter", blocked)
    with pytest.raises(Lost, match=f"not from AWS .status {status}") as caught:
        ssm.send("PutParameter", PUT, 10)
    assert caught.value.malformed


def test_nobody_waits_longer_than_was_said(ssm: BotoCarrier, proxy: Proxy) -> None:
    ssm.send("DescribeParameters", {}, 10)
    proxy.spoil("DescribeParameters", delayed(20), nth=2)
    began = time.monotonic()
    with pytest.raises(Lost, match="the time is over"):
        ssm.send("DescribeParameters", {}, 0.3)
    assert time.monotonic() - began < 3


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://user:{CANARY}@127.0.0.1:{reserved.getsockname()[1]}/path"
        lonely = carrier(monkeypatch, **aws_variables(url))
        with pytest.raises(NotSent, match=r"cannot connect to http://127\.0\.0\.1:\d+$"):
            lonely.send("DescribeParameters", {}, 10)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, moto: object) -> None:
    nobody = carrier(monkeypatch, AWS_REGION="us-east-1", AWS_ENDPOINT_URL=moto.url)  # type: ignore[attr-defined]
    with pytest.raises(NoCredentialsError, match="no AWS credentials") as caught:
        nobody.send("DescribeParameters", {}, 10)
    assert "AWS_PROFILE" in (caught.value.hint or "")


def test_half_of_the_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    half = carrier(monkeypatch, AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID="x")
    with pytest.raises(NoCredentialsError):
        half.send("DescribeParameters", {}, 10)


def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no AWS region") as caught:
        carrier(monkeypatch).send("DescribeParameters", {}, 10)
    assert "AWS_REGION" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_PROFILE": "nobody"}, "nobody"),
        ({"AWS_REGION": "not a region"}, "not a region"),
        ({"AWS_REGION": "us-east-1", "CHAMBER_AWS_SSM_ENDPOINT": "nonsense"}, "nonsense"),
        ({"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "nonsense"}, "nonsense"),
    ],
    ids=["profile", "region", "endpoint", "aws-endpoint"],
)
def test_settings_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    with pytest.raises(ConfigError, match=said) as caught:
        carrier(monkeypatch, **keys, **variables).send("DescribeParameters", {}, 10)
    assert caught.value.exit_code == 2


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A server that speaks TLS with a certificate that nobody issued: its URL and that certificate's file."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b'{"Parameters": []}'
            self.send_response(200)
            self.send_header("x-amzn-RequestId", "id")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    folder = tmp_path_factory.mktemp("tls")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - clients that do not trust it
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", str(folder / "certificate.pem")
    server.shutdown()
    server.server_close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, made now."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_authorities_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, tls: tuple[str, str], tmp_path: Path
) -> None:
    url, trusted = tls
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for bundle, said in (
        (None, "self-signed"),
        (str(tmp_path / "absent.pem"), "No such file"),
        (str(empty), "NO_CERTIFICATE"),
    ):
        variables = aws_variables(url) | ({"AWS_CA_BUNDLE": bundle} if bundle else {})
        with pytest.raises(ConfigError, match=said) as caught:
            carrier(monkeypatch, **variables).send("DescribeParameters", {}, 10)
        assert "AWS_CA_BUNDLE" in (caught.value.hint or "")
    variables = aws_variables(url) | {"AWS_CA_BUNDLE": trusted}
    assert carrier(monkeypatch, **variables).send("DescribeParameters", {}, 10)["Parameters"] == []


def test_the_region_of_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: Proxy) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile mine]\nregion = eu-west-3\naws_access_key_id = x\naws_secret_access_key = x\n"
    )
    variables = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "mine"}
    by_profile = carrier(monkeypatch, AWS_ENDPOINT_URL=proxy.url, **variables)
    by_profile.send("PutParameter", PUT, 10)
    for region, count in (("eu-west-3", 1), ("eu-west-1", 0)):
        here = carrier(monkeypatch, CHAMBER_AWS_REGION=region, AWS_ENDPOINT_URL=proxy.url, **variables)
        assert len(here.send("DescribeParameters", {}, 10)["Parameters"]) == count


def test_chambers_endpoint_goes_before_aws_own(monkeypatch: pytest.MonkeyPatch, proxy: Proxy) -> None:
    variables = {**aws_variables("http://127.0.0.1:9"), "CHAMBER_AWS_SSM_ENDPOINT": proxy.url}
    carrier(monkeypatch, **variables).send("DescribeParameters", {}, 10)
    assert proxy.counts == {"DescribeParameters": 1}


def test_credentials_that_hang_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = us-east-1\ncredential_process = sleep 5\n")
    slow = carrier(monkeypatch, AWS_CONFIG_FILE=str(config))
    began = time.monotonic()
    with pytest.raises(Lost):
        slow.send("DescribeParameters", {}, 0.5)
    assert time.monotonic() - began < 3


def test_a_credential_process_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion = us-east-1\ncredential_process = false\n")
    with pytest.raises(NoCredentialsError, match="cannot be had"):
        carrier(monkeypatch, AWS_CONFIG_FILE=str(config)).send("DescribeParameters", {}, 10)


def test_a_credential_process_that_talks_nonsense(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = us-east-1\ncredential_process = echo {CANARY}\n")
    with pytest.raises(NoCredentialsError, match="cannot be had") as caught:
        carrier(monkeypatch, AWS_CONFIG_FILE=str(config)).send("DescribeParameters", {}, 10)
    assert CANARY not in str(caught.value)


def test_a_role_is_taken_or_who_refuses_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: Proxy
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion = us-east-1\n"
        "role_arn = arn:aws:iam::123456789012:role/deploy\nsource_profile = me\n"
        "[profile me]\naws_access_key_id = x\naws_secret_access_key = x\n"
    )
    variables = {"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL": proxy.url}
    proxy.spoil("AssumeRole", refused(403, "AccessDenied"))
    with pytest.raises(NoCredentialsError, match=r"AssumeRole is refused: AccessDenied") as caught:
        carrier(monkeypatch, **variables).send("PutParameter", PUT, 10)
    assert "role" in (caught.value.hint or "")
    proxy.spoil("AssumeRole", lost, nth=2, times=ALWAYS)
    with pytest.raises(NotSent):  # so that nobody asks whether the write was done
        carrier(monkeypatch, **variables).send("PutParameter", PUT, 60)
    proxy.reset()
    assert carrier(monkeypatch, **variables).send("PutParameter", PUT, 10)["Version"] == 1
    assert proxy.counts == {"AssumeRole": 1, "PutParameter": 1}


def test_what_aws_would_not_take_is_not_repeated_in_the_error(ssm: BotoCarrier) -> None:
    with pytest.raises(InvalidValueError) as caught:
        ssm.send("PutParameter", {**PUT, "Value": CANARY.encode()}, 10)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_no_logger_of_botocore_prints_a_value(
    proxy: Proxy, aws: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "botocore.endpoint"):
        talkative = BotoCarrier("ssm", aws, 60.0)
        talkative.send("PutParameter", PUT, 10)
        logging.getLogger("botocore.parsers").setLevel(logging.DEBUG)
        talkative.send("GetParameters", {"Names": ["/app/key"], "WithDecryption": True}, 10)
        proxy.spoil("PutParameter", refused(400, "ValidationException", CANARY), nth=2)
        with pytest.raises(Refused):
            talkative.send("PutParameter", PUT, 10)
    assert not [record for record in caplog.records if CANARY in record.getMessage()]


def test_every_error_of_ours_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VaultExecError) as caught:
        carrier(monkeypatch, AWS_PROFILE="nobody").send("DescribeParameters", {}, 10)
    assert "\n" not in str(caught.value)
