"""Run the self-test on a machine that lacks something: `assess.py SETTINGS_JSON [SYSTEM_CALL_NUMBER…]`.

The calls are made to fail with ENOSYS first, as on a kernel without them. Prints what was found, or the refusal.
"""

import ctypes
import json
import os
import struct
import sys

import msgspec

from cleanroom_kernel.server.sandbox import selftest
from cleanroom_kernel.server.sandbox.report import SandboxRefusedError
from cleanroom_kernel.server.sandbox.settings import SandboxConfig
from cleanroom_kernel.server.sandbox.uids import UidPool

NO_NEW_PRIVS, SECCOMP, SET_FILTER, ENOSYS = 38, 22, 2, 38


def take_away(calls):
    """Classic BPF: load the number; for each call, if it is this one, ENOSYS; otherwise allow."""
    program = struct.pack("=HBBI", 0x20, 0, 0, 0)
    for call in calls:
        program += struct.pack("=HBBI", 0x15, 0, 1, call) + struct.pack("=HBBI", 0x06, 0, 0, 0x00050000 | ENOSYS)
    program += struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)
    buffer = ctypes.create_string_buffer(program, len(program))
    argument = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(SECCOMP, SET_FILTER, argument) == 0


def main(settings, calls):
    if calls:
        take_away(calls)
    real_data = settings.pop("real_data", False)
    config = msgspec.convert(settings, SandboxConfig)
    uid = UidPool(*config.uid_range).take() if os.geteuid() == 0 else None
    try:
        assessment, layers = selftest.assess(config, real_data=real_data, uid=uid)
    except SandboxRefusedError as refusal:
        obstacles = [[reason.tier.value, reason.obstacle.name, reason.detail] for reason in refusal.reasons]
        print(json.dumps({"refused": obstacles, "text": str(refusal)}))
    else:
        print(json.dumps({"assessment": msgspec.to_builtins(assessment), "layers": msgspec.to_builtins(layers)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), list(map(int, sys.argv[2:])))
