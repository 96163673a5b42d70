"""Demolab: the JupyterLab of the demonstration, which shows both roles: the expert's notebook, and the owner's panel.

Promise: its settings and its workspace lie in the demonstration's own directory; nothing of the user's is changed.
"""

from __future__ import annotations

import json
from pathlib import Path

from jupyterlab_server.workspaces_handler import WorkspacesManager

SETTINGS, WORKSPACES = "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"

_NO_NEWS = {"fetchNews": "false"}  # no question on the first start, which would stand over the notebook
_OWNER = "cleanroom-owner:owner"


def prepare(place: Path, notebook: str) -> dict[str, str]:
    """Write settings, and a workspace with `notebook` and the owner's panel open. Returns the environment for it."""
    settings, workspaces = place / "settings", place / "workspaces"
    news = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True, exist_ok=True)
    news.write_text(json.dumps(_NO_NEWS))
    WorkspacesManager(str(workspaces)).save("default", json.dumps(workspace(notebook)))
    return {SETTINGS: str(settings), WORKSPACES: str(workspaces)}


def workspace(notebook: str) -> dict[str, object]:
    tabs = {"type": "tab-area", "currentIndex": 0, "widgets": [f"notebook:{notebook}", _OWNER]}
    layout = {
        "main": {"dock": tabs, "current": f"notebook:{notebook}"},
        "left": {"collapsed": True, "visible": True, "widgets": ["filebrowser"]},
        "right": {"collapsed": False, "visible": True, "current": "cleanroom-panel", "widgets": ["cleanroom-panel"]},
        "relativeSizes": [0, 0.72, 0.28],
    }
    return {
        "data": {
            "layout-restorer:data": layout,
            f"notebook:{notebook}": {"data": {"path": notebook, "factory": "Notebook"}},
            _OWNER: {"data": {}},
        },
        "metadata": {"id": "default"},
    }
