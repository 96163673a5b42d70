"""Entry point of the interpreter process: `python -m cleanroom_kernel.interpreter CONFIG_FD`."""

from __future__ import annotations

import sys

from cleanroom_kernel.interpreter.kernelapp import main

main(int(sys.argv[1]))
