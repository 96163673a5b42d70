"""Folders are trust zones: who may import whom, who may make a release, and what no file may contain."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cleanroom_kernel"

# Zone -> the zones that it may import, besides itself.
ALLOWED = {
    "plan": set(),
    "protocol": {"plan"},
    "audit": {"protocol"},
    "requests": {"protocol", "audit"},
    "airlock": {"protocol", "audit", "requests"},
    "kernel": {"protocol"},
    "job": {"protocol"},
    "rowfunctions": set(),
    "rowworker": {"rowfunctions", "server"},  # of the server's, the layers that a confined process applies
    "interpreter": {"plan", "protocol", "job", "rowfunctions"},
    "server": {"plan", "protocol", "audit", "airlock", "requests"},
    "disclosure": {"plan", "protocol", "audit", "airlock", "requests"},
    "vault": {"plan", "protocol", "rowfunctions", "disclosure", "audit", "airlock", "requests"},
    "demo": {"plan"},
    "cli": {"plan", "protocol", "audit", "airlock", "requests", "kernel", "server", "vault", "disclosure", "demo"},
}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py"))


def zone_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Modules of ours that a file imports, function-local imports counted, type-checking imports too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module and node.module.split(".")[0] == "cleanroom_kernel":
                found.add(node.module)
                found |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name.split(".")[0] == "cleanroom_kernel"}
    return {name for name in found if as_path(name) is not None}


def as_path(name):
    base = ROOT.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_follow_trust(path):
    zone = zone_of(path)
    if zone == "__init__":
        assert not imports(path)
        return
    reached = {zone_of(as_path(name)) for name in imports(path)} - {"__init__"}
    assert reached <= ALLOWED[zone] | {zone}


def test_every_zone_has_its_rule():
    zones = {zone_of(path) for path in modules()} - {"__init__"}
    assert zones == set(ALLOWED)


def test_no_import_cycles():
    """Modules can be read one at a time: no two reach each other."""
    graph = {path: {as_path(name) for name in imports(path)} - {path} for path in modules()}
    graph = {path: {to for to in targets if to.name != "__init__.py"} for path, targets in graph.items()}
    done, active = set(), []

    def visit(path):
        assert path not in active, " -> ".join(str(p.relative_to(ROOT)) for p in [*active[active.index(path) :], path])
        if path in done:
            return
        active.append(path)
        for target in graph[path]:
            visit(target)
        active.pop()
        done.add(path)

    for path in graph:
        visit(path)


def makers_of(name):
    """Files that call `name(...)`."""
    makers = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
                if called == name:
                    makers.add(str(path.relative_to(PACKAGE)))
    return makers


def test_there_is_one_door():
    assert makers_of("Release") == {"disclosure/gate.py"}
    assert {path for path in makers_of("leave") if path.startswith(("disclosure/", "vault/"))} == {
        "disclosure/gate.py",
        "disclosure/jobs.py",
    }


def test_the_text_of_a_job_becomes_code_in_one_place():
    """Which is run in the interpreter, on synthetic rows, and in a process of its own: never in a vault or a server."""
    assert {path for path in makers_of("exec_module") if zone_of(PACKAGE / path) != "interpreter"} == {"job/running.py"}
    users = {str(path.relative_to(PACKAGE)) for path in modules() if "cleanroom_kernel.job.running" in imports(path)}
    assert users == {"job/__main__.py", "interpreter/jobs.py"}


FORBIDDEN_IMPORTS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "multiprocessing", "shelve"}
HANDOVER = "vault/handover.py"  # between a vault and its worker, two processes of one zone
ITS_USERS = {"vault/fitting.py", "vault/worker.py"}
EVALUATES = {"rowfunctions/language.py": {"exec"}}  # what RestrictedPython compiled, on a twin or in a locked worker


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_pickle_and_no_evaluation(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [name.name for name in node.names] + [getattr(node, "module", None) or ""]
            found = {name.split(".")[0] for name in names} & FORBIDDEN_IMPORTS
            assert not found or (found == {"pickle"} and str(path.relative_to(PACKAGE)) == HANDOVER)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            denied = {"eval", "exec", "__import__"} - EVALUATES.get(str(path.relative_to(PACKAGE)), set())
            assert node.func.id not in denied, f"{path}:{node.lineno}"


def test_only_a_locked_worker_calls_a_row_function_on_rows():
    """The vault packs rows and reads answers; it neither compiles nor calls what the expert wrote."""
    running = {"cleanroom_kernel.rowfunctions.language", "cleanroom_kernel.rowfunctions.calling"}
    users = {zone_of(path) for path in modules() if running & imports(path)}
    assert users <= {"rowfunctions", "rowworker", "interpreter"}


def test_what_pickles_lies_between_a_vault_and_its_worker_alone():
    users = {str(path.relative_to(PACKAGE)) for path in modules() if "cleanroom_kernel.vault.handover" in imports(path)}
    assert users == ITS_USERS


def test_the_package_speaks_of_itself_alone():
    """No path of a developer's machine and no neighbour folder in what is shipped."""
    for path in modules():
        text = path.read_text()
        assert "../shared" not in text
        assert "/work/" not in text
