"""github-env: text to append to the file that $GITHUB_ENV names in a job of GitHub Actions.

`NAME<<delimiter`, the value, the delimiter on a line of its own (actions/runner, FileCommandManager.cs; on
Linux and macOS). The delimiter is random: a value that knew it could end early and set variables of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from vault_exec.errors import FormatError
from vault_exec.formats.common import Options, exec_variables
from vault_exec.names import shown


def dump(values: Mapping[str, str], options: Options) -> str:
    named = exec_variables("github-env", values, options.style)
    if named:
        options.note("github-env: logs of the job show these values unless they are masked with ::add-mask::")
    return "".join([_block(key, name, value) for key, name, value in named])


def _block(key: str, name: str, value: str) -> str:
    if name.upper() == "NODE_OPTIONS":
        raise FormatError(
            f"github-env cannot hold {shown(key)}: the runner refuses to set NODE_OPTIONS",
            hint="set it in the step that needs it, or load it with exec",
        )
    delimiter = f"end_{secrets.token_hex(16)}"
    while delimiter in value:
        delimiter = f"end_{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
