"""The backends of vault-exec, one file or folder each. `vault_exec.registry` loads them by name."""
