"""Safe Harbor: recognise columns that name a person, by the column's name and by the shape of its values.

Promise: follows the eighteen identifiers of the HIPAA Privacy Rule's Safe Harbor method, 45 CFR 164.514(b)(2)(i),
(A) to (R). It errs on the side of hiding, and it is an aid: whether a table is de-identified remains its owner's
judgement. Returns reasons in words, never a value. Where it deliberately stops short of the rule:

- dates of care (C) stay, since most questions need them; the proposal says that the rule would reduce them to years;
- a year of birth, a state, and three-digit ZIP prefixes stay, which the rule permits (with conditions for the last).
"""

from __future__ import annotations

import re

import polars as pl
from msgspec import Struct

from cleanroom_kernel.plan.schema import DType

_SHARE_TO_FLAG = 0.2  # of the distinct values: a column that is partly phone numbers is a column of phone numbers
_VALUES_LOOKED_AT = 20_000
_FEW = 10  # values: too few to judge by how they vary


class Identifier(Struct, frozen=True):
    """One of the rule's identifiers: its letter, what it is, and how columns of it are named.

    `words`: any of these among the words of the name; `whole`: the name without separators is one of these;
    `inside`: the name without separators contains one of these.
    """

    letter: str
    what: str
    words: frozenset[str] = frozenset()
    whole: frozenset[str] = frozenset()
    inside: tuple[str, ...] = ()


def word_set(text: str) -> frozenset[str]:
    """The words of a line: long lists read better so."""
    return frozenset(text.split())


IDENTIFIERS = (
    Identifier(
        "A",
        "a person's name",
        word_set(
            "surname surnames forename forenames lastname firstname fullname maidenname initials nickname alias kin"
        ),
        word_set("first last middle maiden given family prefix suffix fname lname mname nom prenom nachname vorname"),
        ("lastname", "firstname", "fullname", "middlename", "maidenname", "patientname", "givenname", "familyname"),
    ),
    Identifier(
        "B",
        "a place smaller than a state",
        word_set(
            "address addr street zip zipcode postcode postal plz city town village county parish municipality fips"
        )
        | word_set(
            "latitude longitude lat lon lng geocode geohash birthplace neighborhood neighbourhood suburb precinct"
        ),
        word_set("addressline1 addressline2 line1 line2 geo geolocation coordinates censustract censusblock"),
        ("zipcode", "postcode", "postalcode", "streetaddress", "homeaddress", "placeofbirth", "censustract"),
    ),
    Identifier(
        "C",
        "a date of birth",
        word_set("dob birthday birthdate birthdatetime geburtsdatum"),
        word_set("born monthofbirth dayofbirth birthmonth birthday"),
        ("dateofbirth", "birthdate", "birthdt"),
    ),
    Identifier(
        "D", "a telephone number", word_set("phone telephone tel mobile cellphone pager phones"), inside=("phone",)
    ),
    Identifier("E", "a fax number", word_set("fax telefax")),
    Identifier("F", "an e-mail address", word_set("email mail emails"), inside=("emailaddress",)),
    Identifier(
        "G",
        "a social security or national number",
        word_set("ssn ssns nino bsn cpf aadhaar personnummer nhsnumber nationalid taxid"),
        inside=("socialsecurity", "socialsec", "nhsnumber", "nhsno", "nationalid", "nationalnumber", "taxid", "ssn4"),
    ),
    Identifier(
        "H",
        "a medical record number",
        word_set("mrn mrns medrec"),
        inside=("medicalrecord", "recordnumber", "chartnumber", "hospitalnumber", "medrecno"),
    ),
    Identifier(
        "I",
        "a health plan member number",
        word_set("beneficiary"),
        word_set(
            "memberid membernumber policyid policynumber policyno subscriberid subscribernumber insuranceid mbi hicn"
        ),
        ("memberid", "policynumber", "subscriberid", "insurancenumber", "medicareid", "medicaidid", "medicarenumber"),
    ),
    Identifier(
        "J",
        "an account number",
        word_set("iban creditcard cardnumber"),
        word_set("account acct accountid acctid"),
        ("accountnumber", "accountno", "acctno", "bankaccount", "creditcard", "cardnumber"),
    ),
    Identifier(
        "K",
        "a certificate or licence number",
        word_set("passport license licence drivers driver npi dea"),
        inside=("passport", "driverslicen", "driverlicen", "certificatenumber", "licensenumber"),
    ),
    Identifier("L", "a vehicle's number", word_set("vin plate"), inside=("licenseplate", "numberplate", "vehicleid")),
    Identifier(
        "M",
        "a device's identifier",
        word_set("udi imei serial"),
        inside=("serialnumber", "deviceid", "macaddress", "deviceidentifier"),
    ),
    Identifier("N", "a web address", word_set("url urls website homepage uri")),
    Identifier("O", "an IP address", word_set("ipaddress ipaddr"), word_set("ip"), ("ipaddress", "ipaddr")),
    Identifier("P", "a biometric identifier", word_set("fingerprint fingerprints biometric voiceprint faceprint")),
    Identifier("Q", "a photograph", word_set("photo photos photograph portrait"), inside=("imagepath", "facephoto")),
    Identifier("R", "another unique name of a person", word_set("username login twitter"), inside=("username",)),
)

# "…name" names a thing when one of these stands before it; anything else is taken for a person's name.
_THINGS = word_set(
    "drug test result field org organism unit concept table vocabulary domain relationship department ward product "
    "procedure generic brand item lab ab antibiotic class category event file code site study variable medication "
    "short long synonym source column label disease diagnosis condition service clinic hospital organization "
    "organisation payer plan region state country group type form route trade device set program programme model "
    "ordercategory category component specimen measure measurement observation schema dataset feature drugname"
)
_BIRTH_PARTS = word_set("date day month dt time datetime ts timestamp")

# Shapes of values. Each must match a value as a whole.
_OCTET = r"(25[0-5]|2[0-4]\d|1?\d?\d)"
_STREET = "st|street|ave|avenue|rd|road|blvd|boulevard|ln|lane|dr|drive|ct|court|way|highway|hwy|sq|square"
_SHAPES = (
    ("F", "e-mail addresses", r"^[\w.+-]+@[\w-]+\.[\w.-]+$"),
    ("N", "web addresses", r"^(https?|ftp)://\S+$|^www\.\S+\.\S+$"),
    ("O", "IP addresses", rf"^({_OCTET}\.){{3}}{_OCTET}$|^([0-9a-fA-F]{{0,4}}:){{5,7}}[0-9a-fA-F]{{1,4}}$"),
    ("M", "hardware addresses", r"^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$"),
    ("G", "social security numbers", r"^\d{3}-\d{2}-\d{4}$"),
    ("G", "national health numbers", r"^\d{3} \d{3} \d{4}$"),
    ("D", "telephone numbers", r"^(\+?\d{1,3}[ .-]?)?(\(\d{2,4}\)|\d{3})[ .-]?\d{3}[.-]\d{4}( ?(x|ext\.?) ?\d+)?$"),
    ("D", "telephone numbers", r"^\+\d[\d ()/.-]{7,18}$"),
    ("J", "card numbers", r"^\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{4}$"),
    ("J", "bank account numbers", r"^[A-Z]{2}\d{2} ?([A-Z0-9]{4} ?){3,7}[A-Z0-9]{0,3}$"),
    ("B", "postal codes", r"^\d{5}-\d{4}$|^[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}$"),
    ("B", "street addresses", rf"(?i)^\d+[a-z]? ([\w.'-]+ )+({_STREET})\.?(,? .*)?$"),
    ("A", "names with a title", r"^(Mr|Mrs|Ms|Miss|Dr|Prof)\.? [A-Z][\w'-]+( [A-Z][\w'-]+)*$"),
)
_NAME = r"\p{Lu}[\p{L}'’-]+\d*"
_TWO_NAMES = rf"^{_NAME} (\p{{Lu}}\. )?{_NAME}$|^{_NAME}, {_NAME}( \p{{Lu}}\.?)?$"
_IN_TEXT = (
    ("e-mail addresses", r"[\w.+-]+@[\w-]+\.\w+"),
    ("telephone numbers", r"(\(\d{3}\) ?|\b\d{3}[.-])\d{3}[.-]\d{4}\b"),
    ("social security numbers", r"\b\d{3}-\d{2}-\d{4}\b"),
    ("names with a title", r"\b(Mr|Mrs|Ms|Dr)\.? [A-Z][a-z]+"),
)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name, in lower case: patientID, patient_id and PATIENT-ID are the same two."""
    return tuple(word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name))


def identifier_by_name(name: str, dtype: DType) -> str:
    """Why a column of this name would identify a person, or an empty string."""
    words = words_of(name)
    joined = "".join(words)
    if dtype is DType.BOOLEAN or joined in ("zip3", "yearofbirth", "birthyear", "yob"):
        return ""
    for entry in IDENTIFIERS:
        if entry.words & set(words) or joined in entry.whole or any(part in joined for part in entry.inside):
            return _reason(entry.letter, f"its name says {entry.what}")
    if _is_birth_date(words, joined, dtype):
        return _reason("C", "its name says a date of birth")
    if joined.endswith(("name", "names")) and not _names_a_thing(words, joined):
        return _reason("A", "its name may say a person's name")
    return ""


def identifier_by_shape(values: pl.Series) -> str:
    """Why text of this shape would identify a person, or an empty string."""
    present = values.drop_nulls()
    seen = present.unique().sort().head(_VALUES_LOOKED_AT)
    if seen.is_empty():
        return ""
    for letter, what, shape in _SHAPES:
        if _share(seen, shape) >= _SHARE_TO_FLAG:
            return _reason(letter, f"its values have the shape of {what}")
    varied = present.n_unique() > 0.5 * len(present)
    if varied and len(seen) >= _FEW and _share(seen, _TWO_NAMES) >= 0.5:
        return _reason("A", "its values have the shape of people's names")
    return ""


def identifier_by_digits(values: pl.Series) -> str:
    """Why bare digits of this length would identify a person, or an empty string."""
    present = values.drop_nulls().cast(pl.String)
    if len(present) < _FEW or present.n_unique() <= 0.9 * len(present):
        return ""
    if max(_share(present, r"^\d{9}$"), _share(present, r"^\d{10}$")) <= 0.95:
        return ""
    return _reason("G", "nine or ten digits, different in nearly every row, as in a national or telephone number")


def identifiers_in_text(values: pl.Series) -> tuple[str, ...]:
    """Which kinds of identifiers some free text holds."""
    seen = values.drop_nulls()
    return tuple(what for what, shape in _IN_TEXT if seen.str.contains(shape).any())


def _reason(letter: str, why: str) -> str:
    return f"{why} (Safe Harbor {letter})"


def _share(seen: pl.Series, shape: str) -> float:
    return float(seen.str.contains(shape).mean() or 0)


def _is_birth_date(words: tuple[str, ...], joined: str, dtype: DType) -> bool:
    if "birth" not in joined or "weight" in joined:
        return False
    return dtype is DType.DATETIME or bool(_BIRTH_PARTS & set(words))


def _names_a_thing(words: tuple[str, ...], joined: str) -> bool:
    before = set(words[:-1]) if words[-1] in ("name", "names") else {re.sub(r"names?$", "", joined)}
    return bool(before & _THINGS)
