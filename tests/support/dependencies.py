"""What this project stands on: `audit` asks for known vulnerabilities of it, `sbom` lists it for others to ask.

`make audit` and `make sbom`. An audit needs a registry that publishes advisories; without one it says that nothing was
looked up, and does not fail for that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SBOM = ROOT / "sbom.cdx.json"
_PATIENCE = 300  # seconds for the registry's answers


def audit() -> int:
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
        report = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        print("SKIPPED audit of dependencies: no list of advisories could be reached")
        return 0
    packages = report["dependencies"]
    asked = [package for package in packages if "vulns" in package]
    for package in asked:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no version"
            print(f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}")
    found = sum(bool(package["vulns"]) for package in asked)
    print(f"{len(asked)} of {len(packages)} packages looked up, {found} with known vulnerabilities")
    if not asked:
        print("SKIPPED audit of dependencies: this registry publishes no advisories")
    return 1 if found else 0


def sbom() -> int:
    """A CycloneDX bill of materials of what is installed, with the licences that packages declare."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(ROOT / "pyproject.toml")]
    options = ["--output-reproducible", "--output-format", "JSON", "--output-file", str(SBOM), sys.executable]
    subprocess.run([*command, *options], check=True)
    components = json.loads(SBOM.read_text())["components"]
    print(f"{SBOM.name}: {len(components)} components")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.dependencies", description=__doc__)
    parser.add_argument("what", choices=("audit", "sbom"))
    return {"audit": audit, "sbom": sbom}[parser.parse_args().what]()


if __name__ == "__main__":
    sys.exit(main())
