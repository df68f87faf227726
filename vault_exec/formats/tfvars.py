r"""tfvars: `name = "value"` lines that Terraform reads with -var-file, named as chamber names them.

A name is the key without a leading `tf_var_`, with `-` and `.` as `_`, in its own case. Values are quoted
templates of HCL (hashicorp/hcl, hclsyntax/spec.md), where `$${` and `%%{` stand for `${` and `%{`.
"""

from __future__ import annotations

from collections.abc import Mapping
from unicodedata import is_normalized

from vault_exec.formats.common import Options, cannot_hold, escaped, variables
from vault_exec.names import is_shell_name

_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NAME = str.maketrans("-.", "__")


def dump(values: Mapping[str, str], options: Options) -> str:
    named = variables("tfvars", values, _name, is_shell_name)
    return "".join([f"{name} = {_quoted(key, value)}\n" for key, name, value in named])


def _name(key: str) -> str:
    return key.removeprefix("tf_var_").translate(_NAME)


def _quoted(key: str, value: str) -> str:
    # All text is brought to that form by Terraform (zclconf/go-cty, docs/types.md), escaped or not.
    if not is_normalized("NFC", value):
        raise cannot_hold("tfvars", key, "Terraform would change it to Unicode's normal form C")
    return '"' + escaped(value, _SHORT, _escape).replace("${", "$${").replace("%{", "%%{") + '"'


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
