"""What is committed of the JupyterLab extension is current and complete. Needs no Node."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "labextension"
BUILT = ROOT / "cleanroom_kernel" / "labextension"


@pytest.mark.parametrize("script", ["generate_types.py", "built_from.py"])
def test_what_is_generated_is_current(script):
    checked = subprocess.run([sys.executable, str(SOURCES / script), "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_built_extension_is_whole():
    package = json.loads((BUILT / "package.json").read_text())
    assert package["name"] == "cleanroom-kernel"
    assert (BUILT / package["jupyterlab"]["_build"]["load"]).is_file()


def test_what_is_installed_lies_where_jupyter_looks():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["shared-data"] == {
        "cleanroom_kernel/labextension": "share/jupyter/labextensions/cleanroom-kernel",
        "labextension/install.json": "share/jupyter/labextensions/cleanroom-kernel/install.json",
        "labextension/jupyter-config": "etc/jupyter/jupyter_server_config.d",
    }
    assert all((ROOT / path).exists() for path in wheel["shared-data"])
    (config,) = (SOURCES / "jupyter-config").glob("*.json")
    enabled = json.loads(config.read_text())["ServerApp"]["jpserver_extensions"]
    assert enabled == {"cleanroom_kernel.kernel.labserver": True}


@pytest.mark.parametrize("name", ["package.json", "yarn.lock", ".yarnrc.yml"])
def test_no_registry_is_named(name):
    text = (SOURCES / name).read_text()
    assert not [mark for mark in ("://", "%3A%2F%2F", "__archiveUrl", "npmRegistryServer") if mark in text]
