"""The seccomp programs: rules as tables, the generator, and its output as committed files (NAME.MACHINE.bpf)."""
