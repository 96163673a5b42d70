"""The committed seccomp programs, run instruction by instruction: what they say for both machines, without either."""

import errno
import struct

import pytest

from cleanroom_kernel.server.sandbox import seccomp
from cleanroom_kernel.server.sandbox.programs.rules import LOW_32, MACHINES, OWN_PID, PROGRAMS

ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
PID = 4321

NUMBERS = {  # of x86_64 and aarch64
    "read": (0, 63),
    "openat": (257, 56),
    "futex": (202, 98),
    "ftruncate": (77, 46),
    "unlinkat": (263, 35),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "socketpair": (53, 199),
    "setsockopt": (54, 208),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "prctl": (157, 167),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "memfd_create": (319, 279),
    "io_uring_setup": (425, 425),
    "ptrace": (101, 117),
    "mount": (165, 40),
    "fchmodat": (268, 53),
    "seccomp": (317, 277),
    "landlock_restrict_self": (446, 446),
    "write": (1, 64),
    "mmap": (9, 222),
    "setitimer": (38, 103),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "getrandom": (318, 278),
}
NEVER = {"execve", "socket", "connect", "bind", "memfd_create", "ptrace", "mount", "fchmodat", "seccomp"} | {
    "landlock_restrict_self"
}
CLONE_A_THREAD = 0x3D0F00  # what glibc asks for
CLONE_A_CHILD = 0x1200011  # for fork
WHOLE = ("cell", "vault")  # programs of whole sessions; the others are about row functions
O_RDONLY, O_WRONLY, O_TRUNC = 0, 1, 0x200


def machine_number(call, machine):
    return NUMBERS[call][MACHINES.index(machine)]


def run(program, number, *arguments, architecture):
    """A classic BPF machine, of the instructions that seccomp programs use. Returns the verdict."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *(value & 0xFFFF_FFFF_FFFF_FFFF for value in padded))
    instructions = list(struct.iter_unpack("<HBBI", program))
    accumulator, position = 0, 0
    while True:
        code, if_true, if_false, k = instructions[position]
        position += 1
        if code == 0x20:  # load a word of the data
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54:
            accumulator &= k
        elif code == 0x05:
            position += k
        elif code == 0x15:
            position += if_true if accumulator == k else if_false
        elif code == 0x25:
            position += if_true if accumulator > k else if_false
        elif code == 0x35:
            position += if_true if accumulator >= k else if_false
        elif code == 0x06:
            return k
        else:
            raise AssertionError(f"instruction {code:#x}")


@pytest.fixture(params=[(name, machine) for name in WHOLE for machine in MACHINES], ids="-".join)
def verdict(request):
    """The verdict on a call by name, as the loader would load the program."""
    return verdict_of(*request.param)


def verdict_of(name, machine):
    program = seccomp.for_process(seccomp.program_path(name, machine).read_bytes(), PID)

    def ask(call, *arguments, architecture=AUDIT_ARCH[machine]):
        number = machine_number(call, machine) if isinstance(call, str) else call
        return run(program, number, *arguments, architecture=architecture)

    ask.name, ask.machine = name, machine
    return ask


def refused(with_errno=errno.EPERM):
    return ERRNO | with_errno


def test_calls_that_nobody_needs_are_refused(verdict):
    assert {call: verdict(call) for call in NEVER} == dict.fromkeys(NEVER, refused())


def test_a_call_that_does_not_exist_yet_is_refused(verdict):
    assert {verdict(number) for number in range(480, 700)} == {refused()}


def test_ordinary_calls_are_allowed(verdict):
    assert {verdict(call) for call in ("read", "openat", "futex")} == {ALLOW}


def test_only_the_vault_changes_files(verdict):
    expected = ALLOW if verdict.name == "vault" else refused()
    assert {verdict(call) for call in ("ftruncate", "unlinkat")} == {expected}


def test_another_architecture_ends_the_process(verdict):
    """The 32-bit gate has other numbers for the same calls."""
    assert verdict("read", architecture=I386) == KILL_PROCESS


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_x32_gate_of_x86_64_is_shut(name):
    program = seccomp.program_path(name, "x86_64").read_bytes()
    assert run(program, 0x40000000 + 1, architecture=AUDIT_ARCH["x86_64"]) == KILL_PROCESS


def test_threads_yes_processes_no(verdict):
    assert verdict("clone", CLONE_A_THREAD) == ALLOW
    assert verdict("clone", 17) == refused()  # SIGCHLD alone: a fork
    assert verdict("clone", CLONE_A_THREAD | 0x10000000) == refused()  # into a user namespace
    assert verdict("clone3") == refused(errno.ENOSYS)  # its arguments cannot be looked at
    assert verdict("io_uring_setup") == refused(errno.ENOSYS)


@pytest.mark.parametrize("noise", [0, 1 << 40])
def test_a_pair_of_sockets_is_never_of_datagrams(verdict, noise):
    stream, datagram, packets, close_on_exec = 1, 2, 5, 0o2000000
    assert verdict("socketpair", 1, stream | close_on_exec) == ALLOW
    assert verdict("socketpair", 1, packets) == ALLOW
    assert verdict("socketpair", 1, datagram | noise) == refused()
    assert verdict("socketpair", 2, stream | noise) == refused()


@pytest.mark.parametrize("call", ["kill", "tgkill", "prlimit64"])
def test_a_process_acts_on_itself_only(verdict, call):
    assert verdict(call, PID, 9) == ALLOW
    for other in (1, -1, PID + 1, OWN_PID):
        assert verdict(call, other, 9) == refused()


@pytest.mark.parametrize("noise", [0, 1 << 32, 1 << 63])
def test_upper_halves_of_32_bit_arguments_hide_nothing(verdict, noise):
    """The kernel looks at the lower half of these; so does the filter."""
    set_owner, set_signal, type_into_terminal = 8, 10, 0x5412
    assert verdict("fcntl", 3, set_owner | noise) == refused()
    assert verdict("fcntl", 3, set_signal | noise) == refused()
    assert verdict("ioctl", 0, type_into_terminal | noise) == refused()
    assert verdict("prctl", 1 | noise, 0) == refused()  # SET_PDEATHSIG
    assert verdict("setsockopt", 3, 1, 26 | noise) == refused()  # ATTACH_FILTER


def test_truncating_needs_more_than_the_right_to_read(verdict):
    assert verdict("openat", 0, 0, O_RDONLY) == ALLOW
    assert verdict("openat", 0, 0, O_WRONLY | O_TRUNC) == ALLOW  # Landlock sees a write, and decides
    assert verdict("openat", 0, 0, O_RDONLY | O_TRUNC) == refused()
    assert verdict("openat", 0, 0, 3 | O_TRUNC) == refused()


def test_the_vaults_program_allows_all_that_the_interpreters_does(verdict):
    """So that code tried in one runs in the other. Compared over all numbers, with a few arguments."""
    cell, vault = (
        seccomp.for_process(seccomp.program_path(name, verdict.machine).read_bytes(), PID) for name in ("cell", "vault")
    )
    for number in range(500):
        for argument in (0, 1, PID, CLONE_A_THREAD, LOW_32):
            asked = (number, *[argument] * 6)
            architecture = AUDIT_ARCH[verdict.machine]
            if run(cell, *asked, architecture=architecture) == ALLOW:
                assert run(vault, *asked, architecture=architecture) == ALLOW


PROT_READ, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS = 1, 4, 2, 0x20


@pytest.mark.parametrize("machine", MACHINES)
def test_a_row_function_has_memory_and_an_end_and_nothing_else(machine):
    verdict = verdict_of("row", machine)
    assert {verdict(call) for call in NUMBERS if call not in ("futex", "mmap")} == {refused()}
    assert verdict("futex") == ALLOW
    assert verdict("mmap", 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1) == ALLOW
    assert verdict("mmap", 0, 4096, PROT_READ, MAP_PRIVATE, 3) == refused()  # of a file
    assert verdict("mmap", 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1) == refused()


@pytest.mark.parametrize("machine", MACHINES)
def test_the_parent_of_row_functions_forks_and_starts_no_program(machine):
    verdict = verdict_of("forking", machine)
    assert {verdict(call) for call in ("memfd_create", "seccomp", "landlock_restrict_self", "ftruncate")} == {ALLOW}
    assert verdict("clone", CLONE_A_CHILD) == ALLOW
    assert verdict("clone", CLONE_A_CHILD | 0x10000000) == refused()  # into a user namespace
    for call in ("execve", "socket", "connect", "ptrace", "mount", "unlinkat"):
        assert verdict(call) == refused()


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_committed_programs_say_what_the_rules_say(name, machine):
    """Every call that libseccomp knows, whatever its version: allowed outright, under conditions, or not."""
    generate = pytest.importorskip("cleanroom_kernel.server.sandbox.programs.generate", exc_type=ImportError)
    rules = PROGRAMS[name]
    fresh = generate.compile_program(rules, machine)
    committed = seccomp.program_path(name, machine).read_bytes()
    for number in range(700):
        for argument in (0, 1, 2, OWN_PID, CLONE_A_THREAD, LOW_32):
            asked = (number, *[argument] * 6)
            assert run(fresh, *asked, architecture=AUDIT_ARCH[machine]) == run(
                committed, *asked, architecture=AUDIT_ARCH[machine]
            )
    for call in rules.allowed:
        if generate.exists(call, machine):
            number = generate.pyseccomp.resolve_syscall(generate.ARCHITECTURES[machine], call)
            assert run(committed, number, architecture=AUDIT_ARCH[machine]) == ALLOW


def test_the_loader_and_the_rules_mean_the_same_placeholder():
    assert seccomp.OWN_PID == OWN_PID


def test_only_the_placeholder_is_replaced():
    program = struct.pack("=HBBI", 0x15, 1, 2, OWN_PID) + struct.pack("=HBBI", 0x06, 0, 0, ALLOW)
    assert seccomp.for_process(program, 7) == struct.pack("=HBBI", 0x15, 1, 2, 7) + program[8:]
