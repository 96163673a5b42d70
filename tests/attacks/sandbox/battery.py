"""Ways out of a process, tried from inside it: `battery.py TARGET_JSON_FILE`, confined or, as the control, not.

Prints one JSON line of results, then one line each for two attempts that may end the process. x86_64 only: half of
these are raw system calls. Standard library only, and nothing is sent to another machine.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import stat
import struct
import sys
import threading
import time

from cleanroom_kernel.server.sandbox.attempts import Battery, can_fork, syscall

checks = Battery()
attack, need = checks.attack, checks.need
LIBC = ctypes.CDLL(None, use_errno=True)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def holds(target, data):
    return target["secret"].encode() in data


def opens(path, flags):
    os.close(os.open(path, flags))
    return True


def first(attempts):
    """Whether any of several attempts works; the last one's error otherwise."""
    failure = None
    for attempt in attempts:
        try:
            attempt()
        except OSError as error:
            failure = error
        else:
            return True
    raise failure


def made(path, data=b"x"):
    with open(path, "xb") as file:
        file.write(data)
    return True


# -- what was inherited; first, before the other checks open anything --------------------------------------------------
@attack("inherited", "inherit a secret in the environment")
def _(target):
    return any(target["secret"] in value for value in os.environ.values())


@attack("inherited", "inherit an open secret file")
def _(target):
    return any(_holds_descriptor(target, descriptor) for descriptor in range(3, 300))


@attack("inherited", "inherit an open directory")
def _(target):
    return any(_is_directory(descriptor) for descriptor in range(3, 300))


def _holds_descriptor(target, descriptor):
    try:
        return holds(target, os.pread(descriptor, 200, 0))
    except OSError:
        return False


def _is_directory(descriptor):
    try:
        return stat.S_ISDIR(os.fstat(descriptor).st_mode)
    except OSError:
        return False


# -- what the process needs --------------------------------------------------------------------------------------------
@need("needs", "start threads")
def _(target):
    seen = []
    threads = [threading.Thread(target=seen.append, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(seen) == [0, 1, 2, 3]


@need("needs", "anonymous and executable memory")
def _(target):
    return len(mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)) == 4096


@need("needs", "read a granted directory")
def _(target):
    return content(target["granted"] + "/file") == b"granted"


@need("needs", "read its own memory map")
def _(target):
    return b"libc" in content("/proc/self/maps")


# -- files -------------------------------------------------------------------------------------------------------------
@attack("files", "read the password hashes")
def _(target):
    return content("/etc/shadow")


@attack("files", "read the data")
def _(target):
    return holds(target, content(target["base"] + "/data/records.csv"))


@attack("files", "list the data directory")
def _(target):
    return "records.csv" in os.listdir(target["base"] + "/data")


@attack("files", "see the data's size and date")
def _(target):
    return os.stat(target["base"] + "/data/records.csv").st_size > 0


@attack("files", "enter the data directory")
def _(target):
    before = os.getcwd()
    os.chdir(target["base"] + "/data")
    os.chdir(before)
    return True


@attack("files", "read the server's configuration")
def _(target):
    return holds(target, content(target["base"] + "/config.py"))


@attack("files", "read another session's file")
def _(target):
    return holds(target, content(target["base"] + "/sessions/other/notes.txt"))


@attack("files", "read through a symbolic link of its own")
def _(target):
    link = target["writable"] + "/link"
    os.symlink(target["base"] + "/data/records.csv", link)
    return holds(target, content(link))


@attack("files", "read through a hard link of its own")
def _(target):
    link = target["writable"] + "/hard"
    os.link(target["base"] + "/data/records.csv", link)
    return holds(target, content(link))


@attack("files", "read through a symbolic link planted in a granted directory")
def _(target):
    return holds(target, content(target["granted"] + "/planted"))


@attack("files", "read through /proc/self/root")
def _(target):
    return holds(target, content("/proc/self/root" + target["base"] + "/data/records.csv"))


@attack("files", "reopen a path-only descriptor")
def _(target):
    found = os.open(target["base"] + "/data/records.csv", os.O_PATH)
    return holds(target, content(f"/proc/self/fd/{found}"))


@attack("files", "overwrite the data")
def _(target):
    return opens(target["base"] + "/data/records.csv", os.O_WRONLY)


@attack("files", "truncate a granted file by its path")
def _(target):
    os.truncate(target["granted"] + "/truncate", 0)
    return True


@attack("files", "truncate a granted file by opening it for reading")
def _(target):
    return opens(target["granted"] + "/truncate", os.O_RDONLY | os.O_TRUNC)


@attack("files", "change the data's mode")
def _(target):
    os.chmod(target["base"] + "/data/records.csv", 0o644)
    return True


@attack("files", "change the data's date")
def _(target):
    os.utime(target["base"] + "/data/records.csv")
    return True


@attack("files", "set an attribute on a granted directory")
def _(target):
    os.setxattr(target["granted"], "user.mark", b"1")
    return True


@attack("files", "plant a file among the granted modules")
def _(target):
    return made(target["granted"] + f"/evil{os.getpid()}.pth")


@attack("files", "replace a granted file")
def _(target):
    os.rename(target["granted"] + "/rename", target["granted"] + "/renamed")
    os.rename(target["granted"] + "/renamed", target["granted"] + "/rename")
    return True


@attack("files", "remove a granted file")
def _(target):
    os.unlink(target["granted"] + "/remove")
    return True


@attack("files", "make a file in the user's home")
def _(target):
    return made(target["base"] + "/home/.bashrc")


@attack("files", "leave a scheduled job")
def _(target):
    return made(target["leaks"][2], b"")


@attack("files", "make a file that the host sees in /tmp")
def _(target):
    return made(target["leaks"][0])


@attack("files", "read a file of the host's /tmp")
def _(target):
    return holds(target, content(target["temporary"]))


@attack("files", "read another process's shared memory")
def _(target):
    return holds(target, content(target["shared"]))


@attack("files", "make shared memory that the host sees")
def _(target):
    return made(target["leaks"][1])


@attack("files", "make a named pipe")
def _(target):
    os.mkfifo(target["writable"] + "/fifo")
    return True


@attack("files", "make a block device and open it")
def _(target):
    path = target["writable"] + "/disk"
    os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    return opens(path, os.O_RDONLY)


@attack("files", "open the disk")
def _(target):
    return first(lambda path=path: opens(path, os.O_RDONLY) for path in ("/dev/vda", "/dev/sda", "/dev/nvme0n1"))


@attack("files", "open a device of the kernel")
def _(target):
    devices = ("/dev/kmsg", "/dev/mem", "/dev/kvm", "/dev/fuse", "/dev/vhost-net", "/dev/vsock")
    return first(lambda path=path: opens(path, os.O_RDWR) for path in devices)


@attack("files", "open a file by its inode")
def _(target):
    handle = ctypes.create_string_buffer(struct.pack("Ii", 8, 1) + struct.pack("II", 2, 0), 256)
    return syscall(304, os.open("/", os.O_RDONLY), handle, os.O_RDONLY) >= 0


@attack("files", "change the root directory", apart=True)
def _(target):
    os.chroot(target["writable"])
    return True


@attack("files", "make a setuid file")
def _(target):
    path = target["writable"] + "/setuid"
    made(path)
    os.chmod(path, 0o4755)
    return os.stat(path).st_mode & stat.S_ISUID and os.stat(path).st_uid == 0


@attack("files", "be told of changes in the data directory")
def _(target):
    return syscall(254, syscall(294, 0), (target["base"] + "/data").encode(), 2) > 0


@attack("files", "be told of openings in the granted directory, by a signal")
def _(target):
    fcntl.fcntl(os.open(target["granted"], os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS)
    return True


# -- /proc -------------------------------------------------------------------------------------------------------------
@attack("proc", "reach the data through process 1")
def _(target):
    return holds(target, content("/proc/1/root" + target["base"] + "/data/records.csv"))


@attack("proc", "reach the data through the server")
def _(target):
    return holds(target, content(f"/proc/{target['server']}/root" + target["base"] + "/data/records.csv"))


@attack("proc", "read the server's environment")
def _(target):
    return holds(target, content(f"/proc/{target['server']}/environ"))


@attack("proc", "read the server's memory file")
def _(target):
    with open(f"/proc/{target['server']}/mem", "rb", 0) as memory:
        memory.seek(target["address"])
        return holds(target, memory.read(64))


@attack("proc", "list the server's descriptors")
def _(target):
    return os.listdir(f"/proc/{target['server']}/fd")


@attack("proc", "read the server's command line")
def _(target):
    return b"victim" in content(f"/proc/{target['server']}/cmdline")


@attack("proc", "see other processes")
def _(target):
    return str(target["server"]) in os.listdir("/proc")


@attack("proc", "write a kernel setting")
def _(target):
    return opens("/proc/sys/kernel/core_pattern", os.O_WRONLY)


@attack("proc", "write the emergency key file")
def _(target):
    return opens("/proc/sysrq-trigger", os.O_WRONLY)


@attack("proc", "write to control groups or sysfs")
def _(target):
    paths = ("/sys/fs/cgroup/pids/cgroup.procs", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state")
    return first(lambda path=path: opens(path, os.O_WRONLY) for path in paths)


@attack("proc", "write its own memory through /proc")
def _(target):
    buffer = ctypes.create_string_buffer(b"a")
    with open("/proc/self/mem", "r+b", 0) as memory:
        memory.seek(ctypes.addressof(buffer))
        memory.write(b"b")
    return buffer.raw[:1] == b"b"


# -- other processes ---------------------------------------------------------------------------------------------------
@attack("processes", "signal the server")
def _(target):
    os.kill(target["server"], 0)
    return True


@attack("processes", "signal everybody")
def _(target):
    os.kill(-1, 0)
    return True


@attack("processes", "signal a thread of the server")
def _(target):
    return syscall(234, target["server"], target["server"], 0) == 0


@attack("processes", "signal the server through a descriptor")
def _(target):
    signal.pidfd_send_signal(os.pidfd_open(target["server"]), 0)
    return True


@attack("processes", "have a pipe signal the server")
def _(target):
    reader, _ = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETOWN, target["server"])
    return True


@attack("processes", "take a descriptor of the server's")
def _(target):
    return syscall(438, os.pidfd_open(target["server"]), 0, 0) >= 0


@attack("processes", "trace the server", apart=True)
def _(target):
    return syscall(101, 0x4206, target["server"], 0, 0) == 0


@attack("processes", "read the server's memory")
def _(target):
    buffer = ctypes.create_string_buffer(64)
    local = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 64)
    remote = (ctypes.c_size_t * 2)(target["address"], 64)
    syscall(310, target["server"], local, 1, remote, 1, 0)
    return holds(target, buffer.raw)


@attack("processes", "read the server's limits")
def _(target):
    return resource.prlimit(target["server"], resource.RLIMIT_NOFILE)


@attack("processes", "move the server to other processors")
def _(target):
    os.sched_setaffinity(target["server"], os.sched_getaffinity(target["server"]))
    return True


@attack("processes", "slow the server down")
def _(target):
    os.setpriority(os.PRIO_PROCESS, target["server"], os.getpriority(os.PRIO_PROCESS, target["server"]))
    return True


@attack("processes", "compare its memory with the server's")
def _(target):
    return syscall(312, os.getpid(), target["server"], 1, 0, 0) >= 0


@attack("processes", "move the server's memory pages")
def _(target):
    return syscall(256, target["server"], 0, 0, 0) >= 0


# -- network and sockets -----------------------------------------------------------------------------------------------
@attack("network", "connect to a TCP port")
def _(target):
    socket.socket().connect(("127.0.0.1", target["tcp"]))
    return True


@attack("network", "connect by TCP fast open")
def _(target):
    socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", target["tcp"]))
    return True


@attack("network", "connect by MPTCP")
def _(target):
    socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(("127.0.0.1", target["tcp"]))
    return True


@attack("network", "send by UDP")
def _(target):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", target["udp"]))
    return _shares_network(target)


@attack("network", "listen on a port of the machine")
def _(target):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1)
    return _shares_network(target)


@attack("network", "a socket of IP version 6")
def _(target):
    return socket.socket(socket.AF_INET6, socket.SOCK_STREAM) and _shares_network(target)


@attack("network", "send raw packets")
def _(target):
    return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) and _shares_network(target)


@attack("network", "read packets off the wire")
def _(target):
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW) and _shares_network(target)


@attack("network", "list the machine's interfaces")
def _(target):
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    made.bind((0, 0))
    made.send(struct.pack("=IHHII", 20, 18, 0x301, 1, 0) + bytes(4))
    return made.recv(65536) and _shares_network(target)


@attack("network", "a channel to the virtual machine's host")
def _(target):
    return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)


@attack("network", "the kernel's cryptography by socket")
def _(target):
    return socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET, 0)


@attack("network", "sockets of any other family")
def _(target):
    others = set(range(3, 46)) - {10, 16, 17, 38, 40}
    return first(lambda f=f, k=k: socket.socket(f, k, 0) for f in others for k in (1, 2, 3, 5))


@attack("network", "connect to an abstract socket")
def _(target):
    socket.socket(socket.AF_UNIX).connect("\0" + target["abstract"])
    return True


@attack("network", "connect to a socket file, such as docker.sock")
def _(target):
    socket.socket(socket.AF_UNIX).connect(target["base"] + "/stream.sock")
    return True


@attack("network", "send to a socket file from a datagram pair")
def _(target):
    left, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.sendto(b"x", target["base"] + "/datagram.sock")
    return True


@attack("network", "send to a socket file, such as /dev/log")
def _(target):
    socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"x", target["base"] + "/datagram.sock")
    return True


@attack("network", "give a socket a program of its own")
def _(target):
    left, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    instruction = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, 0xFFFF), 8)
    left.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxQ", 1, ctypes.addressof(instruction)))
    return True


def _shares_network(target):
    return os.stat("/proc/self/ns/net").st_ino == target["network"]


# -- interprocess communication ----------------------------------------------------------------------------------------
def _library(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


@attack("ipc", "attach System V shared memory")
def _(target):
    LIBC.shmat.restype = ctypes.c_void_p
    segment = _library(LIBC.shmget(target["key"], 0, 0))
    return holds(target, ctypes.string_at(LIBC.shmat(segment, None, 0o10000), 64))


@attack("ipc", "open a System V message queue")
def _(target):
    return _library(LIBC.msgget(target["key"], 0)) >= 0


@attack("ipc", "open a POSIX message queue")
def _(target):
    return syscall(240, target["queue"].encode(), os.O_RDWR, 0, 0) >= 0


@attack("ipc", "read the session's keyring")
def _(target):
    return syscall(250, 0, -3, 0) > 0


@attack("ipc", "add a key to the kernel")
def _(target):
    return syscall(248, b"user\0", b"attack\0", b"x", 1, -4) > 0


# -- the kernel's surface ----------------------------------------------------------------------------------------------
def _reaches(*arguments):
    """Whether the call gets as far as to complain about its arguments."""

    def attempt(target):
        try:
            syscall(*arguments)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EFAULT, errno.ENOEXEC, errno.ENOENT):
                return True
            raise
        return True

    return attempt


def _succeeds(*arguments):
    return lambda target: syscall(*arguments) >= 0


def _child_of(make):
    """A process made by a raw call: end it at once, and say whether there was one."""

    def attempt(target):
        child = make()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return True

    return attempt


NEW_USER, NEW_MOUNTS = 0x10000000, 0x20000
CLONE3 = struct.pack("8Q", NEW_USER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
BPF_MAP = struct.pack("4I", 2, 4, 4, 1) + bytes(100)
PERF = struct.pack("IIQ", 1, 128, 1) + bytes(112)

attack("kernel", "unshare a user namespace", apart=True)(_succeeds(272, NEW_USER))
attack("kernel", "unshare a mount namespace", apart=True)(_succeeds(272, NEW_MOUNTS))
attack("kernel", "clone into a user namespace")(_child_of(lambda: syscall(56, NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)))
attack("kernel", "clone3 into a user namespace")(_child_of(lambda: syscall(435, CLONE3, len(CLONE3))))
attack("kernel", "mount a file system", apart=True)(_reaches(165, b"tmpfs\0", b"/nonexistent\0", b"tmpfs\0", 0, 0))
attack("kernel", "mount by the newer calls")(_succeeds(430, b"tmpfs\0", 0))
attack("kernel", "clone a mount tree")(_succeeds(428, -100, b"/\0", 1))
attack("kernel", "io_uring")(_succeeds(425, 4, bytes(120)))
attack("kernel", "userfaultfd")(_succeeds(323, 1))
attack("kernel", "bpf")(_succeeds(321, 0, BPF_MAP, 72))
attack("kernel", "perf events")(_succeeds(298, PERF, 0, -1, -1, 0))
attack("kernel", "load another kernel")(_reaches(246, 0, 99, 0, 0))
attack("kernel", "load a module")(_reaches(175, 0, 0, 0))
attack("kernel", "restart the machine")(_reaches(169, 1, 1, 0, 0))
attack("kernel", "add swap space")(_reaches(167, 0, 0))
attack("kernel", "rename the machine")(_reaches(170, 0, 1 << 20))
attack("kernel", "read the kernel's log")(_succeeds(103, 10, 0, 0))
attack("kernel", "modify the descriptor table")(_succeeds(154, 0, bytes(16), 16))
attack("kernel", "input and output ports")(_succeeds(172, 3))
attack("kernel", "memory files")(_succeeds(319, b"x\0", 0))
attack("kernel", "secret memory files")(_succeeds(447, 0))
attack("kernel", "watch the whole file system")(_succeeds(300, 0, 0))
attack("kernel", "install a listening filter", apart=True)(_succeeds(317, 2, 0, struct.pack("I", 0x7FFF0000)))
attack("kernel", "see which pages of a file are cached")(_succeeds(27, 0, 0, 0))


@attack("kernel", "switch off address randomisation", apart=True)
def _(target):
    return syscall(135, 0x40000) >= 0


@attack("kernel", "join a namespace", apart=True)
def _(target):
    return syscall(308, os.open("/proc/self/ns/uts", os.O_RDONLY), 0) == 0


# -- privileges --------------------------------------------------------------------------------------------------------
@attack("privileges", "fork")
def _(target):
    return can_fork()


@attack("privileges", "run a shell", apart=True)
def _(target):
    os.execv("/bin/sh", ["sh", "-c", "exit 0"])


@attack("privileges", "become root", apart=True)
def _(target):
    os.setuid(0)
    return True


@attack("privileges", "hold a capability")
def _(target):
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    syscall(125, header, data)
    return (data[0] | data[3]) != 0


@attack("privileges", "gain privileges by running a setuid program")
def _(target):
    return LIBC.prctl(39, 0, 0, 0, 0) == 0


@attack("privileges", "raise a limit")
def _(target):
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return True


@attack("privileges", "leave a core file")
def _(target):
    return resource.getrlimit(resource.RLIMIT_CORE)[1] != 0


@attack("privileges", "outlive the server")
def _(target):
    return LIBC.prctl(1, 0, 0, 0, 0) == 0


@attack("privileges", "let others read its memory")
def _(target):
    return LIBC.prctl(4, 1, 0, 0, 0) == 0


@attack("privileges", "type into the terminal")
def _(target):
    return first(lambda fd=fd: fcntl.ioctl(fd, 0x5412, b"#") for fd in (0, 1, 2))


# -- information -------------------------------------------------------------------------------------------------------
@attack("information", "the machine's name")
def _(target):
    return os.uname().nodename == target["host"]


@attack("information", "a clock of nanoseconds")
def _(target):
    return time.get_clock_info("perf_counter").resolution < 1e-6


@attack("information", "the machine's identity")
def _(target):
    paths = ("/etc/machine-id", "/proc/sys/kernel/random/boot_id", "/sys/class/dmi/id/product_uuid")
    return first(lambda path=path: content(path) for path in paths)


@attack("information", "its own mount table")
def _(target):
    return b"/" in content("/proc/self/mountinfo")


def deadly():
    """Two ways past a filter that looks at numbers only; a good one answers them with the end of the process."""
    try:
        syscall(0x40000000 + 39)
        print("x32 open", flush=True)
    except OSError:
        print("x32 blocked", flush=True)
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # getpid, by the 32-bit gate
    gate = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    print("int80 open" if gate() > 0 else "int80 blocked", flush=True)


if __name__ == "__main__":
    target = json.loads(os.fdopen(int(sys.argv[1]), "rb").read())
    print(json.dumps(checks.run(target)), flush=True)
    deadly()
