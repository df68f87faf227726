"""AWS Secrets Manager, laid out as Segment's chamber lays it out: a secret a service, its keys in one text.

`document` is that text, `lineage` tells which versions of it were in force, `store` reads and writes them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vault_exec.store import Context, Store


def open(context: Context) -> Store:
    """The backend's factory; nothing is sent before the first call."""
    from vault_exec_backends.aws.caller import Caller
    from vault_exec_backends.aws.client import connect
    from vault_exec_backends.secretsmanager.store import SecretsManagerStore

    return SecretsManagerStore(context, connect("secretsmanager", context), Caller(context))
