"""Carries calls with botocore, boto3's lower half: its credentials, signing, endpoints and proxies, one
attempt a call. boto3 itself would add 20 ms and nothing that is used here.
"""

from __future__ import annotations

from _thread import allocate_lock

from vault_exec.errors import ConfigError, InvalidValueError, NoCredentialsError
from vault_exec_backends.aws import config
from vault_exec_backends.aws.errors import Lost, NotSent, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 10.0
_CONNECTIONS = 32

_LOUD = ("botocore", "urllib3")


class BotoCarrier:
    """One service through one botocore client, made at the first call and shared by all threads."""

    __slots__ = ("_client", "_credentials", "_environ", "_lock", "_service", "_timeout")

    def __init__(self, service: str, environ: Mapping[str, str], timeout: float) -> None:
        self._service = service
        self._environ = environ
        self._timeout = timeout
        self._lock = allocate_lock()
        self._client: Any = None
        self._credentials: Any = None

    def send(self, operation: str, members: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """See `client.Carrier`."""
        answer: dict[str, Any] = _within(seconds, lambda: self._send(operation, members))
        return answer

    def _send(self, operation: str, members: Mapping[str, Any]) -> dict[str, Any]:
        try:
            client = self._ready()
        except (ConfigError, NoCredentialsError):
            raise
        except Exception as error:
            _raise_unready(error)
        try:
            answer: dict[str, Any] = getattr(client, _method_name(operation))(**members)
            if hasattr(answer.get("Body"), "read"):
                answer["Body"] = answer["Body"].read()
        except Lost:
            raise
        except Exception as error:
            _raise_neutral(error)
        return answer

    def _ready(self) -> Any:
        """The client, with credentials that are good now, so that no call fails for the lack of them."""
        _hush()
        with self._lock:
            if self._client is None:
                self._credentials, self._client = self._connected()
        self._credentials.get_frozen_credentials()
        return self._client

    def _connected(self) -> tuple[Any, Any]:
        import botocore.session
        from botocore.config import Config

        session = botocore.session.Session()
        region = self._region(session)
        credentials = session.get_credentials()
        if credentials is None:
            _raise_no_credentials()
        client = session.create_client(
            self._service,
            region_name=region,
            endpoint_url=config.endpoint(self._service, self._environ),
            config=Config(
                connect_timeout=min(_CONNECT_SECONDS, self._timeout),
                read_timeout=min(_READ_SECONDS, self._timeout),
                retries={"total_max_attempts": 1, "mode": "standard"},
                max_pool_connections=_CONNECTIONS,
            ),
        )
        client.meta.events.register("before-parse", _check_body)
        return credentials, client

    def _region(self, session: Any) -> str:
        named = config.region(self._environ) or session.get_config_variable("region") or _region_of_machine()
        if named:
            return str(named)
        raise ConfigError(
            "no AWS region is set", hint="set AWS_REGION, or 'region' in the profile of ~/.aws/config"
        )


def _within(seconds: float, call: Any) -> Any:
    """What the call returns or raises, or Lost when that takes longer.

    In a thread, because botocore's own timeouts bound neither name resolution nor a trickling answer nor
    programs and web pages that credentials come from. Who is waited for in vain is left behind as a daemon.
    """
    from threading import Thread

    results: list[Any] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise Lost("the time is over")
    return results[0]


def _method_name(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def _hush() -> None:
    """botocore prints values and session tokens at DEBUG, whatever the program around us logs."""
    import logging

    loud = [logging.getLogger(name) for name in _LOUD]
    below = tuple([f"{name}." for name in _LOUD])
    loud += [
        logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if name.startswith(below)
    ]
    for logger in loud:
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)


def _region_of_machine() -> str | None:
    """What EC2's metadata service says, asked once and shortly: elsewhere nobody answers."""
    from botocore.utils import InstanceMetadataRegionFetcher

    region: str | None = InstanceMetadataRegionFetcher(timeout=1, num_attempts=1).retrieve_region()
    return region


def _check_body(operation_model: Any, response_dict: Mapping[str, Any], **_: object) -> None:
    """Raise Lost for an answer that was cut off or is not from AWS. botocore takes both for an empty one."""
    headers = response_dict["headers"]
    body = response_dict["body"]
    length = headers.get("content-length", "")
    has_body = isinstance(body, bytes) and operation_model.http.get("method") != "HEAD"
    if has_body and length.isdigit() and len(body) < int(length):
        raise Lost("a cut-off answer")
    if not _request_id(headers):
        if hasattr(body, "close"):  # a stream, which nobody will read
            body.close()
        status = response_dict["status_code"]
        raise Lost(f"an answer that is not from AWS (status {status})", malformed=True)


def _request_id(headers: Mapping[str, str]) -> str:
    return headers.get("x-amzn-requestid") or headers.get("x-amz-request-id") or ""


def _raise_unready(error: Exception) -> NoReturn:
    """Raise what keeps a call from being made. Credentials come from programs, files and services, among them
    STS, whose refusal is not that of the service called."""
    from botocore import exceptions as boto

    why = type(error).__name__
    if isinstance(error, boto.ClientError):
        why = f"{error.operation_name} is refused: {error.response.get('Error', {}).get('Code', '')}"
    else:
        try:
            _raise_neutral(error)
        except Lost as lost:
            if isinstance(error, boto.BotoCoreError):
                raise NotSent(str(lost)) from None
    _raise_bad_credentials(why)


def _raise_bad_credentials(why: str) -> NoReturn:
    raise NoCredentialsError(
        f"the AWS credentials cannot be had ({why})",
        hint="log in again (aws sso login), or look at the profile in ~/.aws/config and at its role",
    ) from None


def _raise_no_credentials() -> NoReturn:
    raise NoCredentialsError(
        "there are no AWS credentials",
        hint="set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run with a role",
    ) from None


def _raise_neutral(error: Exception) -> NoReturn:
    """Raise what the error means for any carrier. Never chained: botocore's errors can hold what was sent."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        _raise_refused(error)
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        _raise_no_credentials()
    if isinstance(
        error,
        (
            boto.CredentialRetrievalError,
            boto.MetadataRetrievalError,
            boto.SSOError,
            boto.TokenRetrievalError,
            boto.NoAuthTokenError,
        ),
    ):
        _raise_bad_credentials(type(error).__name__)
    if isinstance(error, (boto.ConnectTimeoutError, boto.EndpointConnectionError, boto.ProxyConnectionError)):
        raise NotSent(f"cannot connect{_where(error)}") from None
    if isinstance(error, boto.SSLError):
        _raise_tls(error)
    if isinstance(error, boto.ReadTimeoutError):
        raise Lost(f"none within {_READ_SECONDS:g} s") from None
    if isinstance(error, (boto.ChecksumError, boto.FlexibleChecksumError)):
        raise Lost("an answer that was damaged on its way", malformed=True) from None
    if isinstance(error, (boto.HTTPClientError, boto.IncompleteReadError)):
        raise Lost(f"the connection broke ({type(error).__name__})") from None
    if isinstance(error, boto.ParamValidationError):
        raise InvalidValueError("a name or value has a form that AWS does not take") from None
    if isinstance(error, boto.BotoCoreError):
        raise ConfigError(
            f"AWS cannot be used as configured: {error}",
            hint="look at the AWS_… variables and ~/.aws/config",
        ) from None
    if isinstance(error, ValueError) and str(error).startswith("Invalid endpoint"):
        raise ConfigError(
            str(error), hint="look at CHAMBER_AWS_SSM_ENDPOINT and the AWS_ENDPOINT_URL variables"
        ) from None
    raise Lost(f"an answer that cannot be read ({type(error).__name__})", malformed=True) from None


def _raise_refused(error: Any) -> NoReturn:
    told = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    raise Refused(
        str(told.get("Code", "")),
        int(metadata.get("HTTPStatusCode", 0)),
        str(told.get("Message", "")),
        str(metadata.get("RequestId", "")),
    ) from None


def _raise_tls(error: Any) -> NoReturn:
    import ssl

    cause = next(iter(getattr(error.kwargs.get("error"), "args", ())), None)
    files = isinstance(cause, (FileNotFoundError, IsADirectoryError, PermissionError))
    if (
        files
        or isinstance(cause, ssl.SSLCertVerificationError)
        or getattr(cause, "library", "") in ("X509", "PEM")
    ):
        why = (
            getattr(cause, "verify_message", "")
            or getattr(cause, "reason", "")
            or getattr(cause, "strerror", "")
        )
        raise ConfigError(
            f"cannot connect{_where(error)}: its certificate cannot be trusted: {why}",
            hint="name the file with your authorities' certificates in AWS_CA_BUNDLE",
        ) from None
    raise Lost("the TLS connection broke") from None


def _where(error: Any) -> str:
    """` to https://host:port`, without what else a URL may hold."""
    url = str(error.kwargs.get("endpoint_url") or error.kwargs.get("proxy_url") or "")
    scheme, mark, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return f" to {scheme}://{host}" if mark and host else ""
