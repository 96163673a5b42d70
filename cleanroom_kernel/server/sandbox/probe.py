"""The self-test's checks: `python -m …probe TARGET_FD`, run confined. Promise: each attack needs a different hole.

The server has put up targets: a file that everybody may read, sockets that everybody may reach, itself. Nothing is ever
sent to another machine. Runs in the confined process: standard library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import mmap
import os
import resource
import socket
import sys
import threading

from cleanroom_kernel.server.sandbox.attempts import Battery, can_fork, syscall

checks = Battery()

_ANOTHER_MACHINE = ("192.0.2.1", 9)
"""Of the range reserved for documentation. Connecting a datagram socket looks up the route and sends nothing."""
_MPTCP, _TCP_FAST_OPEN = 262, 0x2000_0000
_PTRACE_SEIZE = 0x4206
_F_SETOWN = 8
_CLONE_NEWUSER = 0x1000_0000

_PTRACE = {"x86_64": 101, "aarch64": 117}
_PROCESS_VM_READV = {"x86_64": 310, "aarch64": 270}
_UNSHARE = {"x86_64": 272, "aarch64": 97}
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_BPF = {"x86_64": 321, "aarch64": 280}
_USERFAULTFD = {"x86_64": 323, "aarch64": 282}
_IO_URING_SETUP, _PIDFD_GETFD = 425, 438


@checks.need("needs", "start a thread")
def _(target):
    seen = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    return seen == [1]


@checks.need("needs", "a connected pair of sockets")
def _(target):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    left.send(b"x")
    return right.recv(1) == b"x"


@checks.need("needs", "read the program's own files")
def _(target):
    with open(__file__, "rb") as file:
        return file.read(3) == b'"""'


@checks.need("needs", "memory and randomness")
def _(target):
    return len(mmap.mmap(-1, 1 << 20)) == 1 << 20 and len(os.urandom(8)) == 8


@checks.attack("data", "list a directory of data, state or keys")
def _(target):
    return any(_names(path) == names for path, names in target["protected"].items())


@checks.attack("files", "read a file that everybody may read")
def _(target):
    with open(target["file"], encoding="ascii") as file:
        return file.read() == target["secret"]


@checks.attack("files", "list a directory that everybody may list")
def _(target):
    return os.path.basename(target["file"]) in os.listdir(os.path.dirname(target["file"]))


@checks.attack("files", "make a file where everybody may")
def _(target):
    path = os.path.join(target["open_directory"], "made")
    with open(path, "x"):
        return True


@checks.attack("files", "empty a file by opening it for reading")
def _(target):
    os.close(os.open("/dev/null", os.O_RDONLY | os.O_TRUNC))  # which cannot be emptied, and is granted
    return True


@checks.attack("files", "read the list of accounts")
def _(target):
    with open("/etc/passwd", "rb") as file:
        return bool(file.read(1))


@checks.attack("network", "a route to another machine")
def _(target):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect(_ANOTHER_MACHINE)
        return True


@checks.attack("network", "connect to a TCP port")
def _(target):
    with socket.socket(socket.AF_INET) as made:
        made.connect(("127.0.0.1", target["port"]))
        return True


@checks.attack("network", "connect to a TCP port by MPTCP")
def _(target):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, _MPTCP) as made:
        made.connect(("127.0.0.1", target["port"]))
        return True


@checks.attack("network", "connect to a TCP port by fast open")
def _(target):
    with socket.socket(socket.AF_INET) as made:
        made.sendto(b"x", _TCP_FAST_OPEN, ("127.0.0.1", target["port"]))
        return True


@checks.attack("sockets", "connect to a socket file")
def _(target):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(target["socket_file"])
        return True


@checks.attack("sockets", "connect to an abstract socket")
def _(target):
    with socket.socket(socket.AF_UNIX) as made:
        made.connect("\0" + target["abstract"])
        return True


@checks.attack("sockets", "a pair of datagram sockets, which can be pointed at any socket file")
def _(target):
    return bool(socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))


@checks.attack("sockets", "any socket of its own")
def _(target):
    families = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK)
    return any(_makes_socket(family, kind) for family in families for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


@checks.attack("processes", "signal the server")
def _(target):
    os.kill(target["server"], 0)
    return True


@checks.attack("processes", "have a pipe signal the server")
def _(target):
    reader, _ = os.pipe()
    fcntl.fcntl(reader, _F_SETOWN, target["server"])
    return True


@checks.attack("processes", "read the server's environment")
def _(target):
    with open(f"/proc/{target['server']}/environ", "rb") as file:
        return hashlib.sha256(file.read()).hexdigest() == target["environment"]


@checks.attack("processes", "read the server's memory")
def _(target):
    secret = target["secret"].encode()
    buffer = ctypes.create_string_buffer(len(secret))
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), len(secret))
    remote = (ctypes.c_size_t * 2)(target["address"], len(secret))
    syscall(_PROCESS_VM_READV, target["server"], local, 1, remote, 1, 0)
    return buffer.raw == secret


@checks.attack("processes", "trace the server", apart=True)
def _(target):
    return syscall(_PTRACE, _PTRACE_SEIZE, target["server"], 0, 0) == 0


@checks.attack("processes", "take a descriptor of the server's")
def _(target):
    return syscall(_PIDFD_GETFD, os.pidfd_open(target["server"]), 0, 0) >= 0


@checks.attack("kernel", "a user namespace", apart=True)
def _(target):
    return syscall(_UNSHARE, _CLONE_NEWUSER) == 0


@checks.attack("kernel", "io_uring")
def _(target):
    return syscall(_IO_URING_SETUP, 4, ctypes.create_string_buffer(120)) >= 0


@checks.attack("kernel", "bpf")
def _(target):
    attribute = ctypes.create_string_buffer(bytes([2, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0]), 72)
    return syscall(_BPF, 0, attribute, 72) >= 0


@checks.attack("kernel", "userfaultfd")
def _(target):
    return syscall(_USERFAULTFD, 1) >= 0


@checks.attack("kernel", "the session's keys")
def _(target):
    return syscall(_KEYCTL, 0, -3, 0) > 0


@checks.attack("kernel", "memory that no limit counts")
def _(target):
    return os.memfd_create("probe") >= 0


@checks.attack("privileges", "raise a limit")
def _(target):
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return True


@checks.attack("privileges", "a second process")
def _(target):
    return can_fork()


@checks.attack("privileges", "run a program", apart=True)  # last: should it work, nothing else is left to tell
def _(target):
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", ""])  # noqa: S606


def _names(path: str) -> str | None:
    """A digest of the names in a directory; inside bubblewrap one of the same path may hold others."""
    try:
        return hashlib.sha256("\0".join(sorted(os.listdir(path))).encode(errors="replace")).hexdigest()
    except OSError:
        return None


def _makes_socket(family: int, kind: int) -> bool:
    try:
        socket.socket(family, kind).close()
    except OSError:
        return False
    return True


def main() -> None:
    with open(int(sys.argv[1]), "rb") as pipe:
        target = json.load(pipe)
    print(json.dumps(checks.run(target)))


if __name__ == "__main__":
    main()
