"""The server in the battery: `victim.py BASE`. Same user as the launcher, with secrets in every place that leaks.

Prints its particulars as one JSON line; then, for each line on stdin, how often each of its sockets was reached.
"""

import ctypes
import json
import os
import secrets
import socket
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

SECRET = os.environ["CLEANROOM_TEST_SECRET"]
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.shmat.restype = ctypes.c_void_p
IPC_CREAT, IPC_RMID = 0o1000, 0


def write(path, text=SECRET, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def files(base, stack):
    """Open to everybody on purpose, so that file permissions block nothing."""
    write(base / "data" / "records.csv")
    write(base / "config.py")
    write(base / "sessions" / "other" / "notes.txt")
    (base / "home").mkdir()
    shared = Path("/dev/shm") / f"cleanroom-victim-{os.getpid()}"
    write(shared, mode=0o666)
    stack.callback(shared.unlink)
    return str(shared)


def listen(base, abstract, reached):
    def count(name, receive):
        while True:
            receive()
            reached[name] += 1

    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    by_name, stream = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    by_name.bind("\0" + abstract)
    stream.bind(str(base / "stream.sock"))
    datagram.bind(str(base / "datagram.sock"))
    for listener in (by_name, stream):
        listener.listen()
    for name in ("stream.sock", "datagram.sock"):
        (base / name).chmod(0o666)
    receivers = {
        "tcp": tcp.accept,
        "udp": lambda: udp.recv(100),
        "abstract": by_name.accept,
        "stream": stream.accept,
        "datagram": lambda: datagram.recv(100),
    }
    for name, receive in receivers.items():
        reached[name] = 0
        threading.Thread(target=count, args=(name, receive), daemon=True).start()
    return tcp.getsockname()[1], udp.getsockname()[1]


def shared_memory(stack):
    key = 0x5EC00000 + secrets.randbelow(1 << 16)
    segment = LIBC.shmget(key, 4096, IPC_CREAT | 0o666)
    ctypes.memmove(LIBC.shmat(segment, None, 0), SECRET.encode(), len(SECRET))
    messages = LIBC.msgget(key, IPC_CREAT | 0o666)
    stack.callback(LIBC.shmctl, segment, IPC_RMID, None)
    stack.callback(LIBC.msgctl, messages, IPC_RMID, None)
    queue = f"cleanroom-victim-{os.getpid()}"
    LIBC.mq_open(f"/{queue}".encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
    stack.callback(LIBC.mq_unlink, f"/{queue}".encode())
    return key, queue


def main(base):
    memory = ctypes.create_string_buffer(SECRET.encode())
    reached = {}
    abstract = f"cleanroom-victim-{os.getpid()}"
    with ExitStack() as stack:
        shared = files(base, stack)
        tcp, udp = listen(base, abstract, reached)
        key, queue = shared_memory(stack)
        particulars = {
            "server": os.getpid(),
            "secret": SECRET,
            "base": str(base),
            "shared": shared,
            "tcp": tcp,
            "udp": udp,
            "abstract": abstract,
            "key": key,
            "queue": queue,
            "address": ctypes.addressof(memory),
            "network": os.stat("/proc/self/ns/net").st_ino,
            "host": os.uname().nodename,
        }
        print(json.dumps(particulars), flush=True)
        for _ in sys.stdin:
            print(json.dumps(reached), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
