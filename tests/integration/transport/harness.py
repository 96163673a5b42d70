"""Servers, experts and kernels for the tests of the transport: real processes, and a stub in the vault's place."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
from jupyter_client.manager import KernelManager
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from cleanroom_kernel import audit
from cleanroom_kernel.kernel import connections
from cleanroom_kernel.protocol.jupyter import Header, encode
from cleanroom_kernel.protocol.websocket import SERVER_LIMIT, SUBPROTOCOL, pack, unpack
from cleanroom_kernel.server import auth
from cleanroom_kernel.server.address import Address

HERE = Path(__file__).parent
STUB = str(HERE / "stub_vault.py")
PATIENT = 30

VAULT = """
import socket
from cleanroom_kernel.interpreter.kernelapp import InterpreterApp
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, Channel
from cleanroom_kernel.protocol.messages import Disclose, Export, Reply
vault = Channel(socket.socket(fileno=InterpreterApp.instance().settings.vault), Reply, limit=ANSWER_LIMIT)
number = iter(range(1, 1000))
def ask(what):
    vault.send(Disclose(next(number), what))
    return vault.receive().answer
def export(content, name):
    vault.send(Export(next(number), content, name))
    return vault.receive().answer
"""
"""Cell that gives the expert's code a line to the stub vault."""


class RunningServer:
    def __init__(self, state: Path, **settings) -> None:
        self.state = state
        sections = {name: settings.pop(name) for name in list(settings) if name[0].isupper()}
        self.config = {
            "Server": {
                "room": str(state.parent),
                "name": "ward",
                "state": str(state),
                "port": 0,
                "owner_port": 0,
                "vault_command": [STUB],
                "interpreter_startup": "",
                **settings,
            },
            **sections,
        }
        self.process: subprocess.Popen | None = None
        self.start()

    def start(self) -> None:
        self.log = open(self.state.parent / "server.log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "run_server.py"), json.dumps(self.config)],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        line = self.process.stdout.readline()
        assert line, (self.state.parent / "server.log").read_text()
        self.address = msgspec.json.decode(line, type=Address)
        self.config["Server"]["port"] = self.address.port  # a restarted server is found at the same place

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(20) == 0, (self.state.parent / "server.log").read_text()
        self._close()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        self.process.stdout.close()
        self.log.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.address.fingerprint else 'http'}://127.0.0.1:{self.address.port}"

    def transact(self, work):
        engine = audit.engine(self.state)
        try:
            with engine.begin() as connection:
                return work(connection)
        finally:
            engine.dispose()

    def invite(self, name: str = "ada", kind: auth.Kind = auth.Kind.EXPERT) -> str:
        return self.transact(lambda connection: auth.invite(connection, name, kind)).token

    def revoke(self, name: str) -> None:
        self.transact(lambda connection: auth.revoke(connection, name))

    def events(self, kind=audit.Event) -> list[audit.AnyEvent]:
        def read(connection):
            assert audit.verify(connection).intact
            return [entry.event for entry in audit.entries(connection) if isinstance(entry.event, kind)]

        return self.transact(read)

    def install(self, token: str, name: str = "cleanroom", port: int | None = None, patience: float = 2.0) -> str:
        """A kernel for this server, reached at `port` (a relay's) if given; its name."""
        invitation = self.address.invitation(token, "127.0.0.1")
        connection = connections.with_certificate(connections.parse(invitation))
        if port is not None:
            connection = msgspec.structs.replace(connection, port=port)
        folder = connections.install(connection, name=name)
        specification = json.loads((folder / "kernel.json").read_text())
        specification["argv"] += ["--patience", str(patience)]
        (folder / "kernel.json").write_text(json.dumps(specification))
        return name


@contextmanager
def kernel(name: str, **keywords):
    """A started kernel and a connected client."""
    manager = KernelManager(kernel_name=name)
    manager.start_kernel(**keywords)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENT)
        yield manager, client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=False)
        manager.cleanup_resources()


class Result:
    """What a cell answered: its reply, and its messages on iopub."""

    def __init__(self, reply, messages) -> None:
        self.reply, self.messages = reply["content"], messages
        self.metadata = reply["metadata"]

    @property
    def status(self) -> str:
        return self.reply["status"]

    @property
    def text(self) -> str:
        """What was printed, notes of the clean room's own included."""
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream")

    def kinds(self) -> list[str]:
        return [m["msg_type"] for m in self.messages]

    def of(self, kind: str) -> list[dict]:
        return [m for m in self.messages if m["msg_type"] == kind]


def run(client, code: str, timeout: float = PATIENT, **keywords) -> Result:
    return collect(client, client.execute(code, **keywords), timeout)


def collect(client, message_id: str, timeout: float = PATIENT) -> Result:
    """Reply and iopub come in no mutual order: wait for both, the reply and idle."""
    messages = []
    while True:
        try:
            message = client.get_iopub_msg(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no idle after {[(m['msg_type'], m['content']) for m in messages]}") from None
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            break
        messages.append(message)
    return Result(reply_to(client, message_id, timeout), messages)


def reply_to(client, message_id: str, timeout: float = PATIENT) -> dict:
    while True:
        try:
            reply = client.get_shell_msg(timeout=timeout)
        except queue.Empty:
            raise AssertionError("no reply") from None
        if reply["parent_header"].get("msg_id") == message_id:
            return reply


def drain(client) -> None:
    for channel in (client.iopub_channel, client.shell_channel, client.stdin_channel, client.control_channel):
        while True:
            try:
                channel.get_msg(timeout=0.05)
            except queue.Empty:
                break


def eventually(check, timeout: float = 20):
    """Wait until `check()` is true, and return it."""
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# -- without a proxy kernel -------------------------------------------------------------------------------------------
class Expert:
    """A bare client of the server's own border, for what a proxy kernel would never send."""

    def __init__(self, server: RunningServer, token: str) -> None:
        self.server, self.token = server, token
        self.client = AsyncHTTPClient(force_instance=True)

    async def fetch(self, method: str, path: str, **keywords):
        headers = {"Authorization": f"token {self.token}", **keywords.pop("headers", {})}
        request = self._request(self.server.url + path, method=method, headers=headers, **keywords)
        return await self.client.fetch(request, raise_error=False)

    async def open(self, session: str | None = None, query: str = "", **keywords):
        """A websocket to a (new) session; its id is in `.session`."""
        if session is None:
            response = await self.fetch("POST", "/api/kernels", body="{}")
            assert response.code == 201, response.body
            session = json.loads(response.body)["id"]
        url = f"{self.server.url.replace('http', 'ws', 1)}/api/kernels/{session}/channels{query}"
        headers = {"Authorization": f"token {self.token}", **keywords.pop("headers", {})}
        options = {"subprotocols": [SUBPROTOCOL], "max_message_size": SERVER_LIMIT, **keywords}
        socket = await websocket_connect(self._request(url, headers=headers), **options)
        socket.session = session
        return socket

    def _request(self, url: str, **keywords) -> HTTPRequest:
        return HTTPRequest(url, allow_nonstandard_methods=True, request_timeout=PATIENT, **keywords)


def frame(kind: str, content: dict, channel: str = "shell", **header) -> tuple[str, bytes]:
    """A frame from a client and its message's identity."""
    made = Header(secrets.token_hex(8), kind, session="test", **header)
    return made.msg_id, pack(channel, (encode(made), b"{}", b"{}", encode(content)))


class Message:
    """A frame from the server, read."""

    def __init__(self, data: bytes) -> None:
        self.channel, (header, parent, metadata, content, *self.buffers) = unpack(data)
        self.header, self.parent = json.loads(header), json.loads(parent)
        self.metadata, self.content = json.loads(metadata), json.loads(content)
        self.kind, self.data = self.header["msg_type"], data


async def ask(socket, kind: str, content: dict, channel: str = "shell") -> list[Message]:
    """Send a request and read until its reply and, if it had one, its idle status."""
    identity, data = frame(kind, content, channel)
    await socket.write_message(data, binary=True)
    heard, replied, idle = [], False, False
    while not (replied and idle):
        received = await asyncio.wait_for(socket.read_message(), PATIENT)
        assert received is not None, f"closed: {socket.close_code} {socket.close_reason}"
        if isinstance(received, str):
            continue
        message = Message(received)
        heard.append(message)
        if message.parent.get("msg_id") == identity:
            replied |= message.kind.endswith("_reply")
            idle |= message.kind == "status" and message.content["execution_state"] == "idle"
    return heard


def cell(code: str, **options) -> dict:
    defaults = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    return {"code": code, "stop_on_error": True, **defaults, **options}
