"""The `cleanroom` command. It starts processes and reads the owner's files; it answers no expert."""
