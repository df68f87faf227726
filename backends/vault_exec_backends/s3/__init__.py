"""An S3 bucket, laid out as Segment's chamber lays it out, so that both can work on it.

A secret is the object `<service>/<key>.json` with all its versions. The index `<service>/__latest.json` says
what is in force: exec, env, export and `read` serve its values.

`documents` is what stands in the objects, `bucket` makes the calls, `layout` knows which object is what (of
this, s3-kms has its own), `writing` changes them so that no writer is lost, and `store` is the backend.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vault_exec.store import Context, Store


def open(context: Context) -> Store:
    """The backend's factory; nothing is sent before the first call. Raises ConfigError without a bucket."""
    from vault_exec_backends.aws.caller import Caller
    from vault_exec_backends.aws.client import connect
    from vault_exec_backends.s3.store import S3Store

    return S3Store(context, connect("s3", context), Caller(context))
