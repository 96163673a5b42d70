"""Connection: questions to the vault and its answers, one at a time, from whatever thread or cell asks.

Promise: an interrupt while waiting loses nothing (a late answer is recognised by its number and dropped), a dead vault
is said so plainly in the question that it died of, and the next question goes to the vault that the server has started
in its place. A forked child never talks on its parent's line. There is one connection, `current()`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import msgspec

from cleanroom_kernel.interpreter.errors import CleanRoomError, CleanRoomRefusal, CleanRoomWithheld, VaultLost
from cleanroom_kernel.interpreter.supply import Supply
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import encode
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.references import Reference
from cleanroom_kernel.protocol.airlock import FOR_THE_OWNER, Standing, Standings
from cleanroom_kernel.protocol.budget import Budget, Budgets
from cleanroom_kernel.protocol.channel import ANSWER_LIMIT, BadFrame, Channel, ChannelClosed
from cleanroom_kernel.protocol.jobs import Job
from cleanroom_kernel.protocol.messages import (
    VERSION,
    AskBudget,
    AskOwner,
    Collect,
    Disclose,
    Export,
    Foresee,
    Foreseen,
    Hello,
    InterpreterRequest,
    ListRequests,
    Progress,
    Reply,
    RunJob,
    SubmitJob,
    Upload,
    Uploaded,
    VaultReplaced,
    Welcome,
    Withdraw,
)
from cleanroom_kernel.protocol.release import Artifact, Payload, Receipt, Refusal, Release, Withheld

Wanted = TypeVar("Wanted")


class Foresight(BaseException):
    """Ends a computation at its first question while `foreseeing`; results.ask turns it into a twin's answer.

    A BaseException, so that no `except Exception` of an expert's code takes the question for answered.
    """


class Bulletin(Protocol):
    """Where the news of one answer's making is shown."""

    def show(self, progress: Progress) -> None: ...
    def close(self, *, interrupted: bool) -> None: ...


class Unseen:
    """A bulletin outside a notebook."""

    def show(self, progress: Progress) -> None:
        pass

    def close(self, *, interrupted: bool) -> None:
        pass


class KeptBack(BaseException):
    """Ends a computation at its first question that is withheld, while `seeking`. A BaseException, like Foresight."""

    def __init__(self, aggregate: Aggregate) -> None:
        super().__init__()
        self.aggregate = aggregate


_MOST_KEPT_BACK = 1_000
_HARMLESS = (Hello, Disclose, Export, Foresee, ListRequests, Upload)  # the same whether they are asked once or twice
_RESTART = "Restart the kernel and run the notebook again; what was released stays released."
_AGAIN = (
    "Run the cell again: a new vault is ready, DataFrames and models of this notebook work as before, and a model is "
    "fitted again where it is needed."
)


class Connection:
    """The interpreter's end of the border to the vault."""

    def __init__(self, channel: Channel[Reply], supply: Supply | None = None) -> None:
        self._channel = channel
        self._supply = supply
        self._lock = threading.RLock()
        self._number = 0
        self._owner = os.getpid()
        self._foreseen: list[tuple[Aggregate, tuple[str, ...]]] | None = None
        self._seeking = False
        self._looking = threading.local()
        self._settled: dict[str, tuple[Payload, Receipt]] = {}
        self._uploaded: dict[str, Reference] = {}  # a new vault is given them again
        self.kept_back: OrderedDict[str, Aggregate] = OrderedDict()  # questions that the owner can be asked for
        self.receipts: list[Receipt] = []
        self.bulletin: Callable[[], Bulletin] = Unseen
        self.welcome: Welcome = self._expect(self._exchange(self._hello()), Welcome)

    @classmethod
    def over(cls, stream: socket.socket, supply: socket.socket | None = None) -> Connection:
        return cls(Channel(stream, Reply, limit=ANSWER_LIMIT), None if supply is None else Supply(supply))

    def greet(self) -> Welcome:
        """The room as the vault describes it now: its owner may have saved another policy."""
        with self._lock:
            self.welcome = self._expect(self._exchange(self._hello()), Welcome)
        return self.welcome

    def disclose(self, aggregate: Aggregate) -> tuple[Payload, Receipt]:
        """The released answer and its receipt. Raises CleanRoomWithheld or CleanRoomRefusal."""
        with self._lock:
            if self._foreseen is not None:
                self._foreseen.append((aggregate, self.foresee(aggregate)))
                raise Foresight
            if self._settled and digest(aggregate) in self._settled:
                return self._settled[digest(aggregate)]
            answer = self._exchange(Disclose(number=self._next(), plan=encode(aggregate)))
            if _is_kept_back(answer):
                self._keep(aggregate)
            try:
                return self._released(answer)
            except CleanRoomError as refused:
                refused.question = digest(aggregate) if _is_kept_back(answer) else ""
                raise

    def foresee(self, aggregate: Aggregate) -> tuple[str, ...]:
        """The structural rules that apply to `aggregate`; no row is touched."""
        with self._lock:
            return self._expect(self._exchange(Foresee(number=self._next(), plan=encode(aggregate))), Foreseen).rules

    def export(self, fit: Fit, name: str) -> tuple[Artifact, Receipt]:
        """A fitted model as a file. Raises CleanRoomWithheld or CleanRoomRefusal."""
        with self._lock:
            if self._foreseen is not None:
                self._foreseen.append((fit, self.foresee(fit)))
                raise Foresight
            payload, receipt = self._released(self._exchange(Export(number=self._next(), plan=encode(fit), name=name)))
        return self._expect(payload, Artifact), receipt

    def upload(self, reference: Reference) -> None:
        """Bring a public table to the vault, for the questions that look things up in it."""
        with self._lock:
            self._expect(self._exchange(Upload(number=self._next(), reference=reference)), Uploaded)
            self._uploaded[reference.identity] = reference

    # -- requests to the owner ----------------------------------------------------------------------------------------
    def ask_owner(self, aggregate: Aggregate, reason: str, name: str | None = None) -> Standing:
        with self._lock:
            request = AskOwner(number=self._next(), plan=encode(aggregate), reason=reason, name=name)
            return self._expect(self._exchange(request), Standing)

    def requests(self) -> tuple[Standing, ...]:
        with self._lock:
            return self._expect(self._exchange(ListRequests(number=self._next())), Standings).requests

    def budgets(self) -> tuple[Budget, ...]:
        with self._lock:
            return self._expect(self._exchange(AskBudget(number=self._next())), Budgets).budgets

    def withdraw(self, request: int) -> Standing:
        with self._lock:
            return self._expect(self._exchange(Withdraw(number=self._next(), request=request)), Standing)

    def collect(self, request: int) -> tuple[Payload, Receipt]:
        """An answer that the owner approved."""
        with self._lock:
            return self._released(self._exchange(Collect(number=self._next(), request=request)))

    def submit_job(self, job: Job, reason: str) -> Standing:
        with self._lock:
            request = SubmitJob(number=self._next(), job=job, reason=reason)
            return self._expect(self._exchange(request), Standing)

    def run_job(self, request: int) -> tuple[Payload, Receipt] | Standing:
        """What an approved job gives, or the request as which its result waits."""
        with self._lock:
            answer = self._exchange(RunJob(number=self._next(), request=request))
            return answer if isinstance(answer, Standing) else self._released(answer)

    @contextlib.contextmanager
    def seeking(self) -> Iterator[None]:
        """Within, the first question that is withheld, or released with suppressed cells, raises KeptBack."""
        self._seeking, before = True, self._seeking
        try:
            yield
        finally:
            self._seeking = before

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Within, a question of this thread is an error: a look at an object (Tab, Shift+Tab) costs no budget."""
        self._looking.only = True
        try:
            yield
        finally:
            self._looking.only = False

    @contextlib.contextmanager
    def settling(self, question: str, answer: tuple[Payload, Receipt]) -> Iterator[None]:
        """Within, this question has that answer, and is not asked."""
        before, self._settled = self._settled, {**self._settled, question: answer}
        try:
            yield
        finally:
            self._settled = before

    def _keep(self, aggregate: Aggregate) -> None:
        self.kept_back[digest(aggregate)] = aggregate
        self.kept_back.move_to_end(digest(aggregate))
        if len(self.kept_back) > _MOST_KEPT_BACK:
            self.kept_back.popitem(last=False)
        if self._seeking:
            raise KeptBack(aggregate)

    @contextlib.contextmanager
    def foreseeing(self) -> Iterator[list[tuple[Aggregate, tuple[str, ...]]]]:
        """Within, questions are looked at and not asked; yields the list of them and the rules that apply."""
        outer, self._foreseen = self._foreseen, []
        try:
            yield self._foreseen
        finally:
            self._foreseen = outer

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _renumbered(self, request: InterpreterRequest) -> InterpreterRequest:
        """For a new vault, which has been greeted with a later number."""
        return msgspec.structs.replace(request, number=self._next())

    def _exchange(self, request: InterpreterRequest) -> object:
        if os.getpid() != self._owner:
            raise VaultLost("A child process has no connection to the vault.", suggestion="Ask in the notebook itself.")
        if getattr(self._looking, "only", False):
            raise CleanRoomError("Looking at an object asks the vault nothing.")
        if self._supply is not None and _has_hung_up(self._channel.fileno()):
            self._renew(self._supply)
            request = self._renumbered(request)
        for second in (False, True):
            try:
                return self._asked(request)
            except (ChannelClosed, OSError) as gone:
                if self._supply is None:
                    raise VaultLost("The vault of this session has ended.", suggestion=_RESTART) from gone
                word = self._renew(self._supply)
                if second or word.at_work or not isinstance(request, _HARMLESS):
                    raise VaultLost(word.words, suggestion=_AGAIN) from gone
                request = self._renumbered(request)
        raise AssertionError("asked twice, and neither answered nor refused")

    def _asked(self, request: InterpreterRequest) -> object:
        try:
            with _uninterrupted():
                self._channel.send(request)
            return self._answer(request.number)
        except BadFrame as broken:
            raise VaultLost("The vault sent an answer that is too large or unreadable.") from broken

    def _renew(self, supply: Supply) -> VaultReplaced:
        """Go on with a new vault; what the server says of the one that died. Raises VaultLost when there is none."""
        at_work = False
        while True:
            word, line = supply.next()
            if line is None:
                raise VaultLost(word.words, suggestion=_RESTART)
            at_work |= word.at_work
            self._channel.close()
            self._channel = Channel(line, Reply, limit=ANSWER_LIMIT)
            try:
                self.welcome = self._expect(self._asked(self._hello()), Welcome)
                for reference in self._uploaded.values():
                    self._expect(self._asked(Upload(number=self._next(), reference=reference)), Uploaded)
            except (ChannelClosed, OSError):
                continue  # this one is dead as well, and the server will say so
            return msgspec.structs.replace(word, at_work=at_work)

    def _hello(self) -> Hello:
        return Hello(number=self._next(), version=VERSION)

    def _answer(self, number: int) -> object:
        """The vault's answer to a request; meanwhile it may say how a fit goes on."""
        bulletin = self.bulletin()
        try:
            while True:
                _wait(self._channel.fileno())
                reply = self._channel.receive()
                if isinstance(reply.answer, Progress):
                    if reply.number == number:
                        bulletin.show(reply.answer)
                elif reply.number in (number, 0):
                    bulletin.close(interrupted=False)
                    return reply.answer
        except KeyboardInterrupt:
            bulletin.close(interrupted=True)
            raise KeyboardInterrupt("The vault's answer was not waited for; what it was computing has ended.") from None

    def _released(self, answer: object) -> tuple[Payload, Receipt]:
        release = self._expect(answer, Release)
        self.receipts.append(release.receipt)
        return release.payload, release.receipt

    def _expect(self, answer: object, wanted: type[Wanted]) -> Wanted:
        if isinstance(answer, Withheld):
            raise CleanRoomWithheld.of(answer)
        if isinstance(answer, Refusal):
            raise CleanRoomRefusal.of(answer)
        if not isinstance(answer, wanted):
            raise VaultLost("The vault's answer does not fit the question.")
        return answer


def _is_kept_back(answer: object) -> bool:
    if isinstance(answer, Release):
        return answer.receipt.suppressed > 0
    return isinstance(answer, Withheld) or (isinstance(answer, Refusal) and answer.rule in FOR_THE_OWNER)


def _has_hung_up(descriptor: int) -> bool:
    """Whether the other end is gone; what it said before it went was said to questions that nobody waits for."""
    line = select.poll()
    line.register(descriptor, select.POLLRDHUP)
    return bool(line.poll(0))


def _wait(descriptor: int) -> None:
    """Until something arrives. Libraries (Polars among them) make SIGINT restart a `recv`; a `poll` it always ends."""
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    ready.poll()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Half a frame on the line would garble every later one, so an interrupt waits until the frame is out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_current: Connection | None = None


def current() -> Connection:
    if _current is None:
        raise VaultLost("There is no room here.", suggestion="Run this in a clean room's notebook.")
    return _current


def use(connection: Connection | None) -> None:
    """Make `connection` the one that handles ask."""
    global _current
    _current = connection
