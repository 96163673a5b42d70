"""Row functions through a vault process: its worker, its one no, and what the budget has to say of it."""

import pytest
from sklearn.linear_model import LogisticRegression
from support.learning import fit_of

from cleanroom_kernel import audit
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.expressions import Named, RowFunction, Value
from cleanroom_kernel.plan.relations import Assign
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.messages import Disclose, Interrupt, RowLimits
from cleanroom_kernel.protocol.release import Reason, Refusal, Release
from tests.integration.vault.process import PATIENTS, TABLE, Vault, prepared

AGES = sum(20 + number % 50 for number in range(3 * PATIENTS)) / (3 * PATIENTS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return prepared(tmp_path_factory.mktemp("rows"))


@pytest.fixture
def vault_of(place, tmp_path):
    (tmp_path / "room").symlink_to(place / "room")
    started = []

    def start(**options):
        vault = Vault(tmp_path, **options)
        started.append(vault)
        return vault

    yield start
    for vault in started:
        vault.__exit__()


def mean_of(source, dtype=DType.FLOAT):
    called = RowFunction(source, (Value("age"),), dtype)
    return a.Summary(Assign(TABLE, (Named("f", called),)), (a.Column("f", a.Mean(Value("f"))),))


def ask(vault, question, *, worker=False, meanwhile=None):
    number = vault.next()
    vault.interpreter.send(Disclose(number, encode(question)))
    if worker:
        vault.give_row_workers()
    if meanwhile is not None:
        meanwhile()
    reply = vault.reply()
    assert reply.number == number
    return reply.answer


SAME = "answer = lambda age: age"
ONE_FAILS = "answer = lambda age: 1.0 if age != 33 else 1 / 0"
SLOW = "def answer(age):\n    while True:\n        pass\n"


def test_a_row_function_is_called_in_a_worker_and_its_parent_stays(vault_of):
    vault = vault_of(preset="permissive")
    answer = ask(vault, mean_of(SAME), worker=True)
    assert isinstance(answer, Release), answer
    assert answer.payload.values[0][0] == pytest.approx(AGES)
    again = ask(vault, mean_of("answer = lambda age: age * 2"))
    assert again.payload.values[0][0] == pytest.approx(2 * AGES)
    assert len(vault.workers) == 1


def test_under_the_standard_policy_it_comes_with_noise_and_is_charged(vault_of):
    vault = vault_of()
    answer = ask(vault, mean_of(SAME), worker=True)
    assert isinstance(answer, Release), answer
    assert answer.payload.values[0][0] != pytest.approx(AGES, abs=1e-6)
    assert "noise" in answer.receipt.precision


def test_failures_are_one_no_that_is_charged_and_holds_no_value(vault_of, tmp_path):
    vault = vault_of(rows=RowLimits(seconds=1.0))
    refusals = [ask(vault, mean_of(ONE_FAILS), worker=True)]
    refusals += [ask(vault, mean_of(source)) for source in ("answer = lambda age: 'x'", "import os", SLOW)]
    assert all(isinstance(refusal, Refusal) for refusal in refusals)
    assert len({(refusal.message, refusal.suggestion, refusal.reason) for refusal in refusals}) == 1
    assert refusals[0].reason is Reason.FAILED
    assert not any(digit in refusals[0].message for digit in "0123456789")
    code, _, log = vault.close()
    assert code == 0
    assert b"33" not in log
    assert log.count(b"row function: ") == len(refusals)
    with audit.reading(audit.engine(tmp_path / "state")) as connection:
        kinds = [type(entry.event).__name__ for entry in audit.entries(connection)]
    assert kinds.count("Withheld") + kinds.count("Denied") >= len(refusals), kinds


def test_denials_by_failing_functions_end_with_the_budget_of_denials(vault_of):
    """One bit of one patient by each function that fails for them: as many as there are denials."""
    vault = vault_of(denials=3)
    answers = [ask(vault, mean_of(ONE_FAILS + f" + {n}"), worker=not n) for n in range(5)]
    assert [answer.rule for answer in answers[:3]] == ["row functions"] * 3
    last = ask(vault, mean_of(SAME))
    assert not isinstance(last, Release)


def test_a_model_of_a_failing_function_is_refused_like_a_number_of_one(vault_of):
    vault = vault_of()
    called = RowFunction(ONE_FAILS, (Value("age"),), DType.FLOAT)
    fit = fit_of(Assign(TABLE, (Named("f", called),)), LogisticRegression(), ("f",), "sex")
    refusal = ask(vault, fit, worker=True)
    assert isinstance(refusal, Refusal)
    assert refusal.rule == "row functions"


def test_an_interrupt_ends_the_function_and_costs_nothing(vault_of):
    vault = vault_of(rows=RowLimits(seconds=30.0))
    refusal = ask(vault, mean_of(SLOW), worker=True, meanwhile=lambda: vault.tell(Interrupt()))
    assert isinstance(refusal, Refusal)
    assert "interrupted" in refusal.message
    assert isinstance(ask(vault, mean_of(SAME), worker=True), Release)  # by a new parent


def test_a_parent_that_dies_is_replaced(vault_of):
    vault = vault_of()
    assert isinstance(ask(vault, mean_of(SAME), worker=True), Release)
    vault.workers[0].kill()
    vault.workers[0].wait()
    assert isinstance(ask(vault, mean_of("answer = lambda age: age + 1")), Refusal)
    assert isinstance(ask(vault, mean_of("answer = lambda age: age + 2"), worker=True), Release)


def test_a_room_without_row_functions_says_so(vault_of):
    vault = vault_of(rows=RowLimits(permitted=False))
    refusal = ask(vault, mean_of(SAME))
    assert "RowFunctions.permitted" in refusal.suggestion
