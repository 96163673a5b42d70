"""The owner's sandbox settings, and what they turn into: profiles and orders."""

import os
import re
import sys
from pathlib import Path

import pytest
from traitlets import TraitError

import cleanroom_kernel
from cleanroom_kernel.server.sandbox import confine, landlock, limits, orders, profiles, settings
from cleanroom_kernel.server.sandbox.bubblewrap import Bubblewrap
from cleanroom_kernel.server.sandbox.orders import Layers
from cleanroom_kernel.server.sandbox.report import Tier
from cleanroom_kernel.server.sandbox.settings import Sandbox, SandboxConfig

B = Layers(Tier.B)
A = Layers(Tier.A, Bubblewrap("/usr/bin/bwrap", "0.8.0"))


def ordered(profile, layers, **changes):
    given = {"descriptors": (), "directory": "/", "uid": None, "font_directory": None, "counted_apart": True}
    return orders.make(profile, layers, **{**given, **changes})


# -- settings ----------------------------------------------------------------------------------------------------------
def test_every_setting_is_explained():
    """The help texts are the owner's manual."""
    own = Sandbox.class_own_traits(config=True)
    assert set(own) == set(SandboxConfig.__struct_fields__) - {"protected"}
    assert all(len(trait.help.split()) > 5 for trait in own.values())


def test_the_frozen_view_has_the_same_defaults():
    assert Sandbox().snapshot() == SandboxConfig()


def test_sizes_have_units():
    assert Sandbox(memory_limit="1G").snapshot().memory_limit == 1 << 30
    assert Sandbox(scratch="64m").snapshot().scratch == 64 << 20


@pytest.mark.parametrize("wrong", ["2GB", "", "-1", "lots", "0x10", "1.5G"])
def test_what_is_no_size_is_refused(wrong):
    with pytest.raises(TraitError, match="size"):
        Sandbox(scratch=wrong)


def test_memory_below_what_scikit_learn_needs_is_refused():
    with pytest.raises(TraitError, match="800M"):
        Sandbox(memory_limit="512M")


def test_a_range_of_user_ids_holds_two_at_least():
    with pytest.raises(TraitError, match="two ids"):
        Sandbox(uid_range=(2000, 2000))


@pytest.mark.parametrize("place", ["data", "data/below", "."], ids=["the data", "below it", "above it"])
def test_extra_directories_never_touch_the_data(tmp_path, place):
    (tmp_path / "data" / "below").mkdir(parents=True)
    with pytest.raises(TraitError, match="open"):
        Sandbox(extra_readonly=[str(tmp_path / place)]).snapshot([tmp_path / "data"])


def test_an_extra_directory_that_leads_to_the_data_by_a_link_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(TraitError, match="open"):
        Sandbox(extra_readonly=[str(tmp_path / "link")]).snapshot([tmp_path / "data"])


@pytest.mark.parametrize("wrong", ["relative", "/nonexistent/anywhere", __file__])
def test_an_extra_directory_is_an_absolute_path_of_a_directory(wrong):
    with pytest.raises(TraitError, match="absolute path"):
        Sandbox(extra_readonly=[wrong]).snapshot()


def test_an_extra_directory_beside_the_data_is_granted(tmp_path):
    for name in ("data", "data-modules"):
        (tmp_path / name).mkdir()
    config = Sandbox(extra_readonly=[str(tmp_path / "data-modules")]).snapshot([tmp_path / "data"])
    assert str(tmp_path / "data-modules") in profiles.interpreter(config).read


# -- profiles ----------------------------------------------------------------------------------------------------------
def test_data_inside_a_directory_that_every_interpreter_reads_is_refused():
    """Such as /usr/share/hospital, which looks like a good place."""
    config = SandboxConfig(protected=("/usr/share/hospital",))
    with pytest.raises(profiles.GrantError, match="move it elsewhere"):
        profiles.interpreter(config)


def test_the_package_is_granted_and_not_the_folder_around_it():
    """Beside an editable install lies a whole working folder."""
    package = Path(cleanroom_kernel.__file__).parent
    assert str(package) in profiles.program_paths()
    assert str(package.parent) not in profiles.program_paths()


def test_a_prefix_that_the_system_shares_is_not_granted_whole(monkeypatch):
    monkeypatch.setattr(sys, "prefix", "/usr")
    monkeypatch.setattr(sys, "base_prefix", "/usr/local")
    assert not {"/usr", "/usr/local"} & set(profiles.program_paths())


def test_links_are_granted_by_both_names(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "link"))
    assert {str(tmp_path / "real"), str(tmp_path / "link")} <= set(profiles.program_paths())


def test_limits_and_rights_have_names_that_the_loader_knows(tmp_path):
    config = SandboxConfig(scratch=1)
    both = (profiles.interpreter(config), profiles.vault(config, tables=[tmp_path], state=tmp_path))
    for profile in both:
        given = ordered(profile, A)
        assert set(given.limits) <= set(limits.KERNELS)
        assert {kind for _, kind, _ in given.grants} <= set(landlock.RIGHTS)


# -- orders ------------------------------------------------------------------------------------------------------------
def test_an_interpreter_may_write_nothing_but_dev_null():
    given = ordered(profiles.interpreter(SandboxConfig()), B)
    assert [(path, kind) for path, kind, _ in given.grants if kind != "read"] == [("/dev/null", "device")]
    assert given.limits["file_size"] == 0


def test_scratch_space_is_granted_in_bubblewrap_only():
    """Elsewhere nothing would bound it."""
    profile = profiles.interpreter(SandboxConfig(scratch=1 << 20))
    assert "scratch" in {kind for _, kind, _ in ordered(profile, A).grants}
    assert "scratch" not in {kind for _, kind, _ in ordered(profile, B).grants}


def test_a_vault_writes_in_its_state_directory_only(tmp_path):
    profile = profiles.vault(SandboxConfig(), tables=[tmp_path / "tables"], state=tmp_path / "state")
    grants = ordered(profile, B).grants
    assert [path for path, kind, _ in grants if kind == "state"] == [str(tmp_path / "state")]
    assert (str(tmp_path / "tables"), "read", "required") in grants


def test_threads_are_limited_only_where_the_count_is_the_sessions_own():
    """The kernel counts all processes of a user: with the server's own user, a limit would starve the interpreter."""
    profile = profiles.interpreter(SandboxConfig(nproc=64))
    assert ordered(profile, B, counted_apart=True).limits["processes"] == 64
    assert "processes" not in ordered(profile, B, counted_apart=False).limits


def test_the_loader_reads_every_order_and_no_other():
    """It cannot import the type, so it reads them by name."""
    read = set(re.findall(r'orders\["(\w+)"\]', Path(confine.__file__).read_text()))
    assert read == set(orders.Orders.__struct_fields__)


def test_no_right_to_execute_or_to_make_sockets_exists():
    execute, make_socket, make_device = 1 << 0, 1 << 9, (1 << 6) | (1 << 11)
    for rights in landlock.RIGHTS.values():
        assert not rights & (execute | make_socket | make_device)


def test_nothing_of_the_servers_environment_is_inherited(monkeypatch):
    monkeypatch.setitem(os.environ, "DATABASE_PASSWORD", "x")
    environment = profiles.interpreter(SandboxConfig()).environment
    assert "DATABASE_PASSWORD" not in environment
    assert environment["HOME"] == "/nonexistent"


def test_within_compares_whole_names():
    assert settings.within("/data/x", "/data")
    assert not settings.within("/data-x", "/data")
