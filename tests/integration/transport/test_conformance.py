"""The Jupyter project's own conformance suite, on plain ipykernel and through proxy, server and interpreter."""

# ruff: noqa: RUF012 - the suite wants its samples as class attributes

from __future__ import annotations

import jupyter_kernel_test
import pytest


class Samples:
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))", "mime": "text/html"}
    ]
    supported_history_operations = ("tail", "search")
    code_history_pattern = "1?2*"
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class Patient:
    """The suite waits a tenth of a second for each message of a cell, which a busy machine can take."""

    def execute_helper(self, *arguments, **keywords):
        channel = self.kc.iopub_channel
        hurried = channel.get_msg
        channel.get_msg = lambda timeout: hurried(timeout=max(timeout, 10))
        try:
            return super().execute_helper(*arguments, **keywords)
        finally:
            channel.get_msg = hurried


class TestPlain(Samples, Patient, jupyter_kernel_test.KernelTests):
    """What the suite says of ipykernel itself: the yardstick."""

    kernel_name = "python3"


@pytest.mark.usefixtures("cleanroom")
class TestCleanRoom(Samples, Patient, jupyter_kernel_test.KernelTests):
    kernel_name = "cleanroom"


@pytest.mark.usefixtures("cleanroom")
class TestCleanRoomWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "cleanroom"
    support_iopub_welcome = True
