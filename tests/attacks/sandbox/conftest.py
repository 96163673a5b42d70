"""Who the attacks are run as: this user, and where that is root also an ordinary user, made for the purpose."""

import json
import os
import pwd
import secrets
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"


class Person:
    """A user of the machine and a Python, with this package, that the user can run."""

    def __init__(self, python, uid=None):
        self.python = str(python)
        self.uid = uid

    def run(self, script, *arguments, under=(), **options):
        """Run a script of this folder as this person, wrapped in the command `under`."""
        identity = {} if self.uid is None else {"user": self.uid, "group": self.uid, "extra_groups": []}
        return subprocess.run(
            [*under, self.python, str(HERE / script), *arguments],
            **identity,
            cwd="/",
            capture_output=True,
            timeout=120,
            text=True,
            **options,
        )

    def report(self, script, *arguments, **options):
        done = self.run(script, *arguments, **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def public_python():
    """A Python that any user can run: one in root's home cannot be reached."""
    if _reachable(sys.executable) and _reachable(site.getsitepackages()[0]):
        yield sys.executable
        return
    if not Path(SYSTEM_PYTHON).exists() or _version(SYSTEM_PYTHON) != sys.version_info[:2]:
        pytest.skip("no Python of this version that an ordinary user can run")
    home = Path("/var/tmp") / f"cleanroom-python-{secrets.token_hex(4)}"
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", str(home)], check=True)
    packages = next((home / "lib").glob("python*/site-packages"))
    (packages / "tests.pth").write_text(f"{site.getsitepackages()[0]}\n{HERE.parents[2]}\n")
    yield str(home / "bin" / "python")
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def ordinary_user(public_python):
    """This user, unless it is root: then one made for these tests."""
    if os.geteuid() != 0:
        yield Person(sys.executable)
        return
    if shutil.which("useradd") is None:
        pytest.skip("root without useradd: no ordinary user to attack as")
    name = f"cleanroom-{secrets.token_hex(4)}"
    subprocess.run(["useradd", "--no-create-home", "--user-group", "--shell", "/usr/sbin/nologin", name], check=True)
    yield Person(public_python, pwd.getpwnam(name).pw_uid)
    subprocess.run(["userdel", name], check=True)


@pytest.fixture(scope="session")
def root():
    """Root, with the Python that runs these tests."""
    if os.geteuid() != 0:
        pytest.skip("not root")
    return Person(sys.executable)


@pytest.fixture(scope="session")
def root_with_public_python(root, public_python):
    """Root, with a Python that a session's user can run too, so that the user is changed in every tier."""
    return Person(public_python)


def _reachable(path):
    real = Path(os.path.realpath(path))
    return all(place.stat().st_mode & 0o1 for place in (real, *real.parents))


def _version(python):
    code = "import sys; print(*sys.version_info[:2])"
    return tuple(map(int, subprocess.check_output([python, "-I", "-c", code], text=True).split()))
