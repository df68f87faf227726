"""`completion`: scripts for bash, zsh and fish, which ask this program what fits (`__complete`).

Services and keys are completed from the local store only: no key press should wait for a network, or cost a
call that is paid for and logged. Completing never asks for anything and never prints an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import ShellComplete

from vault_exec import names
from vault_exec.cli.app import App
from vault_exec.cli.parser import Command
from vault_exec.errors import UnsupportedError, VaultExecError

if TYPE_CHECKING:
    from vault_exec.store import Store

_BASH = r"""# Completion for NAME. Load it with:  source <(NAME completion bash)
_FUNCTION() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("${line%%$'\t'*}")
    done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _FUNCTION NAME
"""

_ZSH = r"""#compdef NAME
# Completion for NAME. Load it with:  source <(NAME completion zsh)
_FUNCTION() {
    local line
    local -a found
    for line in "${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && found+=("${${line//:/\\:}/$'\t'/:}")
    done
    if (( ${#found} )); then
        _describe 'NAME' found
    else
        _files
    fi
}
if [[ $funcstack[1] == _FUNCTION ]]; then
    _FUNCTION "$@"
else
    compdef _FUNCTION NAME
fi
"""

_FISH = r"""# Completion for NAME. Load it with:  NAME completion fish | source
function _FUNCTION
    set -l words (commandline -opc) (commandline -ct)
    set -l found ($words[1] __complete -- $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path $words[-1]
    end
end
complete -c NAME -f -a '(_FUNCTION)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(list(_SCRIPTS)), metavar="bash|zsh|fish")
@click.pass_obj
def command(app: App, shell: str) -> None:
    function = f"_{app.program.replace('-', '_')}_completion"
    app.write(_SCRIPTS[shell].replace("_FUNCTION", function).replace("NAME", app.program))


@click.command("__complete", cls=Command, hidden=True)
@click.argument("words", nargs=-1)
@click.pass_context
def complete(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Print what fits the last of these words: one a line, perhaps with a tab and what it is."""
    *before, last = words or ("",)
    if "--" in before:
        return  # a program and its arguments: the shell's own business
    program = ctx.find_root().command
    app = App(ctx.obj.program, ctx.obj.environ, ctx.obj.defaults)
    found = ShellComplete(program, {"obj": app}, app.program, "").get_completions(before, last)
    plain = [item for item in found if item.type == "plain"]  # files are the shell's to complete
    ctx.obj.write("".join(f"{item.value}\t{item.help or ''}".rstrip() + "\n" for item in plain))


def services(app: App, prefix: str) -> list[str]:
    """The services of the local store that begin so; none when another backend is in force."""
    try:
        with _local_store(app) as store:
            return list(store.services(prefix))
    except VaultExecError:
        return []


def keys(app: App, service: str, prefix: str) -> list[str]:
    """The keys of a service of the local store that begin so; none when another backend is in force."""
    try:
        with _local_store(app) as store:
            ids = store.secrets(service)
            return [id.key for id in ids if id.service == service and id.key.startswith(prefix)]
    except VaultExecError:
        return []


def _local_store(app: App) -> Store:
    from vault_exec import registry
    from vault_exec.store import Context

    if names.fold(app.settings.backend) != "local":
        raise UnsupportedError("only the names in the local store are completed")
    # No notes, and nobody to ask: a key press must not lead to a prompt.
    return registry.open_store(Context(app.settings, app.environ))
