"""The synthetic hospital keeps to its declared schema, and its label to its dates."""

import msgspec
import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cleanroom_kernel.demo.catalogue import RARE_PATIENTS
from cleanroom_kernel.demo.hospital import READMISSION_FEATURES, generate, room_schema, write
from cleanroom_kernel.plan.schema import DType, Role, RoomSchema

POLARS_TYPES = {
    DType.INTEGER: pl.Int64,
    DType.FLOAT: pl.Float64,
    DType.STRING: pl.String,
    DType.DATETIME: pl.Datetime("us"),
}
COLUMNS = [(table.name, column.name) for table in room_schema().tables for column in table.columns]


@pytest.fixture(scope="module")
def hospital() -> dict[str, pl.DataFrame]:
    return generate()


@pytest.fixture(scope="module")
def encounters(hospital) -> pl.DataFrame:
    return hospital["encounters"]


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    write(tmp_path / "a", patients=300, seed=7)
    write(tmp_path / "b", patients=300, seed=7)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted([*(f"{table.name}.parquet" for table in room_schema().tables), "schema.json"])
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_seed_makes_another_hospital():
    assert not generate(300, seed=1)["encounters"].equals(generate(300, seed=2)["encounters"])


def test_the_written_files_are_the_tables_and_their_schema(tmp_path):
    write(tmp_path, patients=100, seed=3)
    for name, table in generate(100, seed=3).items():
        assert pl.read_parquet(tmp_path / f"{name}.parquet").equals(table)
    assert msgspec.json.decode((tmp_path / "schema.json").read_bytes(), type=RoomSchema) == room_schema()


@pytest.mark.parametrize("patients", [1, 2, 25])
def test_a_tiny_hospital_can_be_generated_too(patients):
    tables = generate(patients)
    assert tables["patients"].height == patients
    assert tables["encounters"]["patient_id"].n_unique() == patients


def test_a_hospital_without_patients_is_an_error():
    with pytest.raises(ValueError, match="at least one patient"):
        generate(0)


def test_the_tables_and_columns_are_the_declared_ones(hospital):
    assert {name: table.columns for name, table in hospital.items()} == {
        table.name: [column.name for column in table.columns] for table in room_schema().tables
    }


@pytest.mark.parametrize(("table", "name"), COLUMNS)
def test_every_value_keeps_to_its_declaration(hospital, table, name):
    column, values = room_schema()[table][name], hospital[table][name]
    assert values.dtype == POLARS_TYPES[column.dtype]
    assert not values.is_nan().any() if values.dtype.is_float() else True
    assert column.nullable == (values.null_count() > 0)
    if column.categories is not None:
        assert set(values.drop_nulls()) <= set(column.categories)
    if column.lower is not None:
        numbers = values.cast(pl.Int64) if column.dtype is DType.DATETIME else values
        assert column.lower <= numbers.min()
        assert numbers.max() <= column.upper
    if column.unique:
        assert values.n_unique() == len(values)


def test_numbers_and_moments_are_bounded_and_strings_have_categories():
    for table in room_schema().tables:
        for column in table.columns:
            if column.role is Role.FEATURE:
                assert column.description
                assert column.categories if column.dtype is DType.STRING else column.lower is not None


def test_direct_identifiers_are_declared_hidden():
    hidden = {column.name for column in room_schema()["patients"].columns if column.role is Role.HIDDEN}
    assert hidden == {"name", "medical_record_number", "birth_date", "postcode"}


def test_an_encounter_belongs_to_one_patient_in_every_table(hospital):
    owner = hospital["encounters"].select("encounter_id", owner="patient_id")
    for name in ("diagnoses", "labs", "medications"):
        joined = hospital[name].join(owner, on="encounter_id", how="left")
        assert (joined["patient_id"] == joined["owner"]).all()
    assert set(hospital["encounters"]["patient_id"]) == set(hospital["patients"]["patient_id"])


def test_the_label_says_whether_the_next_stay_began_within_30_days(encounters):
    gap = encounters.sort("patient_id", "admitted").select(
        "readmitted_30d", gap=pl.col("admitted").shift(-1).over("patient_id") - pl.col("discharged")
    )
    assert (gap["gap"].drop_nulls() > pl.Series([0]).cast(pl.Duration("us"))[0]).all()
    within = (gap["gap"].dt.total_minutes() <= 30 * 24 * 60).fill_null(False)
    assert (gap["readmitted_30d"] == within.cast(pl.Int64)).all()
    assert within.any()


def test_nobody_returns_after_a_death(encounters):
    after = encounters.sort("patient_id", "admitted").with_columns(next=pl.col("admitted").shift(-1).over("patient_id"))
    dead = after.filter(pl.col("discharge_destination") == "deceased")
    assert dead.height > 0
    assert dead["next"].null_count() == dead.height
    assert dead["readmitted_30d"].sum() == 0


def test_every_discharge_is_followed_for_30_days(encounters):
    """The extract closes later, so that no label is 0 only because nobody looked long enough."""
    closes = room_schema()["encounters"]["admitted"].upper
    followed = 30 * 86_400_000_000
    assert encounters["discharged"].cast(pl.Int64).max() + followed <= closes


def test_prior_admissions_can_be_recounted_from_the_dates(encounters):
    stays = encounters.select("patient_id", "encounter_id", "admitted")
    pairs = stays.join(stays, on="patient_id", suffix="_before").filter(
        pl.col("admitted_before") < pl.col("admitted"),
        pl.col("admitted") - pl.col("admitted_before") <= pl.duration(days=365),
    )
    counted = encounters.join(pairs.group_by("encounter_id").len("n"), on="encounter_id", how="left")
    assert (counted["n"].fill_null(0) == counted["prior_admissions"]).all()


def test_the_summaries_on_encounters_are_those_of_the_detail_tables(hospital, encounters):
    for name, counted in (("diagnoses", "n_diagnoses"), ("medications", "n_medications")):
        lengths = hospital[name].group_by("encounter_id").len("n")
        joined = encounters.join(lengths, on="encounter_id", how="left")
        assert (joined["n"].fill_null(0) == joined[counted]).all()
    labs = hospital["labs"].sort("taken")
    for test in ("hemoglobin", "creatinine", "sodium"):
        first = labs.filter(pl.col("test") == test).group_by("encounter_id", maintain_order=True).first()
        joined = encounters.join(first.select("encounter_id", "value"), on="encounter_id", how="left")
        assert joined["value"].equals(joined[test])


def test_samples_are_taken_during_the_stay(hospital, encounters):
    labs = hospital["labs"].join(encounters.select("encounter_id", "admitted", "discharged"), on="encounter_id")
    assert labs.select(pl.col("taken").is_between("admitted", "discharged").all()).item()


def test_rank_one_is_the_diagnosis_the_note_names_and_codes_do_not_repeat(hospital, encounters):
    diagnoses = hospital["diagnoses"]
    assert diagnoses.select(pl.struct("encounter_id", "icd10").is_duplicated().any()).item() is False
    main = encounters.join(diagnoses.filter(pl.col("rank") == 1), on="encounter_id", how="left")
    assert main["icd10"].null_count() == 0
    assert main.select(pl.col("note").str.contains(pl.format("({}){}", "icd10", pl.lit(r"\."))).all()).item()


@pytest.mark.parametrize(
    ("table", "column", "label"),
    [
        ("patients", "region", "overseas"),
        ("patients", "insurance", "foreign_cover"),
        ("encounters", "ward", "burns_unit"),
        ("encounters", "admission_type", "mass_casualty"),
        ("diagnoses", "icd10", "E75"),
    ],
)
def test_rare_categories_exist_behind_fewer_than_ten_patients(hospital, table, column, label):
    behind = hospital[table].filter(pl.col(column) == label)["patient_id"].n_unique()
    assert behind == RARE_PATIENTS[label]
    assert 0 < behind < 10


def test_the_hospital_has_about_as_much_illness_as_a_hospital(hospital, encounters):
    assert hospital["patients"].height == 20_000
    assert 2 <= encounters.height / hospital["patients"].height <= 3
    assert 0.11 <= encounters["readmitted_30d"].mean() <= 0.16
    assert 0.01 <= (encounters["discharge_destination"] == "deceased").mean() <= 0.04
    assert 2 <= encounters["los_days"].median() <= 6
    sick, well = encounters.filter(pl.col("charlson") >= 3), encounters.filter(pl.col("charlson") == 0)
    for column in ("age", "los_days", "n_diagnoses", "n_medications", "prior_admissions", "creatinine"):
        assert sick[column].mean() > well[column].mean()
    assert sick["hemoglobin"].mean() < well["hemoglobin"].mean()
    elderly = encounters.filter(pl.col("age") >= 80)
    assert elderly["los_days"].mean() > encounters.filter(pl.col("age") < 50)["los_days"].mean()


MODELS = {
    "logistic regression": LogisticRegression(max_iter=1000),
    "random forest": RandomForestClassifier(n_estimators=60, min_samples_leaf=20, random_state=0),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_an_ordinary_model_predicts_readmission_about_as_well_as_in_the_literature(encounters, name):
    features = encounters.select(READMISSION_FEATURES).to_pandas()
    label = encounters["readmitted_30d"].to_numpy()
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include=np.number)),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_exclude=np.number)),
    )
    train, test, label_train, label_test = train_test_split(features, label, stratify=label, random_state=0)
    model = make_pipeline(prepare, MODELS[name]).fit(train, label_train)
    assert 0.65 <= roc_auc_score(label_test, model.predict_proba(test)[:, 1]) <= 0.69
