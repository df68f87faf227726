"""Every command: its name, the module that holds it (loaded only when called), and one line about it."""

from __future__ import annotations

#: (heading, ((name, module of vault_exec.cli, what it does), …)), in the order of the help.
GROUPS = (
    (
        "Secrets",
        (
            ("write", "write", "Write a secret"),
            ("read", "read", "Read a secret"),
            ("list", "list", "List the secrets of a service"),
            ("history", "history", "Who changed a secret, or a service, and when"),
            ("delete", "delete", "Delete a secret with all its versions, or a whole service"),
            ("find", "find", "Find a key, or a value, in all services"),
            ("list-services", "list_services", "List the services"),
            ("tag", "tag", "Read, write and delete the tags of a secret"),
            ("label", "label", "Name a version of a secret"),
        ),
    ),
    (
        "Into programs and files",
        (
            ("exec", "exec", "Run a program with the secrets of services in its environment"),
            ("env", "env", "Print the secrets of services as shell exports"),
            ("export", "export", "Print the secrets of services as JSON, YAML, dotenv, …"),
            ("import", "import_", "Write the secrets of a file to a service"),
        ),
    ),
    (
        "The local store",
        (
            ("init", "init", "Create the local store, and choose where its key lives"),
            ("rekey", "rekey", "Change the key of the local store"),
        ),
    ),
    (
        "This program",
        (
            ("completion", "completion", "Print a completion script for bash, zsh or fish"),
            ("version", "version", "Print the version"),
            ("help", "help", "Explain a command"),
        ),
    ),
)

#: name → module, or module:attribute. `__complete` is what the completion scripts call.
MODULES = {name: module for _, rows in GROUPS for name, module, _ in rows} | {
    "__complete": "completion:complete"
}

#: name → what it does.
SUMMARIES = {name: summary for _, rows in GROUPS for name, _, summary in rows}
