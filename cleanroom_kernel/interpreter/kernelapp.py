"""The interpreter process: an ordinary IPython kernel on sockets that it inherits.

Promise: it opens no socket, no connection file, no history file and no profile; it lives no longer than the server.
None of this protects anybody (the expert's code can undo all of it): the sandbox around the process and the server's
rebuilding of every message do. It is written so that a confined process never needs what it is not allowed.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import tempfile
import threading
import traceback
from typing import Any

import ipykernel.kernelapp as upstream
import msgspec
import zmq
from ipykernel.control import ControlThread
from ipykernel.iostream import IOPubThread
from ipykernel.ipkernel import IPythonKernel
from ipykernel.shellchannel import ShellChannelThread
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.profiledir import ProfileDir
from msgspec import Struct
from traitlets.config import Config

CONFIG_LIMIT = 2**16
STARTUP = "cleanroom_kernel.interpreter.startup"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the server says on the configuration pipe. `sockets` are listening unix sockets, by channel; `supply` is
    where the server hands over the line to a new vault.
    """

    key: str
    sockets: dict[str, int]
    vault: int
    supply: int
    startup: str = STARTUP


def read_settings(descriptor: int) -> Settings:
    """One length-prefixed JSON value; the pipe stays open after it."""
    length = int.from_bytes(_exactly(descriptor, 4), "big")
    if length > CONFIG_LIMIT:
        raise SystemExit("the configuration is beyond its size limit")
    return msgspec.json.decode(_exactly(descriptor, length), type=Settings)


def _exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = os.read(descriptor, size - len(data))
        if not chunk:
            raise SystemExit("the server closed the configuration pipe")
        data += chunk
    return data


def die_with_the_server(descriptor: int) -> None:
    """The server holds the other end of this pipe for as long as it lives, and writes nothing more."""

    def watch() -> None:
        os.read(descriptor, 1)
        os._exit(0)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


class NoProfile(ProfileDir):
    """A profile that is nowhere: nothing is read from it, nothing is written to it."""

    _location_isset = True

    def _location_changed(self, _change: Any) -> None:
        """Upstream makes the directory here."""

    def check_dirs(self) -> None:
        """Upstream makes subdirectories here."""


class Shell(ZMQInteractiveShell):
    def init_ipython_dir(self, ipython_dir: str) -> None:
        self.ipython_dir = sys.prefix  # has to be a directory that exists


class Kernel(IPythonKernel):
    shell_class = Shell

    def _publish_status(self, status: str, *arguments: Any, **keywords: Any) -> None:
        """The notebook has been ready since before this process was: "starting" would come out of the blue."""
        if status != "starting":
            super()._publish_status(status, *arguments, **keywords)


class InterpreterApp(upstream.IPKernelApp):
    """IPKernelApp without files, on inherited sockets."""

    kernel_class = Kernel
    settings: Settings
    connection_dir = "/"
    ipython_dir = "/nonexistent"

    # -- sockets ------------------------------------------------------------------------------------------------------
    def _listen(self, kind: int, channel: str) -> zmq.Socket[Any]:
        made = self.context.socket(kind)
        made.linger = 1000
        # A server that reads slowly must cost this process memory, not the expert output.
        made.sndhwm = 0
        made.setsockopt(zmq.USE_FD, self.settings.sockets[channel])
        made.bind(f"ipc:///inherited/{channel}")  # a label: with USE_FD nothing is bound
        return made

    def init_sockets(self) -> None:
        self.context = zmq.Context()
        self.shell_socket = self._listen(zmq.ROUTER, "shell")
        self.stdin_socket = self._listen(zmq.ROUTER, "stdin")
        self.init_control(self.context)
        self.init_iopub(self.context)

    def init_control(self, context: zmq.Context[Any]) -> None:
        # Upstream also connects to its own shell socket for the debugger: connect(2) is not allowed here.
        self.control_socket = self._listen(zmq.ROUTER, "control")
        self.debugpy_socket = context.socket(zmq.STREAM)
        self.debug_shell_socket = context.socket(zmq.DEALER)
        self.control_thread = ControlThread(daemon=True)
        self.shell_channel_thread = ShellChannelThread(context, daemon=True)

    def init_iopub(self, context: zmq.Context[Any]) -> None:
        made = self._listen(zmq.XPUB, "iopub")
        self.configure_tornado_logger()
        # Upstream's pipe for output of forked children is a TCP port, and there are no children.
        self.iopub_thread = IOPubThread(made, pipe=False, session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket

    def init_heartbeat(self) -> None:
        """The server sees this process and its sockets; it needs no heartbeat."""

    # -- files and signals --------------------------------------------------------------------------------------------
    def init_profile_dir(self) -> None:
        self.profile_dir = NoProfile(location="/nonexistent", parent=self)

    def init_config_files(self) -> None:
        """No configuration but the server's."""

    def load_config_file(self, *_: Any, **__: Any) -> None:
        """No configuration but the server's."""

    def init_connection_file(self) -> None:
        """Nobody but the server connects."""

    def write_connection_file(self, **_: Any) -> None:
        """Nobody but the server connects."""

    def cleanup_connection_file(self) -> None:
        """There is none."""

    def log_connection_info(self) -> None:
        """There is none."""

    def init_crash_handler(self) -> None:
        """Upstream's offers to mail a report."""

    # -- ours ---------------------------------------------------------------------------------------------------------
    def init_code(self) -> None:
        """Before the first cell: the room and its API. A failure ends the process, and the server says so."""
        if self.settings.startup:
            vault, supply = (socket.socket(fileno=fd) for fd in (self.settings.vault, self.settings.supply))
            importlib.import_module(self.settings.startup).start(vault, self.shell, supply)


def configuration(settings: Settings) -> Config:
    config = Config()
    config.IPKernelApp.transport = "ipc"
    config.IPKernelApp.parent_handle = 0
    config.InteractiveShellApp.exec_lines = []
    config.HistoryManager.hist_file = ":memory:"  # a file would show one expert's code to the next
    config.Session.key = settings.key.encode()
    return config


def main(descriptor: int) -> None:
    settings = read_settings(descriptor)
    die_with_the_server(descriptor)
    tempfile.tempdir = os.environ.get("TMPDIR", "/tmp")  # noqa: S108 - a name for cells, though nothing is writable
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # its protocol is not passed on: do not load it
    stderr = os.dup(2)  # the kernel takes fd 2 for itself, and then nobody would read why it did not start
    InterpreterApp.settings = settings
    app = InterpreterApp.instance(config=configuration(settings))
    try:
        app.initialize([])
    except BaseException:  # noqa: BLE001 - said on the way out, whatever it is
        os.write(stderr, traceback.format_exc().encode())
        os._exit(1)  # threads are running that would wait for a kernel
    app.start()
