"""Start-up in a real IPython shell: the room in the namespace, cards for our errors, formatters for results."""

import re
import socket

import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from cleanroom_kernel.interpreter import connection, startup
from tests.unit.interpreter.rooms import Vault


@pytest.fixture
def shell(guarded):
    before = connection.current()
    ours, theirs = socket.socketpair()
    Vault(guarded.vault.desk).serve(theirs)
    shell = InteractiveShell()
    startup.start(ours, shell)
    yield shell
    connection.use(before)


def run(shell, code):
    with capture_output() as captured:
        result = shell.run_cell(code)
    return result, re.sub(r"\x1b\[[0-9;]*m", "", captured.stdout)


def test_only_the_room_is_put_into_the_namespace(shell):
    assert "room" in shell.user_ns
    assert "pd" not in shell.user_ns


def test_a_refusal_is_a_card_with_the_experts_line_and_no_traceback_of_ours(shell):
    result, shown = run(shell, "df = room['stays']\n\nx = df.age.max()\n")
    assert type(result.error_in_exec).__name__ == "CleanRoomRefusal"
    assert "x = df.age.max()" in shown
    assert "quantile" in shown
    assert "Traceback" not in shown
    assert "interpreter/" not in shown


def test_a_card_has_no_colour_so_that_it_reads_on_the_red_of_every_theme(shell):
    with capture_output() as captured:
        shell.run_cell("room['stays'].age.max()")
    styles = set(re.findall(r"\x1b\[([0-9;]*)m", captured.stdout))
    assert styles == {"0", "1"}


def test_a_plan_that_cannot_be_is_a_card_as_well(shell):
    _, shown = run(shell, "room['stays'].pid + 1")
    assert "Not possible: opaque columns" in shown
    assert "Traceback" not in shown


def test_a_mistake_that_pandas_knows_has_pandas_traceback(shell):
    _, shown = run(shell, "room['stays']['nope']")
    assert "KeyError" in shown
    assert "Traceback" in shown


def test_a_result_with_suppressed_cells_shows_them_as_text_and_html(shell):
    code = """
df = room['stays']
df['g'] = df.age.map(lambda age: 'rare' if age > 97 else 'usual')
df.groupby(['g', 'died']).size()
"""
    _, shown = run(shell, code)
    format_text = shell.display_formatter.format(pd.DataFrame({"a": [1]}))[0]
    assert "usual" in shown
    assert "text/html" in format_text


def test_a_handle_is_displayed_with_its_twin(shell):
    formats = shell.display_formatter.format(shell.user_ns["room"]["stays"])[0]
    assert "Synthetic rows" in formats["text/plain"]
    assert "Synthetic rows" in formats["text/html"]


COMPLETED = {
    "df.lo": "los",
    "df.los.me": "mean",
    "df['wa": "ward",
    "df.groupby('ward').lo": "los",
    "df.code.str.lo": "lower",
    "room['st": "stays",
    "room['stays'].ag": "age",
    "room.st": "stays",
}


def test_completion_lists_columns_and_asks_nothing(shell):
    run(shell, "df = room['stays']")
    released = len(shell.user_ns["room"].receipts)
    for text, name in COMPLETED.items():
        _, found = shell.complete(text)
        assert any(name in match for match in found), text
    assert not shell.complete("df.shape.co")[1]
    assert len(shell.user_ns["room"].receipts) == released


INSPECTED = ("df", "df.los", "df.los.mean", "groups", "groups.los", "room", "room.tables", "longer")


def test_inspection_and_history_ask_nothing(shell, monkeypatch):
    """Not even what would be refused: nothing is sent."""
    shell.run_cell("df = room['stays']; groups = df.groupby('ward'); longer = df.los + 1", store_history=True)
    sent = []
    monkeypatch.setattr(connection.Connection, "_asked", lambda self, request: sent.append(request))
    for name in INSPECTED:
        for detail in (0, 1):
            assert "text/plain" in shell.object_inspect_mime(name, detail_level=detail)
    assert any("df" in line for _, _, line in shell.history_manager.get_range())
    assert sent == []
