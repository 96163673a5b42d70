"""How much memory the processes of a session have to themselves, as the owner's panel shows it."""

from __future__ import annotations

import os

from cleanroom_kernel.server import memory


def process(folder, pid, parent, own=None):
    (folder / str(pid)).mkdir()
    lines = [f"Name:\tone (of: many)\nPPid:\t{parent}", *([] if own is None else [f"RssAnon:\t{own:>8} kB"])]
    (folder / str(pid) / "status").write_text("\n".join([*lines, "VmRSS:\t  999999 kB", ""]))


def test_children_count_and_mapped_files_do_not(tmp_path):
    process(tmp_path, 1, 0, 5)
    process(tmp_path, 10, 1, 100)
    process(tmp_path, 11, 10, 20)
    process(tmp_path, 12, 11, 3)
    process(tmp_path, 20, 1, 7)
    process(tmp_path, 21, 20)  # a thread of the kernel, or a zombie, has none
    (tmp_path / "meminfo").write_text("")
    assert memory.held_by([[10], [20, 12]], tmp_path) == [123 * 1024, 10 * 1024]


def test_a_process_that_has_just_ended_has_none(tmp_path):
    process(tmp_path, 10, 1, 100)
    (tmp_path / "11").mkdir()
    assert memory.held_by([[10, 11, 12]], tmp_path) == [100 * 1024]


def test_this_process_has_some():
    ((own,), (nobody,)) = (memory.held_by([[os.getpid()]]), memory.held_by([[]]))
    assert own > 2**20
    assert nobody == 0
