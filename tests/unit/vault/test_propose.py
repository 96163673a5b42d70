"""A proposed schema is cautious where the data might show through, and useful everywhere else."""

import gzip
import sqlite3
from datetime import date, datetime
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom_kernel.demo.hospital import room_schema, write
from cleanroom_kernel.plan.schema import DType, Role, RoomSchema
from cleanroom_kernel.vault.owner_files import typed_column
from cleanroom_kernel.vault.propose import ProposalError, propose, render, schema_json
from cleanroom_kernel.vault.public_bounds import outward, public_bounds
from cleanroom_kernel.vault.safe_harbor import identifier_by_digits, identifier_by_name, identifier_by_shape

OPEN_DATA = Path(__file__).parents[4] / "shared" / "data"
PATIENTS = 60
MICROSECONDS_PER_DAY = 86_400_000_000


def open_data(pattern: str) -> list[Path]:
    paths = sorted(OPEN_DATA.glob(pattern))
    if not paths:
        pytest.skip(f"{pattern}: the open data sets are not here")
    return paths


@pytest.fixture
def encounters() -> pl.DataFrame:
    """Two stays for each of sixty patients; one label is carried by three patients only."""
    rng = np.random.default_rng(1)
    n = 2 * PATIENTS
    patient = np.arange(n) // 2
    return pl.DataFrame(
        {
            "encounter_id": 900_000 + rng.permutation(n),
            "patient_id": 5_000 + patient,
            "admitted": [f"20{19 + i % 4}-0{1 + i % 9}-1{i % 10} 0{i % 10}:30:00" for i in range(n)],
            "age": 18 + patient % 70,
            "ward": ["zebra_ward" if i < 3 else ("east", "west")[i % 2] for i in patient],
            "smoker": [str(bool(i % 2)).lower() for i in patient],
            "icd": [f"0{10 + i % 7}" for i in range(n)],
            "weight_kg": np.round(rng.normal(80, 9, n), 1),
            "readmitted": rng.integers(0, 2, n),
            "note": [f"Patient seen on round {i}, resting and in no acute distress today." for i in range(n)],
        }
    )


@pytest.fixture
def csv(tmp_path, encounters) -> Path:
    encounters.write_csv(tmp_path / "encounters.csv")
    return tmp_path / "encounters.csv"


def roles(table) -> dict[str, Role]:
    return {column.name: column.role for column in table.columns}


def notes(proposal, table: str, column: str) -> str:
    return " ".join(note.text for note in proposal.notes if (note.table, note.column) == (table, column))


# The draft as a whole


def test_a_csv_file_becomes_a_table_with_types_roles_and_its_file_name(csv):
    table = propose([csv]).schema["encounters"]
    assert {column.name: (column.dtype, column.role) for column in table.columns} == {
        "encounter_id": (DType.INTEGER, Role.KEY),
        "patient_id": (DType.INTEGER, Role.UNIT),
        "admitted": (DType.DATETIME, Role.FEATURE),
        "age": (DType.INTEGER, Role.FEATURE),
        "ward": (DType.STRING, Role.FEATURE),
        "smoker": (DType.BOOLEAN, Role.FEATURE),
        "icd": (DType.STRING, Role.FEATURE),
        "weight_kg": (DType.FLOAT, Role.FEATURE),
        "readmitted": (DType.INTEGER, Role.FEATURE),
        "note": (DType.STRING, Role.TEXT),
    }
    assert table["encounter_id"].one_unit
    assert table["encounter_id"].unique
    assert table.aliases == ("encounters.csv",)


def test_the_room_and_its_unit_are_named(csv):
    schema = propose([csv], room="cardiology").schema
    assert (schema.name, schema.unit_name) == ("cardiology", "patient")


def test_the_schema_file_reads_back_as_the_schema(csv):
    proposal = propose([csv])
    assert msgspec.json.decode(schema_json(proposal), type=RoomSchema) == proposal.schema


def test_every_column_appears_in_the_rendering_with_its_remarks(csv):
    proposal = propose([csv])
    text = render(proposal)
    for column in proposal.schema["encounters"].columns:
        assert f"    {column.name} " in text
    for note in proposal.notes:
        assert note.text in text
    assert "  !     Open list" in text


def test_the_synthetic_hospital_is_proposed_much_as_it_is_declared(tmp_path):
    write(tmp_path, patients=2_000)
    proposal = propose(sorted(tmp_path.glob("*.parquet")))
    declared = room_schema()
    for table in declared.tables:
        proposed = proposal.schema[table.name]
        assert roles(proposed) == roles(table)
        for column in table.columns:
            assert proposed[column.name].dtype is column.dtype
            assert proposed[column.name].one_unit == column.one_unit
            if column.role is Role.FEATURE and column.lower is not None:
                assert proposed[column.name].lower is not None
    assert set(proposal.schema["encounters"]["department"].categories) == set(
        declared["encounters"]["department"].categories
    )
    assert proposal.schema["encounters"]["ward"].categories is None
    assert proposal.schema["encounters"]["readmitted_30d"].categories == (0, 1)


# What must not show through


def test_no_value_but_a_common_label_shows_in_the_proposal(tmp_path):
    n = 200
    frame = pl.DataFrame(
        {
            "patient_id": [f"secretunit{i}" for i in range(n)],
            "last_name": [f"Secretname{i}" for i in range(n)],
            "ward": ["secretward" if i < 9 else "common_ward" for i in range(n)],
            "remarks": [f"secretremark {i} with some more words to be a text" for i in range(n)],
            "order_id": [f"secretorder{i}" for i in range(n)],
            "income": [87_654_321 if i == 0 else 20_000 + i for i in range(n)],
            "diagnosis": [f"secretcode{i % 150}" for i in range(n)],
        }
    )
    frame.write_csv(tmp_path / "people.csv")
    proposal = propose([tmp_path / "people.csv"])
    shown = render(proposal) + schema_json(proposal).decode()
    assert "secret" not in shown.lower()
    assert "87654321" not in shown.replace(",", "")
    assert "common_ward" in shown


@pytest.mark.parametrize(("minimum_units", "closed"), [(3, True), (4, False)])
def test_categories_are_closed_only_if_each_has_enough_units(csv, minimum_units, closed):
    proposal = propose([csv], minimum_units=minimum_units)
    categories = proposal.schema["encounters"]["ward"].categories
    assert categories == (("east", "west", "zebra_ward") if closed else None)
    remark = notes(proposal, "encounters", "ward")
    assert ("Open list: 1 of its 3 labels" in remark) is not closed
    assert "zebra" not in remark


def test_units_are_counted_not_rows(tmp_path):
    """Fifty rows of one patient make no label common."""
    rows = [(p, "usual") for p in range(20)] + [(0, "odd")] * 50
    pl.DataFrame(rows, schema=["patient_id", "label"], orient="row").write_csv(tmp_path / "t.csv")
    assert propose([tmp_path / "t.csv"]).schema["t"]["label"].categories is None


def test_a_column_with_very_many_labels_stays_open(tmp_path):
    rows = [(p, f"code{c}") for c in range(201) for p in range(10)]
    pl.DataFrame(rows, schema=["patient_id", "code"], orient="row").write_csv(tmp_path / "t.csv")
    proposal = propose([tmp_path / "t.csv"])
    assert proposal.schema["t"]["code"].categories is None
    assert "More than 200" in notes(proposal, "t", "code")


def test_counts_get_bounds_and_codes_get_categories(tmp_path):
    rows = [(p, p % 2 + 1, p % 3, p % 2) for p in range(90)]
    names = ["patient_id", "n_visits", "admission_type_id", "flag"]
    pl.DataFrame(rows, schema=names, orient="row").write_csv(tmp_path / "t.csv")
    table = propose([tmp_path / "t.csv"]).schema["t"]
    assert table["n_visits"].categories is None
    assert (table["n_visits"].lower, table["n_visits"].upper) == (0, 2)
    assert table["admission_type_id"].categories == (0, 1, 2)
    assert table["flag"].categories == (0, 1)


# Bounds


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (18, 97, True, (0, 100)),
        (0, 1, True, (0, 1)),
        (0, 0, True, (0, 1)),
        (1, 14, True, (0, 20)),
        (1934, 2003, True, (1920, 2020)),
        (9, 10, True, (5, 10)),
        (111.0, 164.5, False, (100, 180)),
        (0.31, 17.6, False, (0, 20)),
        (-3.2, 41.0, False, (-5, 50)),
        (-90, -40, True, (-100, 0)),
        (7, 7, True, (0, 10)),
        (0.0021, 0.0033, False, (0.0020, 0.0034)),
        (12_000, 4_812_331, True, (0, 5_000_000)),
    ],
)
def test_bounds_are_rounded_outward(low, high, whole, expected):
    lower, upper = outward(low, high, whole)
    assert lower <= low
    assert high <= upper
    if expected[1] >= 1:
        assert (lower, upper) == expected


@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=1), st.booleans())
def test_all_values_lie_within_their_bounds(values, whole):
    numbers = [float(round(value)) for value in values] if whole else values
    lower, upper = outward(min(numbers), max(numbers), whole)
    assert lower <= min(numbers)
    assert max(numbers) <= upper


def test_dates_are_bounded_by_years_and_long_spans_by_decades():
    def years(first: date, last: date) -> tuple[int, int]:
        bounds = public_bounds(pl.Series([first, last]).cast(pl.Datetime("us")), DType.DATETIME)
        return tuple(datetime.fromtimestamp(0).year + round(b / MICROSECONDS_PER_DAY / 365.2425) for b in bounds)

    assert years(date(2019, 3, 2), date(2021, 8, 30)) == (2019, 2022)
    assert years(date(1931, 3, 2), date(2021, 8, 30)) == (1930, 2030)


def test_the_last_possible_date_lies_within_its_bounds():
    last = pl.Series([datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)], dtype=pl.Datetime("us"))
    lower, upper = public_bounds(last, DType.DATETIME)
    assert lower <= last.cast(pl.Int64).min()
    assert last.cast(pl.Int64).max() <= upper


def test_numbers_that_are_not_finite_are_left_out_of_the_bounds_and_reported(tmp_path):
    frame = pl.DataFrame({"patient_id": range(30), "ratio": [float("inf"), *range(1, 30)]}, strict=False)
    frame.write_parquet(tmp_path / "t.parquet")
    proposal = propose([tmp_path / "t.parquet"])
    assert (proposal.schema["t"]["ratio"].lower, proposal.schema["t"]["ratio"].upper) == (0, 50)
    assert "not finite" in notes(proposal, "t", "ratio")


# Types


@pytest.mark.parametrize(
    ("texts", "dtype"),
    [
        (["1", "-2", None], DType.INTEGER),
        (["01", "2"], DType.STRING),
        (["1.5", "2"], DType.FLOAT),
        (["1e5", ".25"], DType.FLOAT),
        (["12345678901234567890"], DType.FLOAT),
        (["True", "false"], DType.BOOLEAN),
        (["yes", "no"], DType.STRING),
        (["2020-01-31"], DType.DATETIME),
        (["2020-01-31 10:00:00", "2020-02-01 00:00:00.5"], DType.DATETIME),
        (["2022-07-20T07:13:55Z"], DType.DATETIME),
        (["2022-07-20T07:13:55+02:00"], DType.DATETIME),
        (["31.01.2020"], DType.DATETIME),
        (["31/01/2020", "01/02/2020"], DType.DATETIME),
        (["01/31/2020", "01/02/2020"], DType.DATETIME),
        (["2020-01-31", "unknown"], DType.STRING),
        (["[0-10)", "[10-20)"], DType.STRING),
        (["250.83", "V57"], DType.STRING),
        (["1-2-3"], DType.STRING),
    ],
)
def test_text_becomes_another_type_only_if_every_value_reads_so(texts, dtype):
    assert typed_column(pl.Series(texts), typed=False).dtype is dtype


def test_a_day_after_the_twelfth_tells_day_and_month_apart():
    day_first = typed_column(pl.Series(["31/01/2020", "01/02/2020"]), typed=False)
    month_first = typed_column(pl.Series(["01/31/2020", "01/02/2020"]), typed=False)
    assert day_first.values.to_list() == [datetime(2020, 1, 31), datetime(2020, 2, 1)]
    assert month_first.values.to_list() == [datetime(2020, 1, 31), datetime(2020, 1, 2)]


def test_times_with_a_zone_are_read_as_utc():
    column = typed_column(pl.Series(["2022-07-20T07:13:55+02:00"]), typed=False)
    assert column.values.to_list() == [datetime(2022, 7, 20, 5, 13, 55)]
    assert "UTC" in column.remark


def test_dates_that_cannot_be_told_apart_are_hidden_not_guessed(tmp_path):
    pl.DataFrame({"patient_id": range(12), "seen": ["01/02/2020"] * 12}).write_csv(tmp_path / "t.csv")
    proposal = propose([tmp_path / "t.csv"])
    assert proposal.schema["t"]["seen"].role is Role.HIDDEN
    assert "YYYY-MM-DD" in notes(proposal, "t", "seen")


def test_an_empty_column_and_one_of_an_unknown_type_are_hidden(tmp_path):
    frame = pl.DataFrame({"patient_id": range(12), "blank": [None] * 12, "many": [[1, 2]] * 12})
    frame.write_parquet(tmp_path / "t.parquet")
    table = propose([tmp_path / "t.parquet"]).schema["t"]
    assert roles(table) == {"patient_id": Role.UNIT, "blank": Role.HIDDEN, "many": Role.HIDDEN}


def test_null_values_are_taken_for_missing_and_suggested_where_they_occur(tmp_path):
    rows = [(p, "?" if p % 5 == 0 else str(20 + p)) for p in range(60)]
    pl.DataFrame(rows, schema=["patient_id", "bmi"], orient="row").write_csv(tmp_path / "t.csv")
    before, after = propose([tmp_path / "t.csv"]), propose([tmp_path / "t.csv"], null_values=["?"])
    assert before.schema["t"]["bmi"].dtype is DType.STRING
    assert "without it this would be of type integer" in notes(before, "t", "bmi")
    assert after.schema["t"]["bmi"].dtype is DType.INTEGER


def test_null_values_hold_for_parquet_too(tmp_path):
    rows = [(p, "?" if p < 3 else "ward") for p in range(60)]
    pl.DataFrame(rows, schema=["patient_id", "place"], orient="row").write_parquet(tmp_path / "t.parquet")
    assert propose([tmp_path / "t.parquet"], null_values=["?"]).schema["t"]["place"].categories == ("ward",)


# The unit and the keys


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("patient_id", "patient"),
        ("patient_nbr", "patient"),
        ("PATIENT", "patient"),
        ("PatientID", "patient"),
        ("subject_id", "subject"),
        ("USUBJID", "subject"),
        ("PERSON_ID", "person"),
        ("uniquepid", "patient"),
        ("member_id", "member"),
        ("customer_id", "customer"),
    ],
)
def test_the_unit_column_is_found_by_its_name(tmp_path, name, word):
    pl.DataFrame({name: range(20), "score": range(20)}).write_csv(tmp_path / "t.csv")
    schema = propose([tmp_path / "t.csv"]).schema
    assert schema["t"].unit.name == name
    assert schema.unit_name == word


def test_a_patient_column_of_names_is_not_the_unit(tmp_path):
    names = [f"{first} {last}" for first in ("Ada", "Alma", "Otto") for last in ("Abel", "Bach", "Cole", "Dorn")]
    pl.DataFrame({"patient": names, "subject_id": range(12)}).write_csv(tmp_path / "t.csv")
    table = propose([tmp_path / "t.csv"]).schema["t"]
    assert roles(table) == {"patient": Role.HIDDEN, "subject_id": Role.UNIT}


def test_the_owner_can_name_the_unit_column(tmp_path):
    pl.DataFrame({"case": range(20), "score": range(20)}).write_csv(tmp_path / "t.csv")
    with pytest.raises(ProposalError, match="names its patients"):
        propose([tmp_path / "t.csv"])
    assert propose([tmp_path / "t.csv"], unit="case").schema["t"].unit.name == "case"
    with pytest.raises(ProposalError, match="No table has a column"):
        propose([tmp_path / "t.csv"], unit="nobody")


def test_a_roster_numbers_its_people_by_a_general_name(tmp_path, csv):
    pl.DataFrame({"Id": range(5_000, 5_000 + PATIENTS), "sex": ["f", "m"] * (PATIENTS // 2)}).write_csv(
        tmp_path / "patients.csv"
    )
    schema = propose([csv, tmp_path / "patients.csv"]).schema
    assert schema["patients"].unit.name == "Id"


def test_unit_columns_that_do_not_meet_are_questioned(tmp_path, csv):
    pl.DataFrame({"patient_id": range(200), "score": range(200)}).write_csv(tmp_path / "other.csv")
    proposal = propose([csv, tmp_path / "other.csv"])
    assert "are they the same numbers?" in notes(proposal, "encounters", "patient_id")


def test_a_medical_record_number_as_the_unit_is_remarked_on(tmp_path):
    pl.DataFrame({"mrn": range(20), "score": range(20)}).write_csv(tmp_path / "t.csv")
    proposal = propose([tmp_path / "t.csv"])
    assert proposal.schema["t"].unit.name == "mrn"
    assert "pseudonym" in notes(proposal, "t", "mrn")


def test_a_key_that_two_units_share_does_not_belong_to_one(tmp_path, encounters):
    """It is judged over all tables: a second one shows that the number is used for two patients."""
    encounters.write_csv(tmp_path / "encounters.csv")
    encounters.select("encounter_id", pl.col("patient_id").reverse()).write_csv(tmp_path / "other.csv")
    schema = propose([tmp_path / "encounters.csv", tmp_path / "other.csv"]).schema
    assert not schema["encounters"]["encounter_id"].one_unit
    assert propose([tmp_path / "encounters.csv"]).schema["encounters"]["encounter_id"].one_unit


def test_numbers_of_staff_and_places_never_belong_to_one_unit(tmp_path):
    frame = pl.DataFrame({"patient_id": range(100), "provider_id": range(100), "visit_id": range(100)})
    frame.write_csv(tmp_path / "t.csv")
    table = propose([tmp_path / "t.csv"]).schema["t"]
    assert table["provider_id"].role is Role.KEY
    assert not table["provider_id"].one_unit
    assert table["visit_id"].one_unit


def test_a_key_stored_as_decimals_is_a_key(tmp_path):
    numbers = [None, *(float(i) for i in range(99))]
    pl.DataFrame({"patient_id": range(100), "order_id": numbers}).write_parquet(tmp_path / "t.parquet")
    column = propose([tmp_path / "t.parquet"]).schema["t"]["order_id"]
    assert (column.dtype, column.role) == (DType.INTEGER, Role.KEY)


# Tables without a unit


@pytest.fixture
def wards(tmp_path) -> Path:
    pl.DataFrame({"ward": ["east", "west"], "beds": [20, 30]}).write_csv(tmp_path / "wards.csv")
    return tmp_path / "wards.csv"


def test_a_table_without_a_unit_is_left_out_unless_named_public(csv, wards):
    proposal = propose([csv, wards])
    assert [table.name for table in proposal.schema.tables] == ["encounters"]
    assert proposal.left_out == ("wards",)
    assert "wards (left out)" in render(proposal)
    public = propose([csv, wards], public=["wards"])
    assert public.schema["wards"].unit is None
    assert public.schema["wards"]["ward"].categories == ("east", "west")
    assert "everyone invited may see its rows" in render(public)


def test_a_table_that_leads_to_patients_cannot_be_made_public(tmp_path, csv, encounters):
    encounters.select("encounter_id", "icd").write_csv(tmp_path / "codes.csv")
    proposal = propose([csv, tmp_path / "codes.csv"], public=["codes"])
    assert proposal.left_out == ("codes",)
    assert "add it by a join" in notes(proposal, "codes", "")


def test_a_table_that_leads_to_patients_under_another_name_cannot_be_made_public(tmp_path):
    stays = [f"stay-{i:05d}" for i in range(100)]
    pl.DataFrame({"patient_id": range(100), "encounter_id": stays}).write_csv(tmp_path / "a.csv")
    pl.DataFrame({"Id": stays, "cost": range(100)}).write_csv(tmp_path / "b.csv")
    assert propose([tmp_path / "a.csv", tmp_path / "b.csv"], public=["b"]).left_out == ("b",)


def test_what_is_named_public_must_exist_and_have_no_unit(csv, wards):
    with pytest.raises(ProposalError, match="cannot be public"):
        propose([csv, wards], public=["encounters"])
    with pytest.raises(ProposalError, match="No table is called"):
        propose([csv, wards], public=["beds"])


# Direct identifiers


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "first_name",
        "LastName",
        "FIRST",
        "LAST",
        "MAIDEN",
        "patient_name",
        "mother_name",
        "initials",
        "address",
        "street",
        "ADDRESS1",
        "city",
        "county",
        "zip",
        "ZIPCode",
        "postcode",
        "lat",
        "longitude",
        "FIPS",
        "birthplace",
        "dob",
        "birth_date",
        "BirthDate",
        "DateOfBirth",
        "MONTH_OF_BIRTH",
        "phone",
        "home_phone",
        "mobile",
        "fax",
        "email",
        "emailAddress",
        "SSN",
        "social_security_number",
        "nhs_number",
        "MRN",
        "medical_record_number",
        "member_id",
        "policy_number",
        "account_number",
        "iban",
        "passport",
        "drivers",
        "driver_license",
        "npi",
        "vin",
        "license_plate",
        "udi",
        "serial_number",
        "url",
        "ip_address",
        "fingerprint",
        "photo",
        "username",
    ],
)
def test_direct_identifiers_are_known_by_name(name):
    assert "Safe Harbor" in identifier_by_name(name, DType.STRING)


@pytest.mark.parametrize(
    "name",
    [
        "birth_year",
        "YEAR_OF_BIRTH",
        "zip3",
        "birth_weight",
        "drug_name",
        "test_name",
        "department_name",
        "CONCEPT_NAME",
        "state",
        "region",
        "cell_type",
        "white_cells",
        "stay_days",
        "first_careunit",
        "lastvisit",
        "ward",
        "language",
        "ip_visits",
        "platelets",
        "description",
        "medication",
        "lactate",
        "creatinine",
        "insurance",
    ],
)
def test_ordinary_names_are_no_identifiers(name):
    assert identifier_by_name(name, DType.STRING) == ""


@pytest.mark.parametrize(
    "value",
    [
        "ada@example.org",
        "https://example.org/ada",
        "192.168.10.4",
        "123-45-6789",
        "943 476 5919",
        "(555) 123-4567",
        "555-123-4567",
        "+44 20 7946 0958",
        "4111 1111 1111 1111",
        "DE44 5001 0517 5407 3249 31",
        "68510-1234",
        "SW1A 1AA",
        "406 Kohler Street",
        "Mrs. Ada Abel",
        "00:1A:2B:3C:4D:5E",
    ],
)
def test_direct_identifiers_are_known_by_the_shape_of_their_values(value):
    assert "Safe Harbor" in identifier_by_shape(pl.Series([value, "other", "thing", None]))


def test_names_of_people_are_known_by_their_shape():
    people = pl.Series(
        [f"{first} {last}" for first in ("Ada", "Alma", "Otto") for last in ("Abel", "Bach", "Cole", "Dorn")]
    )
    assert "names" in identifier_by_shape(people)
    assert identifier_by_shape(pl.Series(["Fentanyl Citrate", "Sodium Chloride"] * 20)) == ""


def test_nine_digits_that_never_repeat_are_taken_for_a_national_number():
    assert identifier_by_digits(pl.Series(range(123_456_000, 123_456_100)))
    assert not identifier_by_digits(pl.Series([123_456_000, 123_456_001] * 50))
    assert not identifier_by_digits(pl.Series(range(100)))


def test_text_that_holds_identifiers_is_remarked_on(tmp_path):
    texts = [f"Spoke with Mrs. Abel on day {i}; call back at 555-123-4567 tomorrow." for i in range(60)]
    pl.DataFrame({"patient_id": range(60), "letter": texts}).write_csv(tmp_path / "t.csv")
    proposal = propose([tmp_path / "t.csv"])
    assert proposal.schema["t"]["letter"].role is Role.TEXT
    assert "telephone numbers, names with a title" in notes(proposal, "t", "letter")


def test_ages_over_89_and_dates_of_care_are_remarked_on(tmp_path):
    frame = pl.DataFrame({"patient_id": range(60), "age": range(40, 100), "seen": ["2020-05-17"] * 60})
    frame.write_csv(tmp_path / "t.csv")
    proposal = propose([tmp_path / "t.csv"])
    assert "over 89" in notes(proposal, "t", "age")
    assert "seen" in notes(proposal, "t", "")


# Files


def test_other_delimiters_and_compression_are_read(tmp_path, encounters):
    text = encounters.write_csv(separator=";")
    (tmp_path / "encounters.csv.gz").write_bytes(gzip.compress(text.encode()))
    table = propose([tmp_path / "encounters.csv.gz"]).schema["encounters"]
    assert table.unit.name == "patient_id"
    assert table.aliases == ("encounters.csv.gz", "encounters.csv")


def test_the_tables_of_a_sqlite_file_are_read_and_the_file_is_not_changed(tmp_path):
    path = tmp_path / "ward.db"
    connection = sqlite3.connect(path)
    connection.execute('create table "visits of 2020" (patient_id integer, seen text, score real)')
    connection.executemany(
        'insert into "visits of 2020" values (?, ?, ?)', [(i, "2020-05-17", None if i % 3 else i) for i in range(30)]
    )
    connection.commit()
    connection.close()
    before = path.read_bytes()
    table = propose([path]).schema["visits_of_2020"]
    assert {column.name: column.dtype for column in table.columns} == {
        "patient_id": DType.INTEGER,
        "seen": DType.DATETIME,
        "score": DType.FLOAT,
    }
    assert table.aliases == ("visits of 2020",)
    assert path.read_bytes() == before


def test_the_tables_of_a_duckdb_file_are_read(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "ward.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table visits as select range as patient_id, date '2020-01-01' + range::int as seen, "
            "(range / 4)::decimal(9, 2) as score, interval 3 day as span, 'odd' as label from range(30)"
        )
    table = propose([path]).schema["visits"]
    assert {column.name: column.dtype for column in table.columns} == {
        "patient_id": DType.INTEGER,
        "seen": DType.DATETIME,
        "score": DType.FLOAT,
        "span": DType.STRING,
        "label": DType.STRING,
    }


def test_columns_with_reserved_names_are_left_out(tmp_path):
    pl.DataFrame({"": range(12), "__index_level_0__": range(12), "patient_id": range(12)}).write_csv(tmp_path / "t.csv")
    proposal = propose([tmp_path / "t.csv"])
    assert [column.name for column in proposal.schema["t"].columns] == ["patient_id"]
    assert "left out" in render(proposal)


def test_files_that_cannot_be_read_are_named_without_their_contents(tmp_path, csv):
    (tmp_path / "image.png").write_bytes(b"\x89PNG secret")
    (tmp_path / "ragged.csv").write_text("patient_id,x\n1,2\n3,4,secret,5\n")
    (tmp_path / "1.csv").write_text("patient_id,x\n1,2\n")
    for path, message in (
        (tmp_path / "image.png", "neither CSV, Parquet, DuckDB nor SQLite"),
        (tmp_path / "ragged.csv", "does not read as one table"),
        (tmp_path / "absent.csv", "no such file"),
    ):
        with pytest.raises(ProposalError, match=message) as raised:
            propose([path])
        assert "secret" not in str(raised.value)
    assert propose([tmp_path / "1.csv"]).schema.tables[0].name == "t_1"


def test_two_files_with_one_name_are_refused(tmp_path, csv):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "encounters.csv").write_bytes(csv.read_bytes())
    with pytest.raises(ProposalError, match="answer to the name"):
        propose([csv, tmp_path / "copy" / "encounters.csv"])


def test_a_minimum_below_one_is_refused(csv):
    with pytest.raises(ProposalError, match="at least 1"):
        propose([csv], minimum_units=0)


# Open clinical data


def test_diabetes_130_is_proposed_by_patient_number():
    proposal = propose(open_data("diabetes130/diabetic_data.csv.gz"), null_values=["?"])
    table = proposal.schema["diabetic_data"]
    assert table.unit.name == "patient_nbr"
    assert (table["encounter_id"].role, table["encounter_id"].one_unit) == (Role.KEY, True)
    assert table["race"].categories == ("AfricanAmerican", "Asian", "Caucasian", "Hispanic", "Other")
    assert "None" in table["max_glu_serum"].categories
    assert table["readmitted"].categories == ("<30", ">30", "NO")
    assert table["admission_type_id"].categories == (1, 2, 3, 4, 5, 6, 7, 8)
    assert table["gender"].categories is None
    assert "Unknown/Invalid" not in render(proposal)
    assert (table["time_in_hospital"].lower, table["time_in_hospital"].upper) == (0, 20)
    assert set(roles(table).values()) == {Role.UNIT, Role.KEY, Role.FEATURE}


def test_synthea_names_addresses_and_numbers_are_hidden():
    proposal = propose(open_data("synthea_csv_111/*.csv.gz"))
    hidden = {column.name for column in proposal.schema["patients"].columns if column.role is Role.HIDDEN}
    assert hidden == set(
        [
            "BIRTHDATE",
            "SSN",
            "DRIVERS",
            "PASSPORT",
            "PREFIX",
            "FIRST",
            "LAST",
            "SUFFIX",
            "MAIDEN",
            "BIRTHPLACE",
            "ADDRESS",
            "CITY",
            "COUNTY",
            "FIPS",
            "ZIP",
            "LAT",
            "LON",
        ]
    )
    assert proposal.schema["patients"].unit.name == "Id"
    assert all(table.unit.name == "PATIENT" for table in proposal.schema.tables if table.name != "patients")
    assert proposal.schema["payer_transitions"]["OWNER_NAME"].role is Role.HIDDEN
    assert proposal.schema["conditions"]["ENCOUNTER"].one_unit
    assert not proposal.schema["encounters"]["PROVIDER"].one_unit
    assert proposal.left_out == ("organizations", "payers", "providers")


def test_mimic_iv_tables_share_the_subject_and_its_admissions():
    proposal = propose(open_data("mimic_iv_demo/*/*.csv.gz"), public=["d_items", "d_labitems"])
    schema = proposal.schema
    assert {table.unit.name for table in schema.tables if table.unit} == {"subject_id"}
    for table in ("admissions", "diagnoses_icd", "transfers", "icustays"):
        assert (schema[table]["hadm_id"].role, schema[table]["hadm_id"].one_unit) == (Role.KEY, True)
    assert schema["admissions"]["admittime"].dtype is DType.DATETIME
    assert schema["outputevents"]["itemid"].role is Role.FEATURE
    assert not schema["outputevents"]["caregiver_id"].one_unit
    assert schema["d_items"].unit is None
    assert set(proposal.left_out) == {"caregiver", "d_hcpcs", "provider"}


def test_omop_is_proposed_by_person_without_birth_dates():
    proposal = propose(open_data("omop_gibleed/*.parquet"))
    person = proposal.schema["person"]
    assert proposal.schema.unit_name == "person"
    assert roles(person)["PERSON_ID"] is Role.UNIT
    hidden = {column.name for column in person.columns if column.role is Role.HIDDEN}
    assert {"MONTH_OF_BIRTH", "DAY_OF_BIRTH", "BIRTH_DATETIME"} <= hidden
    assert person["YEAR_OF_BIRTH"].role is Role.FEATURE
    assert proposal.schema["condition_occurrence"]["CONDITION_CONCEPT_ID"].role is Role.FEATURE
    assert proposal.schema["condition_occurrence"]["VISIT_OCCURRENCE_ID"].one_unit
    assert "concept" in proposal.left_out
