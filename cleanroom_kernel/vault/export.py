"""Export: a fitted model as a file that holds what may be shown of it, and a report.

Promise: the file is made of a rebuilt estimator, in skops' format (no pickle); every type that a loader has to trust is
scikit-learn's, SciPy's or NumPy's own. It leaves through the gate or not at all.
"""

from __future__ import annotations

import hashlib
import warnings

import skops.io

from cleanroom_kernel.disclosure.candidate import ModelCandidate
from cleanroom_kernel.disclosure.gate import band_behind, decide, recall
from cleanroom_kernel.disclosure.models import remembered
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.models import Fit, file_of
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.protocol.release import Answer, Artifact, Release
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.learning import allowed, asker_of, evidence_of, failing, family_measure, part_of, targets_of
from cleanroom_kernel.vault.membership import as_candidate, sentence, tested
from cleanroom_kernel.vault.parts import Part
from cleanroom_kernel.vault.quietly import LearningFailed, TaskEnded
from cleanroom_kernel.vault.rebuild import rebuilt
from cleanroom_kernel.vault.reporting import Tested, report, with_card

_TRUSTED = ("sklearn.", "scipy.", "numpy.")


def export(fit: Fit, name: str, desk: Desk) -> Answer:
    """The model as an Artifact, or why it cannot leave."""
    return failing(fit, desk, lambda: _export(fit, name, desk))


def question_of(fit: Fit, name: str) -> tuple[str, str]:
    """Identity of the question for such a file, and its words."""
    return file_of(fit, name), f"file of {describe(fit)}"


def _export(fit: Fit, name: str, desk: Desk) -> Answer:
    question, title = question_of(fit, name)
    known = recall(asker_of(desk), question, title, desk.policy, desk.ledger)
    if known is not None:
        return known
    answer = allowed(fit, desk)
    if not isinstance(answer, Release):
        return answer
    evidence = evidence_of(fit, desk)
    part = part_of(fit, desk)
    membership = None if evidence.findings else tested(fit, part, desk)
    if isinstance(membership, Release):
        desk.beside.append(membership)
    elif membership is not None and desk.ledger.review is None:
        return membership
    mixed = is_mixed(fit.over)
    units = band_behind(evidence.footprint.units, desk.policy, desk.ledger, mixed=mixed)
    candidate = ModelCandidate(
        asker=asker_of(desk),
        question=question,
        title=title,
        measure=family_measure(fit),
        payload=Artifact(name, "", b"", (), "")
        if evidence.findings or remembered(as_candidate(membership), desk.policy)
        else _artifact(fit, name, part, units, membership, desk),
        numbers=part.size,
        fit=digest(fit),
        hidden=part.hidden,
        beside=targets_of(fit),
        mixed=mixed,
        membership=as_candidate(membership),
    )
    return decide(candidate, evidence, desk.policy, desk.ledger)


def _artifact(fit: Fit, name: str, part: Part, units: str, membership: Answer | None, desk: Desk) -> Artifact:
    told = Tested(sentence(membership, desk.policy), membership if isinstance(membership, Release) else None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = rebuilt(part)
            content = skops.io.dumps(made)
            trusted = tuple(sorted(skops.io.get_untrusted_types(data=content)))
            written = report(fit, part, made, question_of(fit, name)[0], units, told, desk)
            content = with_card(content, written)
    except (LearningFailed, TaskEnded):
        raise
    except Exception as error:
        raise LearningFailed("export") from error
    if not all(kind.startswith(_TRUSTED) for kind in trusted):
        raise LearningFailed("export")
    return Artifact(name, hashlib.sha256(content).hexdigest(), content, trusted, written)
