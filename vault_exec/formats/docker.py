"""docker: the file of `docker run --env-file` (docker/cli, pkg/kvfile); compose reads it with `format: raw`.

`NAME=value` lines without quotes, escapes or expansion; blanks count. What compose reads by default is
another grammar, in which quotes and `$` mean something.
"""

from __future__ import annotations

from collections.abc import Mapping

from vault_exec.formats.common import Options, cannot_hold, exec_variables

# Go's bufio.MaxScanTokenSize less the line end: one longer line is an error for the whole file.
_MAX_LINE_BYTES = 64 * 1024 - 1


def dump(values: Mapping[str, str], options: Options) -> str:
    named = exec_variables("docker", values, options.style)
    return "".join([_line(key, name, value) for key, name, value in named])


def _line(key: str, name: str, value: str) -> str:
    line = f"{name}={value}"
    if "\n" in value:
        raise cannot_hold("docker", key, "a value there cannot have a second line")
    if value.endswith("\r"):
        raise cannot_hold("docker", key, "docker drops a carriage return at the end of a line")
    if len(line.encode()) > _MAX_LINE_BYTES:
        raise cannot_hold(
            "docker", key, f"name and value together can have {_MAX_LINE_BYTES - 1:,} bytes there"
        )
    return line + "\n"
