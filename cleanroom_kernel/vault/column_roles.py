"""Column roles: guess from names and values what a column is for.

Promise: guesses for the owner to check, made from closed lists of names and a few measured figures. A column that
might identify someone, or whose role is unclear, gets the more restrictive role.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.owner_files import TypedColumn
from cleanroom_kernel.vault.safe_harbor import word_set, words_of

# From the most to the least certain; the first that a table has is its unit column. Medical record numbers come last:
# they are direct identifiers, but a unit column is opaque to every expert.
UNIT_NAMES = (
    *("patientid", "patientnbr", "patientnumber", "patientnum", "patientno", "patientkey", "patientsk", "patientuid"),
    *("patientuuid", "patientpseudoid", "pseudopatientid", "patient", "patid", "patno", "ptid", "ptno", "uniquepid"),
    *("subjectid", "subjectno", "subjectnumber", "usubjid", "subjid", "subject", "personid", "personkey", "person"),
    *("participantid", "participant", "memberid", "beneficiaryid", "beneid", "desynpufid", "individualid", "pseudonym"),
    *("pseudoid", "pid", "clientid", "customerid", "userid", "mrn", "medicalrecordnumber", "medicalrecordno"),
)
_ROSTERS = word_set("patient patients person persons people subject subjects member members participants")
OWN_NUMBER = word_set("id uuid guid key nbr number no uid")
_UNIT_WORDS = (
    ("patient", ("patient", "pat", "pt", "uniquepid", "pid", "mrn", "medical", "pseudo")),
    ("subject", ("subj", "usubj")),
    ("participant", ("participant",)),
    ("member", ("member", "bene", "desynpuf")),
    ("customer", ("customer",)),
    ("client", ("client",)),
    ("user", ("user",)),
)

_KEY_ENDINGS = word_set("id ids nbr uuid guid key identifier uid sk fk pk")
# Ordinary words that end in "id" without being numbers of anything.
_NOT_IDS = tuple(
    sorted(
        word_set(
            "paid valid fluid solid liquid rapid acid covid lipid steroid thyroid opioid sarcoid carotid typhoid void "
            "avoid grid hybrid said aid kid mid bid maid haploid rheumatoid"
        )
    )
)
# A short list of codes is a label, whatever its name ends in.
_CODE_WORDS = word_set(
    "type concept category class disposition source status code reason group level kind race gender sex ethnicity "
    "specialty speciality item itemid test language flag"
)
_EPISODES = word_set(
    "encounter encounters admission visit stay hadm icustay episode claim order transfer specimen prescription "
    "hospitalization hospitalisation fall spell"
)
# Numbers of staff, places and things: many patients share them, even if this extract happens to show one each.
_SHARED_BY_MANY = word_set(
    "provider physician doctor caregiver nurse staff organization organisation hospital ward payer site location "
    "careunit department clinic facility care item concept code drug ndc product device practice gp trust plan"
)
_REFERRED_TO = word_set("provider organization organisation")
_TEXT_WORDS = word_set(
    "note notes text comment comments narrative remark remarks report freetext summary impression findings history "
    "letter transcript"
)
_UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"

MOST_LABELS = 50  # an id-like column with no more different values than this is read as a code
_LONG_TEXT = 25  # characters, on average


class Measured(Struct, frozen=True):
    """A column of one table, with what the guesses need to know of it."""

    name: str
    dtype: DType
    values: pl.Series
    typed: TypedColumn
    present: int
    distinct: int

    @property
    def words(self) -> tuple[str, ...]:
        return words_of(self.name)

    @property
    def joined(self) -> str:
        return "".join(self.words)

    @property
    def unique(self) -> bool:
        return self.distinct == self.present > 1

    @property
    def varied(self) -> bool:
        """More than half the rows that have a value have one of their own, and there are many."""
        return self.distinct > MOST_LABELS and self.distinct > 0.5 * self.present


def measure(name: str, typed: TypedColumn) -> Measured:
    typed = _whole_key(name, typed)
    present = typed.values.drop_nulls()
    return Measured(name, typed.dtype, typed.values, typed, len(present), present.n_unique())


def _whole_key(name: str, typed: TypedColumn) -> TypedColumn:
    """Numbers of things that were stored as decimals only because some are missing."""
    present = typed.values.drop_nulls()
    if typed.dtype is not DType.FLOAT or present.is_empty() or not _names_a_key(words_of(name)):
        return typed
    if not (present.is_finite() & (present.abs() < 2**53) & (present == present.round())).all():
        return typed
    return TypedColumn(DType.INTEGER, typed.values.cast(pl.Int64), "Stored as decimals, but all are whole.")


def unit_column(table: str, columns: Iterable[Measured], named: str | None = None) -> str | None:
    """The column that names the privacy unit: the one the owner named, else the likeliest by name."""
    usable = {column.joined: column for column in columns if column.dtype in (DType.INTEGER, DType.STRING)}
    wanted = UNIT_NAMES if named is None else ("".join(words_of(named)),)
    for joined in wanted:
        if joined in usable and usable[joined].present:
            return usable[joined].name
    if "".join(words_of(table)) in _ROSTERS:
        # A roster's own number goes by a general name: `Id` in patients is PATIENT elsewhere.
        return next((c.name for c in usable.values() if c.joined in OWN_NUMBER and c.unique), None)
    return None


def unit_word(column: str) -> str:
    """What to call the unit: patient, subject, member …"""
    joined = "".join(words_of(column))
    return next((word for word, starts in _UNIT_WORDS if joined.startswith(starts)), "person")


def is_key(column: Measured) -> bool:
    """An identifier of something: by its values' shape, by its name, or because hardly any value occurs twice."""
    if column.dtype not in (DType.INTEGER, DType.STRING) or not column.present:
        return False
    if column.dtype is DType.STRING and column.values.drop_nulls().str.contains(_UUID).mean() > 0.9:
        return True
    if _names_a_key(column.words):
        return column.distinct > MOST_LABELS or column.unique or is_episode(column)
    return _is_written_as_code(column) and column.distinct > max(MOST_LABELS, 0.9 * column.present)


def is_episode(column: Measured) -> bool:
    """The number of an encounter, an order and the like: a key even where a small table repeats few of them."""
    return bool(_EPISODES & set(column.words)) and column.distinct > 1


def _names_a_key(words: tuple[str, ...]) -> bool:
    if not words or _CODE_WORDS & set(words):
        return False
    if words[-1] in _KEY_ENDINGS or (len(words) == 1 and words[0] in _EPISODES | _REFERRED_TO):
        return True
    return words[-1].endswith("id") and not words[-1].endswith(_NOT_IDS)


def _is_written_as_code(column: Measured) -> bool:
    if column.dtype is not DType.STRING or column.values.str.contains(" ", literal=True).any():
        return False
    return _mean_length(column) <= _LONG_TEXT


def is_shared_by_many(column: Measured) -> bool:
    """Numbers of staff, places and things never belong to one unit."""
    return any(column.joined.startswith(word) or word in column.words for word in _SHARED_BY_MANY)


def is_text(column: Measured) -> bool:
    """Free text, or strings too varied to be labels."""
    if column.dtype is not DType.STRING or column.distinct <= MOST_LABELS:
        return False
    if _TEXT_WORDS & set(column.words) or _mean_length(column) > 4 * _LONG_TEXT:
        return True
    return column.varied and not _is_written_as_code(column)


def is_code(column: Measured) -> bool:
    """A column whose values are labels, not amounts."""
    if column.dtype is DType.STRING:
        return True
    if column.dtype is not DType.INTEGER:
        return False
    coded = bool(_CODE_WORDS & set(column.words)) or column.joined.endswith("id") or column.words[-1:] == ("cd",)
    return coded or column.values.drop_nulls().unique().sort().to_list() == [0, 1]


def _mean_length(column: Measured) -> float:
    return float(column.values.str.len_chars().mean() or 0)
