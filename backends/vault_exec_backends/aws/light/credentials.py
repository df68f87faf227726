"""Keys to sign with, from where a program usually has them, and in botocore's order (`plan` decides).

Environment and profile: constant. Containers (ECS, EKS pod identity), web identities (STS) and EC2's metadata
service (IMDSv2): fetched, and fetched again before they expire.
"""

from __future__ import annotations

from _thread import allocate_lock
from time import time

from vault_exec.errors import NoCredentialsError
from vault_exec_backends.aws.errors import Lost, NotSent, Refused
from vault_exec_backends.aws.light import Unusual
from vault_exec_backends.aws.light.http import Connections, Deadline
from vault_exec_backends.aws.light.quick import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from vault_exec_backends.aws.light.tls import Trust
    from vault_exec_backends.aws.light.url import Server

    class Credentials(Protocol):
        def keys(self, deadline: Deadline) -> Keys:
            """Raises NotSent, NoCredentialsError and Unusual."""


#: Fetched keys are renewed so many seconds before they expire: a long import must not end half-way.
_EARLY = 300.0

#: The metadata services are near; where they are not, nobody answers. botocore waits as long.
_CONTAINER_SECONDS = 2.0
_MACHINE_SECONDS = 1.0

_TOKEN_SECONDS = "21600"  # noqa: S105 - how long IMDSv2's token lasts, as botocore asks
_ROLES = "/latest/meta-data/iam/security-credentials/"


class Keys:
    """token: "" for keys that are nobody's session. expires: seconds since 1970; None: never."""

    __slots__ = ("access", "expires", "secret", "token")

    def __init__(self, access: str, secret: str, token: str = "", expires: float | None = None) -> None:
        self.access = access
        self.secret = secret
        self.token = token
        self.expires = expires


class Constant:
    """Keys that are known."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def keys(self, deadline: Deadline) -> Keys:
        return self._keys


class Fetched:
    """Keys that somebody tells; asked once for all threads, and again when they are about to expire."""

    __slots__ = ("_fetch", "_keys", "_lock")

    def __init__(self, fetch: Callable[[Deadline], Keys]) -> None:
        self._fetch = fetch
        self._lock = allocate_lock()
        self._keys: Keys | None = None

    def keys(self, deadline: Deadline) -> Keys:
        try:
            left = deadline.left(1e6)
        except TimeoutError:
            left = 0.0
        if not self._lock.acquire(timeout=left):
            raise NotSent("no credentials in time")
        try:
            if self._keys is None or _lasts(self._keys) < _EARLY:
                self._renew(deadline)
            assert self._keys is not None  # noqa: S101 - for the type checker
            return self._keys
        finally:
            self._lock.release()

    def _renew(self, deadline: Deadline) -> None:
        try:
            self._keys = self._fetch(deadline)
        except (
            Lost,
            NotSent,
            TimeoutError,
        ) as error:  # asking for keys is no call to the service: that was not sent
            if self._keys is None or _lasts(self._keys) <= 0:
                raise NotSent(f"no credentials: {error}") from None


def container(server: Server, path: str, environ: Mapping[str, str], trust: Trust) -> Fetched:
    """Keys of an ECS task or an EKS pod. https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""

    def fetch(deadline: Deadline) -> Keys:
        headers = {"accept": "application/json", "host": server.authority}
        token = _container_token(environ)
        if token:
            headers["authorization"] = token
        brief = Deadline(deadline.left(_CONTAINER_SECONDS))
        answer = Connections(server, trust).call("GET", path, headers, b"", brief)
        if answer.status >= 500:
            raise Lost(f"the container's endpoint fails ({answer.status})")
        if answer.status != 200:
            raise _cannot_be_had(f"the container's endpoint answers with status {answer.status}")
        return _told(answer.body, "the container's endpoint")

    return Fetched(fetch)


def web_identity(server: Server, trust: Trust, *, role: str, session: str, token_file: str) -> Fetched:
    """Keys that STS, whose server this is, gives for a token (EKS: IAM roles for service accounts)."""

    def fetch(deadline: Deadline) -> Keys:
        from vault_exec_backends.aws.light import sts

        token = _contents(token_file, "web identity")
        name = session or f"botocore-session-{int(time())}"
        members = {"RoleArn": role, "RoleSessionName": name, "WebIdentityToken": token}
        request = sts.request(None, "AssumeRoleWithWebIdentity", members)
        headers = {**request.headers, "host": server.authority}
        answer = Connections(server, trust).call("POST", "/", headers, request.body, deadline)
        try:
            told = sts.members("AssumeRoleWithWebIdentity", answer)
        except Refused as error:
            if error.throttled or error.unwell or error.code == "IDPCommunicationError":
                raise Lost(f"STS answers with {error.code}") from None
            raise _cannot_be_had(f"STS refuses the web identity: {error.code}") from None
        return _keys(told, "STS", token="SessionToken")  # noqa: S106 - a member's name

    return Fetched(fetch)


def machine(server: Server, trust: Trust) -> Fetched:
    """Keys of the role of an EC2 instance, by IMDSv2:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
    """

    def fetch(deadline: Deadline) -> Keys:
        connections = Connections(server, trust)

        def ask(method: str, path: str, headers: Mapping[str, str]) -> Any:
            brief = Deadline(deadline.left(_MACHINE_SECONDS))
            return connections.call(method, path, {**headers, "host": server.authority}, b"", brief)

        try:
            token = ask("PUT", "/latest/api/token", {"x-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS})
            if token.status != 200:
                raise Unusual("a metadata service without IMDSv2")
            headers = {"x-aws-ec2-metadata-token": _plain(token.body)}
            role = ask("GET", _ROLES, headers)
            told = ask("GET", _ROLES + _plain(role.body), headers) if role.status == 200 else role
        except (Lost, NotSent):
            raise NoCredentialsError(
                "there are no AWS credentials, and no metadata service to ask for them",
                hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role",
            ) from None
        if told.status != 200:
            raise _cannot_be_had(f"the metadata service answers with status {told.status}: no role?")
        return _told(told.body, "the metadata service")

    return Fetched(fetch)


def _container_token(environ: Mapping[str, str]) -> str:
    path = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = (
        _contents(path, "container's token") if path else environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    )
    if not token.isprintable():
        raise _cannot_be_had("the container's token is no header")
    return token


def _contents(path: str, what: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise _cannot_be_had(f"the file of the {what} cannot be read: {type(error).__name__}") from None


def _told(body: bytes, teller: str) -> Keys:
    try:
        told = loads(body.decode())
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Lost(f"{teller} does not answer with JSON")
    return _keys(told, teller, token="Token")  # noqa: S106 - a member's name


def _keys(told: Mapping[str, Any], teller: str, *, token: str) -> Keys:
    texts = [told.get(name) for name in ("AccessKeyId", "SecretAccessKey", token, "Expiration")]
    if not all(isinstance(text, str) and text for text in texts):
        raise _cannot_be_had(f"{teller} answers without keys ({told.get('Code') or 'no code'})")
    access, secret, session, expires = map(str, texts)
    return Keys(access, secret, session, _seconds(expires))


def _seconds(text: str) -> float | None:
    from vault_exec_backends.aws.times import parsed

    moment = parsed(text)
    return None if moment is None else moment.timestamp()


def _lasts(keys: Keys) -> float:
    return 1e9 if keys.expires is None else keys.expires - time()


def _plain(body: bytes) -> str:
    text = body.decode("latin-1").strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Lost("a metadata service that answers nonsense")
    return text


def _cannot_be_had(why: str) -> NoCredentialsError:
    return NoCredentialsError(
        f"the AWS credentials cannot be had: {why}",
        hint="look at the role that this container, pod or machine has",
    )
