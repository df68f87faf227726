"""The calls on one S3 bucket that a store of secrets makes, and what their errors mean there."""

from __future__ import annotations

from vault_exec.errors import (
    AccessDeniedError,
    ConfigError,
    ConflictError,
    NoCredentialsError,
    SecretNotFound,
)
from vault_exec.names import DIGITS, LOWER, UPPER, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from vault_exec.errors import VaultExecError
    from vault_exec.store import Context
    from vault_exec_backends.aws.client import Client

#: Tags that one object can have (S3 user guide, "Categorizing your objects using tags").
MOST_TAGS = 10

_NAME = frozenset(LOWER + UPPER + DIGITS + "-._")

#: The object is not as it was seen: If-Match or If-None-Match failed, or two conditional writes met. That it
#: is gone is told as NoSuchKey.
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "OperationAborted")

_ELSEWHERE = (
    "301",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
)


class ObjectChangedError(ConflictError):
    """The object is not as it was when it was read."""


class Stored:
    """An object as it was read. key_id: the KMS key it is sealed with, as S3 names it; None without one."""

    __slots__ = ("body", "etag", "key_id", "tagged")

    def __init__(self, body: bytes, etag: str, key_id: str | None, tagged: bool) -> None:
        self.body = body
        self.etag = etag
        self.key_id = key_id
        self.tagged = tagged


class Bucket:
    """The bucket that `--backend-s3-bucket` names. `about` is for messages, such as `app/db_password`."""

    __slots__ = ("_client", "_context", "name")

    def __init__(self, context: Context, client: Client) -> None:
        self._context = context
        self._client = client
        self.name = _checked(context)

    def get(self, path: str, about: str) -> Stored | None:
        """The object, or None where there is none."""
        try:
            answer = self._call("GetObject", path, about, must=("Body", "ETag"))
        except SecretNotFound:
            return None
        except AccessDeniedError as error:
            if not isinstance(error, NoCredentialsError):
                error.hint = (
                    f"allow s3:GetObject on {self.name}/{path} and, where a KMS key seals it, kms:Decrypt; "
                    f"without s3:ListBucket, S3 answers the same for what is not there"
                )
            raise
        key_id = answer.get("SSEKMSKeyId")
        return Stored(answer["Body"], answer["ETag"], key_id, bool(answer.get("TagCount")))

    def put(
        self,
        path: str,
        body: bytes,
        about: str,
        *,
        seen: str | None,
        sealing: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> str | None:
        """Write the object, and return the KMS key it is sealed with. Raises ObjectChangedError.

        seen: the ETag of what is overwritten; None where there must be no such object yet.
        """
        more: dict[str, Any] = {"IfNoneMatch": "*"} if seen is None else {"IfMatch": seen}
        if tags:
            from urllib.parse import urlencode

            more["Tagging"] = urlencode(tags)
        answer = self._changing(
            "PutObject",
            path,
            about,
            must=("ETag",),
            Body=body,
            ContentType="application/octet-stream",  # as Go's SDK says for chamber
            **sealing,
            **more,
        )
        key_id: str | None = answer.get("SSEKMSKeyId")
        return key_id

    def delete(self, path: str, about: str, *, seen: str) -> None:
        """Delete the object that has this ETag. Raises ObjectChangedError."""
        self._changing("DeleteObject", path, about, IfMatch=seen)

    def tags(self, path: str, about: str) -> dict[str, str] | None:
        """The object's tags in S3's order, or None where there is no such object."""
        try:
            answer = self._call("GetObjectTagging", path, about, must=("TagSet",))
        except SecretNotFound:
            return None
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def set_tags(self, path: str, about: str, tags: Mapping[str, str]) -> None:
        """Give the object these tags and no others. Raises SecretNotFound."""
        pairs = [{"Key": name, "Value": value} for name, value in tags.items()]
        self._call("PutObjectTagging", path, about, Tagging={"TagSet": pairs})

    def names(self, prefix: str, about: str, *, delimiter: str = "") -> Iterator[str]:
        """The names of all objects that begin with the prefix, in S3's order (by UTF-8 bytes).

        delimiter: leave out names that have it after the prefix.
        """
        more: dict[str, Any] = {"Delimiter": delimiter} if delimiter else {}
        found = self._client.pages(
            "ListObjectsV2",
            "Contents",
            about=about,
            resource=self.name,
            must=("IsTruncated",),
            token_names=("NextContinuationToken", "ContinuationToken"),
            meaning=self._meaning(about),
            Bucket=self.name,
            Prefix=prefix,
            **more,
        )
        return (entry["Key"] for entry in found)

    def _changing(self, operation: str, path: str, about: str, **members: Any) -> dict[str, Any]:
        try:
            return self._call(operation, path, about, **members)
        except SecretNotFound:
            raise ObjectChangedError(f"{about} was deleted in the meantime") from None

    def _call(self, operation: str, path: str, about: str, **members: Any) -> dict[str, Any]:
        return self._client.call(
            operation,
            about=about,
            resource=f"{self.name}/{path}",
            meaning={
                **self._meaning(about),
                **dict.fromkeys(_CHANGED, ObjectChangedError(f"{about} changed in the meantime")),
                "NoSuchKey": SecretNotFound(f"{about} is not there"),
            },
            Bucket=self.name,
            Key=path,
            **members,
        )

    def _meaning(self, about: str) -> dict[str, VaultExecError]:
        origin = self._context.settings.origin("backend-s3-bucket")
        absent = ConfigError(
            f"{about}: there is no bucket {self.name} (from {origin})",
            hint="create it, or name another with --backend-s3-bucket or CHAMBER_S3_BUCKET",
        )
        elsewhere = ConfigError(
            f"{about}: the bucket {self.name} (from {origin}) is in another region than the one in use",
            hint="set AWS_REGION to the bucket's: aws s3api get-bucket-location --bucket " + self.name,
        )
        return {"NoSuchBucket": absent, **dict.fromkeys(_ELSEWHERE, elsewhere)}


def _checked(context: Context) -> str:
    name = context.settings.backend_s3_bucket
    if not name:
        raise ConfigError(
            f"the {context.settings.backend} backend needs a bucket, and none is named",
            hint="name it with --backend-s3-bucket or CHAMBER_S3_BUCKET",
        )
    if not (_NAME.issuperset(name) or name.startswith("arn:")):  # an access point goes by its ARN
        raise ConfigError(
            f"{shown(name)} is no name of a bucket (from {context.settings.origin('backend-s3-bucket')})",
            hint="letters, digits, '.', '-' and '_' only; not a URL",
        )
    return name
