"""The operating-system sandbox that every process with the expert's code, or with the data, runs in.

Two halves, and the standard library is all that the second one imports:

- the server's half: `settings` (the owner's traits), `profiles` (what each kind of process may touch), `selftest`
  (which tier this machine reaches, found by trying), `launcher` (starts a confined process), `provider` (all of these,
  as a session wants them);
- the confined process's half: `loader` reads its orders from an inherited socket, `confine` applies them in order
  (`limits`, `identity`, `landlock`, `seccomp`), and only then runs the target, in the same process.
"""
