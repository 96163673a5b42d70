"""What binder/ starts: one container's JupyterLab with the expert's notebook and the owner's panel, both at work."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
import tomllib

import pytest

from tests.acceptance.browser import CHROMIUM, PATIENT, ROOT, announced_url, browser
from tests.acceptance.test_browser import picture

BINDER = ROOT / "binder"


def test_its_files_install_this_project_on_a_python_that_it_supports():
    assert (BINDER / "requirements.txt").read_text().split() == ["."]
    python = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={python}"
    assert os.access(BINDER / "start", os.X_OK)


@pytest.fixture
def started(tmp_path):
    """JupyterLab as `binder/start` starts it, in an empty folder."""
    token, runtime = secrets.token_hex(16), tmp_path / "runtime"
    runtime.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
        "JUPYTER_TOKEN": token,
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "CLEANROOM_PATIENTS": "800",
    }
    extensions = tmp_path / "extensions"
    extensions.mkdir()
    (extensions / "cleanroom-kernel").symlink_to(ROOT / "cleanroom_kernel" / "labextension")
    command = [str(BINDER / "start"), sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += [f"--LabApp.extra_labextensions_path={extensions}"]
    command += ["--ServerApp.jpserver_extensions={'cleanroom_kernel.kernel.labserver': True}"]
    with (tmp_path / "lab.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield announced_url(process, runtime, tmp_path / "lab.log"), token
    finally:
        os.killpg(process.pid, 15)  # the room's server is a child of the same start
        process.wait(30)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not on this machine")
@pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed")
def test_both_roles_are_on_screen_and_at_work(started):
    url, token = started
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(PATIENT)
        page.goto(f"{url}lab?token={token}")
        page.locator(".crk-Status-button", has_text="hospital").wait_for()
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        panel = page.get_by_role("region", name="Clean Room", exact=True)
        panel.locator(".crk-Facts", has_text="Isolation").wait_for()
        picture(page, "binder-expert")
        assert page.locator(".jp-Notification, .Toastify__toast").count() == 0  # no question about news
        page.locator(".lm-TabBar-tab", has_text="Clean Room · Owner").click()
        live = page.get_by_role("tabpanel", name="Live")
        live.get_by_role("rowheader", name="demo-expert").wait_for()
        picture(page, "binder-owner")
