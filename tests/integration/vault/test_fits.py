"""Work in a worker: a vault process, a worker process, and what becomes of both when work on a model ends badly."""

import time

import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.learning import fit_of, scored

from cleanroom_kernel.plan.aggregates import Correlation
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.expressions import Call, Literal, Named, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.models import Inspect
from cleanroom_kernel.plan.relations import Filter, Side, Split, Table
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema
from cleanroom_kernel.protocol.messages import Disclose, Export, FitLimits, Interrupt, Progress
from cleanroom_kernel.protocol.release import FitSummary, Reason, Refusal, Release
from cleanroom_kernel.vault.preparing import prepare
from cleanroom_kernel.vault.sources import Source
from tests.integration.vault.process import Vault

ROWS = 20_000
STAYS = TableSchema(
    "stays",
    (
        Column("patient", DType.INTEGER, Role.UNIT),
        Column("age", DType.INTEGER),
        Column("los", DType.FLOAT),
        Column("back", DType.INTEGER, categories=(0, 1)),
    ),
)
TABLE = Table(STAYS)
FEATURES = ("age", "los")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    random = np.random.default_rng(0)
    age, los = random.integers(20, 90, ROWS), np.round(random.gamma(2, 3, ROWS), 1)
    back = (0.03 * (age - 50) + 0.1 * los + random.normal(0, 1, ROWS) > 0.5).astype(int)
    table = pl.DataFrame({"patient": np.arange(ROWS), "age": age, "los": los, "back": back})
    table.write_csv(folder / "stays.csv")
    report = prepare(RoomSchema("fits", (STAYS,)), [Source("stays", str(folder / "stays.csv"))], folder / "room")
    assert report.ready, report.words()
    return folder


@pytest.fixture
def vault_of(place, tmp_path):
    """Vaults of one room with a ledger of the test's own: an answer that it knows already needs no fit."""
    (tmp_path / "room").symlink_to(place / "room")
    started = []

    def start(**options):
        vault = Vault(tmp_path, keyed_seeds=False, **options)
        started.append(vault)
        return vault

    yield start
    for vault in started:
        vault.__exit__()


def ask(vault, question, *, worker=False, meanwhile=None, pieces=True):
    """Send a question; the words of progress and the answer. `meanwhile` is done once, when the work goes on: when the
    first of its pieces is done, or, if it has none, when it is told of at all.
    """
    number = vault.next()
    vault.interpreter.send(Disclose(number, encode(question)))
    if worker:
        vault.give_worker()
    return answer(vault, number, meanwhile, pieces)


def answer(vault, number, meanwhile=None, pieces=True):
    told = []
    while True:
        reply = vault.interpreter.receive()
        assert reply.number == number
        if not isinstance(reply.answer, Progress):
            return told, reply.answer
        told.append(reply.answer)
        if meanwhile is not None and (reply.answer.total or not pieces):
            meanwhile()
            meanwhile = None


def forest(trees, **options):
    return fit_of(TABLE, RandomForestClassifier(trees, random_state=0, **options), FEATURES, "back")


ENDLESS = forest(20_000)
SLOW = fit_of(TABLE, KNeighborsClassifier(2_000, algorithm="brute"), FEATURES, "back")  # to predict, not to fit
SMALL = fit_of(TABLE, LogisticRegression(), FEATURES, "back")


def test_a_fit_in_a_worker_is_scikit_learns_own(vault_of, place):
    vault = vault_of(preset="permissive")
    plain = pl.read_csv(place / "stays.csv").to_pandas()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(plain[list(FEATURES)], plain.back)
    fit = fit_of(TABLE, make_pipeline(StandardScaler(), LogisticRegression()), FEATURES, "back")
    _, summary = ask(vault, fit, worker=True)
    assert isinstance(summary, Release)
    assert isinstance(summary.payload, FitSummary)
    _, found = ask(vault, Inspect(fit, "coef_", ("logisticregression",)))
    np.testing.assert_allclose(found.payload.values, model[-1].coef_.ravel(), rtol=1e-6)


def test_a_worker_fits_one_model_after_another(vault_of):
    vault = vault_of()
    assert isinstance(ask(vault, SMALL, worker=True)[1], Release)
    assert isinstance(ask(vault, forest(5))[1], Release)
    assert len(vault.workers) == 1


def test_an_interrupt_ends_the_fit_and_not_the_vault(vault_of):
    vault = vault_of()
    told, refusal = ask(vault, ENDLESS, worker=True, meanwhile=lambda: vault.tell(Interrupt()))
    assert told
    assert isinstance(refusal, Refusal)
    assert "interrupted" in refusal.message
    assert isinstance(ask(vault, SMALL, worker=True)[1], Release)  # by a new one: the first was asked to be ended


def test_an_interrupt_ends_a_long_statistic_as_well(vault_of):
    """The vault computes it by itself, with an ear for the expert; and what was interrupted counts as no denial."""
    vault = vault_of(preset="permissive")
    powers = tuple(
        Named(
            f"x{n}",
            Call(Function.MULTIPLY, (Value("age"), Call(Function.ADD, (Value("los"), Literal(n, DType.INTEGER))))),
        )
        for n in range(150)
    )
    told, refusal = ask(vault, Correlation(TABLE, powers), pieces=False, meanwhile=lambda: vault.tell(Interrupt()))
    assert told[0].seconds >= 1
    assert {(word.what, word.done, word.total) for word in told} == {("", 0, 0)}
    assert refusal.message == "The computation was interrupted."
    assert isinstance(ask(vault, Correlation(TABLE, powers[:2]))[1], Release)


def test_an_interrupt_ends_a_prediction_and_the_model_is_still_there(vault_of):
    vault = vault_of(preset="permissive")
    assert isinstance(ask(vault, SLOW, worker=True)[1], Release)
    told, refusal = ask(vault, scored(TABLE, SLOW), pieces=False, meanwhile=lambda: vault.tell(Interrupt()))
    assert told
    assert isinstance(refusal, Refusal)
    assert refusal.message == "The prediction was interrupted."
    few = Filter(TABLE, Call(Function.LESS, (Value("age"), Literal(22, DType.INTEGER))))
    assert isinstance(ask(vault, scored(few, SLOW), worker=True)[1], Release)


def test_the_death_of_a_worker_at_a_prediction_is_no_end_of_the_vault(vault_of):
    vault = vault_of(preset="permissive")
    assert isinstance(ask(vault, SLOW, worker=True)[1], Release)
    _, refusal = ask(vault, scored(TABLE, SLOW), pieces=False, meanwhile=lambda: vault.workers[0].kill())
    assert isinstance(refusal, Refusal)
    assert "worked on the prediction ended unexpectedly" in refusal.message
    assert vault.greets()


def test_an_interrupt_between_fits_is_for_none_of_them(vault_of):
    vault = vault_of()
    assert isinstance(ask(vault, SMALL, worker=True)[1], Release)
    vault.tell(Interrupt())
    assert vault.greets()
    assert isinstance(ask(vault, forest(5))[1], Release)


def test_a_time_limit_is_named_with_who_can_change_it(vault_of):
    vault = vault_of(fits=FitLimits(seconds=5.0))
    _, refusal = ask(vault, ENDLESS, worker=True)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.FAILED
    assert "after 5 seconds" in refusal.message
    assert "Fits.seconds" in refusal.suggestion
    assert vault.greets()


def test_a_memory_limit_is_named_with_who_can_change_it(vault_of):
    vault = vault_of(fits=FitLimits(memory=600 << 20))
    _, refusal = ask(vault, forest(2_000), worker=True)
    assert isinstance(refusal, Refusal), refusal
    assert "0.59 GB of memory" in refusal.message
    assert "Fits.memory" in refusal.suggestion
    assert vault.greets()


def test_the_death_of_a_worker_is_one_sentence_and_the_next_fit_has_another(vault_of):
    vault = vault_of()
    _, refusal = ask(vault, ENDLESS, worker=True, meanwhile=lambda: vault.workers[0].kill())
    assert isinstance(refusal, Refusal)
    assert "ended unexpectedly" in refusal.message
    assert isinstance(ask(vault, SMALL, worker=True)[1], Release)


def test_progress_tells_pieces_and_time_and_no_finding(vault_of):
    vault = vault_of()
    search = GridSearchCV(RandomForestClassifier(60, random_state=0), {"max_depth": [4, 6, 8, 10]}, cv=3)
    told, found = ask(vault, fit_of(TABLE, search, FEATURES, "back"), worker=True)
    assert isinstance(found, Release)
    pieces = [(news.what, news.total) for news in told if news.total]
    assert set(pieces) == {("fits", 12)}
    assert [news.done for news in told] == sorted(news.done for news in told)
    assert set(Progress.__struct_fields__) == {"seconds", "what", "done", "total"}


def test_a_file_is_tested_in_the_worker_before_it_leaves(vault_of):
    vault = vault_of()
    train = Split(TABLE, Side.TRAIN, 0, 0.25)
    number = vault.next()
    vault.interpreter.send(Export(number, encode(fit_of(train, LogisticRegression(), FEATURES, "back")), "model.skops"))
    vault.give_worker()
    told, released = answer(vault, number)
    assert isinstance(released, Release), released
    assert "Membership test: training patients are told from others" in released.payload.report
    assert {news.total for news in told if news.what == "shadow models"} <= {8}
    assert len(vault.workers) == 1


def test_a_server_without_workers_is_said_plainly(vault_of):
    vault = vault_of()
    number = vault.next()
    vault.interpreter.send(Disclose(number, encode(SMALL)))
    time.sleep(0.1)
    vault.supply.send(b"w")
    _, refusal = answer(vault, number)
    assert isinstance(refusal, Refusal)
    assert "No process could be started" in refusal.message
