import pytest

from cleanroom_kernel.interpreter import connection, hooks_pandas, hooks_sklearn
from tests.unit.interpreter.learn_rooms import learning_world
from tests.unit.interpreter.rooms import world

hooks_sklearn.prepare()  # before a test module imports a function of scikit-learn by its name


@pytest.fixture(scope="session")
def permissive_world():
    made = world()
    hooks_pandas.install(made.room)
    return made


@pytest.fixture
def here(permissive_world):
    """A room whose gate lets everything through, made the current one, also for pandas' readers."""
    connection.use(permissive_world.room._connection)
    hooks_pandas.install(permissive_world.room)
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
def guarded_alone(permissive_world):
    """The same with a ledger of its own, for tests whose questions would count against those of others."""
    made = world(rows=1_500, preset="standard")
    connection.use(made.room._connection)
    return made


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


@pytest.fixture(scope="session")
def permissive_clinic(permissive_world):
    return learning_world(1_000)


@pytest.fixture
def clinic(permissive_clinic):
    """A room in which models are fitted, and whose gate lets everything through, made the current one."""
    connection.use(permissive_clinic.room._connection)
    return permissive_clinic


@pytest.fixture(scope="session")
def standard_clinic(permissive_world):
    return learning_world(3_000, preset="standard")


@pytest.fixture
def guarded_clinic(standard_clinic):
    """The same under the standard policy."""
    connection.use(standard_clinic.room._connection)
    return standard_clinic
