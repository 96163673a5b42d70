"""A parent of row-function workers that leaves the locks out: what a plain fork takes. For the benchmark alone."""

import sys

from cleanroom_kernel.rowworker import __main__ as parent
from cleanroom_kernel.rowworker import batch

batch.lock = lambda *_: None
sys.exit(parent.main())
