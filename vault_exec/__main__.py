"""`python -m vault_exec` is the `vault-exec` command."""

from vault_exec.cli import main

if __name__ == "__main__":
    main()
