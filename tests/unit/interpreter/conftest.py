import pytest

from cleanroom_kernel.interpreter import connection, hooks_pandas
from tests.unit.interpreter.rooms import world


@pytest.fixture(scope="session")
def permissive_world():
    made = world()
    hooks_pandas.install(made.room)
    return made


@pytest.fixture
def here(permissive_world):
    """A room whose gate lets everything through, made the current one."""
    connection.use(permissive_world.room._connection)
    return permissive_world


@pytest.fixture(scope="session")
def standard_world(permissive_world):
    return world(rows=1_500, preset="standard")


@pytest.fixture
def guarded(standard_world):
    """A room under the standard policy, made the current one."""
    connection.use(standard_world.room._connection)
    return standard_world


@pytest.fixture
def stays(here):
    return here.room["stays"]


@pytest.fixture
def patients(here):
    return here.room["patients"]


@pytest.fixture
def table(here):
    """The rows that `stays` stands for."""
    return here.tables["stays"].copy()


@pytest.fixture
def people(here):
    return here.tables["patients"].copy()
