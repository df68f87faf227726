"""What the environment and ~/.aws say of calls to a service, where all of it is plain.

Anything set that is not known here is `Unusual`: a variable may change how a call must be made, and botocore
may know how. So is whatever is wrong, since botocore's messages are the ones that people know.
"""

from __future__ import annotations

import os

from vault_exec.names import DIGITS, LOWER, UPPER
from vault_exec_backends.aws import config
from vault_exec_backends.aws.light import Unusual, credentials, profile, proxies, url
from vault_exec_backends.aws.light.tls import Trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from vault_exec_backends.aws.light.credentials import Credentials
    from vault_exec_backends.aws.light.profile import Profile
    from vault_exec_backends.aws.light.url import Server

_ENDPOINTS = {
    "s3": "AWS_ENDPOINT_URL_S3",
    "secretsmanager": "AWS_ENDPOINT_URL_SECRETS_MANAGER",
    "ssm": "AWS_ENDPOINT_URL_SSM",
    "sts": "AWS_ENDPOINT_URL_STS",
}

#: Variables whose meaning is known here, and those that mean nothing to a call.
_KNOWN = frozenset(
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_V1_DISABLED",
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        *_ENDPOINTS.values(),
        # of other programs, and attempts, which are the client's
        "AWS_ACCOUNT_ID",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_DEFAULT_OUTPUT",
        "AWS_EXECUTION_ENV",
        "AWS_MAX_ATTEMPTS",
        "AWS_PAGER",
        "AWS_RETRY_MODE",
        "AWS_SDK_LOAD_CONFIG",
        "AWS_SESSION_EXPIRATION",
        "AWS_VAULT",
    ]
)
_KNOWN_BEGINNINGS = ("AWS_CLI_", "AWS_LAMBDA_", "AWS_XRAY_")

#: Empty values of these are as good as none to botocore.
_MAY_BE_EMPTY = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

#: The partitions, by the first word of a region (botocore's data/partitions.json).
_SUFFIXES = {
    **dict.fromkeys(("af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"), "amazonaws.com"),
    "cn": "amazonaws.com.cn",
}
_WORD = frozenset(LOWER)
_KEY = frozenset(LOWER + UPPER + DIGITS)

_CONTAINER = "http://169.254.170.2"
_CONTAINER_HOSTS = ("127.0.0.1", "169.254.170.2", "169.254.170.23", "::1", "fd00:ec2::23", "localhost")
_MACHINE = "http://169.254.169.254"


class Plan:
    """How a service is called. bucket, prefix: for S3, see `s3.request`; "" for others."""

    __slots__ = ("bucket", "credentials", "prefix", "region", "server", "service", "trust")

    def __init__(self, service: str, environ: Mapping[str, str], bucket: str = "") -> None:
        """Raises Unusual, and ConfigError for a region or endpoint that cannot be."""
        _check_variables(environ)
        mine = profile.read(environ)
        self.service = service
        self.trust = Trust(environ)
        self.region = config.region(environ) or mine.region
        suffix = _suffix(self.region)
        self.server, named = _server(service, self.region, suffix, environ)
        self.bucket = bucket if service == "s3" else ""
        self.prefix = ""
        if service == "s3":
            self._address(named=named)
        proxies.check(self.server, environ)
        self.credentials = _credentials(environ, mine, self.trust, self.region, suffix)

    def _address(self, *, named: bool) -> None:
        """The bucket in the host's name where that can be, as AWS wants it; in the path elsewhere."""
        if not 3 <= len(self.bucket) <= 63 or not (_KEY | {"-", "."}).issuperset(self.bucket):
            raise Unusual("a bucket with an unusual name")
        if (
            self.bucket.endswith(("--x-s3", "-s3alias", "--ol-s3", ".mrap"))
            or self.bucket != self.bucket.lower()
        ):
            raise Unusual("a bucket of an unusual kind")
        if named or "." in self.bucket:
            self.prefix = f"/{self.bucket}"
        else:
            self.server = url.Server(
                self.server.scheme, f"{self.bucket}.{self.server.host}", self.server.port
            )


def _check_variables(environ: Mapping[str, str]) -> None:
    for name, value in environ.items():
        if name.startswith(("AWS_", "BOTO")):
            if name == "AWS_STS_REGIONAL_ENDPOINTS" and value == "regional":
                continue  # as it is by default; EKS sets it
            if name not in _KNOWN and not name.startswith(_KNOWN_BEGINNINGS):
                raise Unusual(f"{name} is set")
            if not value and name not in _MAY_BE_EMPTY:
                raise Unusual(f"{name} is empty")


def _suffix(region: str) -> str:
    """The region's DNS suffix. Raises Unusual for a region that is not of a known form."""
    words = region.split("-")
    if words[:2] == ["us", "gov"]:
        words = words[1:]
    head, *rest = words
    plain = len(rest) == 2 and _WORD.issuperset(rest[0]) and rest[1].isascii() and rest[1].isdigit()
    suffix = "amazonaws.com" if head == "gov" else _SUFFIXES.get(head)
    if not region or not suffix or not plain or not rest[0]:
        raise Unusual(f"the region {region}" if region else "no region is named")
    return suffix


def _server(service: str, region: str, suffix: str, environ: Mapping[str, str]) -> tuple[Server, bool]:
    """The service's server, and whether it was named rather than found by the region."""
    named = (
        config.endpoint(service, environ)
        or environ.get(_ENDPOINTS[service])
        or environ.get("AWS_ENDPOINT_URL")
    )
    if not named:
        return url.Server("https", f"{service}.{region}.{suffix}", 443), False
    try:
        server, path = url.parsed(named)
    except ValueError:
        raise Unusual("an endpoint that is no plain URL") from None
    if path not in ("", "/"):
        raise Unusual("an endpoint with a path")
    return server, True


def _credentials(
    environ: Mapping[str, str], mine: Profile, trust: Trust, region: str, suffix: str
) -> Credentials:
    """Where the keys come from, in botocore's order."""
    token = next((environ[n] for n in ("AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN") if n in environ), "")
    pair = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if any(pair):
        return _constant(*pair, token)
    if "AWS_WEB_IDENTITY_TOKEN_FILE" in environ:
        return _web_identity(environ, trust, region, suffix)
    for section in (mine.credentials, mine.config):
        if "aws_access_key_id" in section:
            return _constant(
                section["aws_access_key_id"],
                section.get("aws_secret_access_key", ""),
                section.get("aws_session_token", ""),
            )
    for path in ("/etc/boto.cfg", os.path.expanduser("~/.boto")):
        if os.path.exists(path):
            raise Unusual(f"there is a {path}")
    relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    full = environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if relative or full:
        return _container(_CONTAINER + relative if relative else full or "", environ, trust)
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise Unusual("no credentials are set")
    return _machine(environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _MACHINE), environ, trust)


def _constant(access: str, secret: str, token: str) -> Credentials:
    for text in (access, secret, token):
        if not text.isascii() or not text.isprintable() or " " in text:
            raise Unusual("keys of an unusual form")
    if not access or not secret:
        raise Unusual("half of a pair of keys")
    return credentials.Constant(credentials.Keys(access, secret, token))


def _web_identity(environ: Mapping[str, str], trust: Trust, region: str, suffix: str) -> Credentials:
    server, _ = _server("sts", region, suffix, environ)
    proxies.check(server, environ)
    role = environ.get("AWS_ROLE_ARN", "")
    if not role:
        raise Unusual("a web identity without a role")
    return credentials.web_identity(
        server,
        trust,
        role=role,
        session=environ.get("AWS_ROLE_SESSION_NAME", ""),
        token_file=environ["AWS_WEB_IDENTITY_TOKEN_FILE"],
    )


def _container(address: str, environ: Mapping[str, str], trust: Trust) -> Credentials:
    try:
        server, path = url.parsed(address)
    except ValueError:
        raise Unusual("a container's endpoint that is no plain URL") from None
    if server.scheme != "http" or server.host not in _CONTAINER_HOSTS or not path.startswith("/"):
        raise Unusual("a container's endpoint at an unusual place")
    return credentials.container(server, path, environ, trust)


def _machine(address: str, environ: Mapping[str, str], trust: Trust) -> Credentials:
    try:
        server, path = url.parsed(address)
    except ValueError:
        raise Unusual("a metadata service that is no plain URL") from None
    if server.scheme != "http" or path not in ("", "/"):
        raise Unusual("a metadata service at an unusual place")
    proxies.check(server, environ)
    return credentials.machine(server, trust)
