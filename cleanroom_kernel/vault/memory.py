"""Memory: the limit of this process's own. The tables that it maps are the page cache's, and do not count.

Promise: beyond the limit an allocation fails. Where a library says so, that is a refusal like any other failure; where
it ends the process, the server starts another vault and the question is charged.
"""

from __future__ import annotations

import resource

from cleanroom_kernel.protocol.release import Reason, Refusal

SHORT = Refusal(
    Reason.FAILED,
    "failed",
    "This needed more memory than the owner gives a vault.",
    "Ask about fewer columns, rows or groups at a time; the owner can raise Server.vault_memory.",
)


def limit(most: int) -> None:
    """At most so many bytes; 0 changes nothing."""
    if most:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
