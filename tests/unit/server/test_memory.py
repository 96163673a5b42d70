"""How much memory there is, and is left."""

from cleanroom_kernel.server import memory

MEMINFO = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    9000 kB\n"


def machine(tmp_path, **group):
    (tmp_path / "meminfo").write_text(MEMINFO)
    for name, text in group.items():
        (tmp_path / name.replace("_", ".")).write_text(text)
    return tmp_path / "meminfo", tmp_path


def test_without_a_group_the_machine_counts(tmp_path):
    assert memory.total(*machine(tmp_path)) == 16000 * 1024
    assert memory.available(*machine(tmp_path)) == 9000 * 1024


def test_a_group_without_a_limit_is_none(tmp_path):
    place = machine(tmp_path, memory_max="max\n", memory_current="5\n", memory_stat="")
    assert memory.available(*place) == 9000 * 1024


def test_a_groups_limit_counts_and_its_cached_files_do_not(tmp_path):
    stat = "anon 10\ninactive_file 300\n"
    place = machine(tmp_path, memory_max="1000\n", memory_current="900\n", memory_stat=stat)
    assert memory.total(*place) == 1000
    assert memory.available(*place) == 400


def test_this_machine_can_be_read():
    assert 0 < memory.available() <= memory.total()
