"""Where keys come from: each place a server or file of this test's own, and the requests that reach it."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from tests.support.server import Request, Server, Step, answer
from vault_exec.errors import NoCredentialsError
from vault_exec_backends.aws.errors import NotSent
from vault_exec_backends.aws.light import Unusual, credentials, url
from vault_exec_backends.aws.light.credentials import Constant, Fetched, Keys
from vault_exec_backends.aws.light.http import Deadline
from vault_exec_backends.aws.light.plan import Plan
from vault_exec_backends.aws.light.tls import Trust

NO_FILES = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "HOME": "/nonexistent",
}
HERE = {"AWS_REGION": "eu-west-3", **NO_FILES}
MINE = ("access", "secret", "token")


def source(**variables: str) -> Constant | Fetched:
    """Where the keys come from under these variables."""
    return Plan("ssm", {**HERE, **variables}).credentials


def keys(of: Constant | Fetched, seconds: float = 5) -> tuple[str, str, str]:
    found = of.keys(Deadline(seconds))
    return found.access, found.secret, found.token


def told(*, lasts: float = 3600, token: str = "Token", **more: Any) -> bytes:
    expires = datetime.now(UTC) + timedelta(seconds=lasts)
    return json.dumps(
        {
            "AccessKeyId": "access",
            "SecretAccessKey": "secret",
            token: "token",
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **more,
        }
    ).encode()


# -- constant -----------------------------------------------------------------------------------------------


def test_environment() -> None:
    of = source(AWS_ACCESS_KEY_ID="access", AWS_SECRET_ACCESS_KEY="secret", AWS_SESSION_TOKEN="token")
    assert keys(of) == MINE
    assert keys(source(AWS_ACCESS_KEY_ID="access", AWS_SECRET_ACCESS_KEY="secret", AWS_SESSION_TOKEN="")) == (
        "access",
        "secret",
        "",
    )


def test_the_environment_goes_before_all_else(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id=a\naws_secret_access_key=b\n")
    others = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/nowhere",
    }
    of = source(
        **others, AWS_ACCESS_KEY_ID="access", AWS_SECRET_ACCESS_KEY="secret", AWS_SESSION_TOKEN="token"
    )
    assert keys(of) == MINE
    with pytest.raises(NoCredentialsError, match="web identity"):
        keys(source(**others, AWS_ROLE_ARN="arn:aws:iam::1:role/x"))
    del others["AWS_WEB_IDENTITY_TOKEN_FILE"]
    assert keys(source(**others)) == ("a", "b", "")


def test_profile(tmp_path: Path) -> None:
    config, shared = tmp_path / "config", tmp_path / "credentials"
    config.write_text(
        "# all of it plain\n[default]\noutput = json\n"
        "[profile mine]\nregion=eu-west-1\naws_access_key_id=config\naws_secret_access_key=config\n"
    )
    shared.write_text(
        "[mine]\nAWS_Access_Key_Id = access\naws_secret_access_key: odd\n".replace(": odd", " = secret")
        + "aws_session_token = token\n"
    )
    files = {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(shared)}
    assert keys(source(**files, AWS_PROFILE="mine")) == MINE
    shared.unlink()
    assert keys(source(**files, AWS_DEFAULT_PROFILE="mine")) == ("config", "config", "")


def test_profile_at_home(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = access\naws_secret_access_key = secret\n"
    )
    plan = Plan("ssm", {"AWS_REGION": "us-east-1", "HOME": str(tmp_path)})
    assert keys(plan.credentials) == ("access", "secret", "")


# -- containers ---------------------------------------------------------------------------------------------


def test_container() -> None:
    with Server(answer(told(RoleArn="x"))) as server:
        assert keys(source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/path?id=1")) == MINE
    [request] = server.requests
    assert (request.method, request.target) == ("GET", "/path?id=1")
    assert request.headers["accept"] == "application/json"
    assert "authorization" not in request.headers


def test_container_with_a_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with Server(answer(told(lasts=100))) as server:
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/"}
        keys(source(**variables, AWS_CONTAINER_AUTHORIZATION_TOKEN="from the variable"))
        of = source(
            **variables,
            AWS_CONTAINER_AUTHORIZATION_TOKEN="from the variable",
            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(file),
        )
        for text in ("first", "second"):  # the file is renewed from time to time
            file.write_text(text)
            keys(of)
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["from the variable", "first", "second"]


def test_a_task_of_ecs_asks_the_agents_address() -> None:
    """Its address is not on loopback: only where it would be asked can be seen here."""
    asked: list[tuple[str, str]] = []
    with Server(
        Step(lambda request: asked.append((request.headers["host"], request.target)) or b"")
    ) as server:  # type: ignore[func-returns-value]
        place, path = url.parsed(f"{server.url}/v2/credentials/1")
        with pytest.raises(NotSent):
            credentials.container(place, path, {}, Trust({})).keys(Deadline(1))
    assert asked == [(f"127.0.0.1:{server.port}", "/v2/credentials/1")]
    of = source(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/credentials/1")
    began = time.monotonic()
    with pytest.raises((NotSent, NoCredentialsError), match=r"169\.254\.170\.2|container"):
        keys(of, 0.2)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("step", "error", "said"),
    [
        (answer(b"{}", 404), NoCredentialsError, "404"),
        (answer(b"", 500), NotSent, "500"),
        (answer(b"<html>"), NotSent, "JSON"),
        (answer(b"[]"), NotSent, "JSON"),
        (answer(b'{"Code": "Denied"}'), NoCredentialsError, "Denied"),
        (answer(told(Token=None)), NoCredentialsError, "without keys"),
        (Step(b"", closes=True), NotSent, "no credentials"),
    ],
)
def test_a_container_that_gives_none(step: Step, error: type[Exception], said: str) -> None:
    with Server(step) as server, pytest.raises(error, match=said) as caught:
        keys(source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/"))
    assert "secret" not in str(caught.value)


def test_a_token_that_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("to\r\nken")
    with Server(answer(told())) as server:
        variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/"}
        for file in ("token", "absent"):
            with pytest.raises(NoCredentialsError, match="token"):
                keys(source(**variables, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(tmp_path / file)))
        assert server.requests == []


# -- web identity -------------------------------------------------------------------------------------------

STS = b"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>access</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""


def web(tmp_path: Path, server: Server, **more: str) -> Constant | Fetched:
    (tmp_path / "token").write_text("a.web.token")
    return source(
        AWS_ENDPOINT_URL_STS=server.url,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/app",
        AWS_STS_REGIONAL_ENDPOINTS="regional",
        **more,
    )


def test_web_identity(tmp_path: Path) -> None:
    with Server(answer(STS)) as server:
        assert keys(web(tmp_path, server, AWS_ROLE_SESSION_NAME="me")) == MINE
        keys(web(tmp_path, server))
    named, unnamed = server.requests
    assert parse_qs(named.body.decode()) == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": ["arn:aws:iam::123456789012:role/app"],
        "RoleSessionName": ["me"],
        "WebIdentityToken": ["a.web.token"],
    }
    assert "authorization" not in named.headers  # whoever has the token may do this
    assert parse_qs(unnamed.body.decode())["RoleSessionName"][0].startswith("botocore-session-")


def test_web_identity_at_moto(tmp_path: Path, moto: Any) -> None:
    (tmp_path / "token").write_text("a.web.token")
    of = source(
        AWS_ENDPOINT_URL=moto.url,
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/app",
    )
    assert all(keys(of))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "ExpiredTokenException", NoCredentialsError),
        (403, "AccessDenied", NoCredentialsError),
        (400, "Throttling", NotSent),
        (400, "IDPCommunicationError", NotSent),
        (503, "ServiceUnavailable", NotSent),
    ],
)
def test_a_web_identity_that_is_refused(
    tmp_path: Path, status: int, code: str, error: type[Exception]
) -> None:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>a.web.token</Message></Error></ErrorResponse>"
    with Server(answer(body.encode(), status)) as server, pytest.raises(error, match=code) as caught:
        keys(web(tmp_path, server))
    assert "a.web.token" not in str(caught.value)


# -- EC2 ----------------------------------------------------------------------------------------------------


def metadata(request: Request) -> bytes:
    """IMDSv2, as its documentation says."""
    if request.method == "PUT" and request.target == "/latest/api/token":
        assert request.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
        return answer(b"imds-token").data  # type: ignore[return-value]
    if request.headers.get("x-aws-ec2-metadata-token") != "imds-token":
        return answer(b"", 401).data  # type: ignore[return-value]
    role = "/latest/meta-data/iam/security-credentials/"
    bodies = {role: b"my-role\n", role + "my-role": told(Code="Success")}
    return answer(bodies.get(request.target, b""), 200 if request.target in bodies else 404).data  # type: ignore[return-value]


def test_machine() -> None:
    with Server(Step(metadata)) as server:
        assert keys(source(AWS_EC2_METADATA_SERVICE_ENDPOINT=server.url)) == MINE
        assert [request.method for request in server.requests] == ["PUT", "GET", "GET"]
        assert server.connections == 1


def test_a_machine_without_imdsv2_is_unusual() -> None:
    with Server(answer(b"", 403)) as server, pytest.raises(Unusual):
        keys(source(AWS_EC2_METADATA_SERVICE_ENDPOINT=server.url))


def test_a_machine_without_a_role() -> None:
    with Server(answer(b"imds-token"), answer(b"", 404)) as server, pytest.raises(NoCredentialsError):
        keys(source(AWS_EC2_METADATA_SERVICE_ENDPOINT=server.url))


def test_no_machine_at_all() -> None:
    with pytest.raises(NoCredentialsError, match="there are no AWS credentials") as caught:
        keys(source(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9"))
    assert "AWS_PROFILE" in (caught.value.hint or "")


# -- how long they last -------------------------------------------------------------------------------------


def test_keys_that_last_are_asked_for_once() -> None:
    with Server(answer(told(lasts=3600))) as server:
        of = source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/")
        threads = [threading.Thread(target=keys, args=(of,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 1


def test_keys_that_are_about_to_expire_are_renewed() -> None:
    with Server(answer(told(lasts=200)), answer(b"", 500), answer(told(lasts=3600, Token="new"))) as server:
        of = source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/")
        assert [keys(of)[2] for _ in range(4)] == ["token", "token", "new", "new"]
        assert len(server.requests) == 3


def test_keys_that_have_expired_are_not_used_for_want_of_new_ones() -> None:
    with Server(answer(told(lasts=-10)), answer(b"", 500)) as server:
        of = source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/")
        keys(of)  # the service will say that they have expired; nobody else's clock is to be trusted
        with pytest.raises(NotSent):
            keys(of)


def test_nobody_waits_for_ever() -> None:
    silent = Step(lambda request: time.sleep(1) or b"")  # type: ignore[func-returns-value]
    with Server(silent) as server:
        of = source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/")
        outcomes: list[str] = []

        def ask() -> None:
            try:
                keys(of, 0.3)
            except NotSent as error:
                outcomes.append(str(error))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began < 0.9
    assert len(outcomes) == 3
    assert all("no credentials" in outcome for outcome in outcomes)


def test_keys_say_when_they_expire() -> None:
    with Server(answer(told(lasts=1000))) as server:
        found = source(AWS_CONTAINER_CREDENTIALS_FULL_URI=server.url + "/").keys(Deadline(5))
    assert isinstance(found, Keys)
    assert found.expires is not None
    assert 990 < found.expires - time.time() <= 1000
