"""Resource limits. Promise: every limit ordered is in force, soft and hard, and none is ever raised.

Runs in the confined process: standard library only.
"""

from __future__ import annotations

import resource

from cleanroom_kernel.server.sandbox.syscalls import LayerError

KERNELS = {
    "memory": resource.RLIMIT_AS,
    "cpu": resource.RLIMIT_CPU,
    "file_size": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "processes": resource.RLIMIT_NPROC,
    "core": resource.RLIMIT_CORE,
    "locked_memory": resource.RLIMIT_MEMLOCK,
    "stack": resource.RLIMIT_STACK,
}
"""Our names for the limits -> the kernel's. Those only Linux has are added below, so that others can import this."""
for _name, _attribute in {
    "message_queues": "RLIMIT_MSGQUEUE",
    "pending_signals": "RLIMIT_SIGPENDING",
    "nice": "RLIMIT_NICE",
    "real_time": "RLIMIT_RTPRIO",
}.items():
    if hasattr(resource, _attribute):
        KERNELS[_name] = getattr(resource, _attribute)

CPU_GRACE_SECONDS = 5
"""Between SIGXCPU, which a program may handle, and SIGKILL, which it may not."""


def apply(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        which = KERNELS[name]
        hard = value + CPU_GRACE_SECONDS if name == "cpu" else value
        _, inherited = resource.getrlimit(which)
        if inherited != resource.RLIM_INFINITY:
            value, hard = min(value, inherited), min(hard, inherited)
        try:
            resource.setrlimit(which, (value, hard))
        except (OSError, ValueError) as error:
            raise LayerError("limits", type(error).__name__) from None
