"""Catalogue: the closed tables the synthetic hospital is made of.

Promise: constants only. Every label that `generate` can write stands here, so the declared schema is complete by
construction and no value in it was learned from rows. Prevalences and effects are invented to be clinically plausible;
they describe no real hospital.
"""

from __future__ import annotations

from msgspec import Struct

# fmt: off
FIRST_NAMES = (
    "Ada", "Agnes", "Alma", "Anton", "Arthur", "Astrid", "Basil", "Beatrix", "Bruno", "Carmen", "Cecily",
    "Clara", "Conrad", "Dora", "Edgar", "Elias", "Elsa", "Emil", "Esther", "Felix", "Flora", "Frieda", "George",
    "Greta", "Hanna", "Hector", "Hilda", "Hugo", "Ida", "Irma", "Ivan", "Jonas", "Julia", "Karl", "Lena", "Leo",
    "Louis", "Magda", "Martha", "Max", "Mira", "Nora", "Oscar", "Otto", "Paula", "Pia", "Rosa", "Rufus",
    "Selma", "Simon", "Stella", "Theo", "Tilda", "Viktor", "Wanda", "Willa",
)
LAST_NAMES = (
    "Abel", "Adler", "Bach", "Bauer", "Becker", "Berg", "Blum", "Brandt", "Carver", "Cole", "Dahl", "Dorn",
    "Ebner", "Ellis", "Falk", "Fenn", "Fischer", "Frost", "Gale", "Grant", "Haas", "Hale", "Hart", "Holm",
    "Jansen", "Keller", "Kern", "Lang", "Lind", "Lorenz", "Marsh", "Moss", "Nash", "Novak", "Olsen", "Park",
    "Pohl", "Quinn", "Reed", "Reyes", "Roth", "Sand", "Shaw", "Stein", "Stone", "Thorn", "Vance", "Vogel",
    "Wagner", "Ward", "Weiss", "West", "Winter", "York", "Zeller", "Ziegler",
)
# fmt: on

SEXES = ("female", "male")
REGIONS = ("central", "east", "north", "south", "west", "overseas")
REGION_SHARES = (0.34, 0.17, 0.15, 0.20, 0.14, 0.0)
INSURANCES = ("private", "public", "self_pay", "foreign_cover")
MARITAL_STATUSES = ("divorced", "married", "single", "widowed")
SMOKING_STATUSES = ("current", "former", "never")

ADMISSION_TYPES = ("elective", "emergency", "urgent", "mass_casualty")
DESTINATIONS = (
    "home",
    "home_health",
    "skilled_nursing",
    "rehabilitation",
    "other_hospital",
    "hospice",
    "against_advice",
    "deceased",
)

# One department, its wards. `burns_unit` takes only the few patients of RARE_PATIENTS.
WARDS: dict[str, tuple[str, ...]] = {
    "internal_medicine": ("internal_1", "internal_2", "internal_3"),
    "cardiology": ("cardiology_1", "coronary_care"),
    "pulmonology": ("pulmonology_1",),
    "neurology": ("neurology_1", "stroke_unit"),
    "oncology": ("oncology_1",),
    "gastroenterology": ("gastro_1",),
    "nephrology": ("nephrology_1",),
    "surgery": ("surgery_1", "surgery_2", "burns_unit"),
    "orthopaedics": ("orthopaedics_1",),
    "obstetrics": ("maternity",),
    "psychiatry": ("psychiatry_1",),
}
DEPARTMENTS = tuple(WARDS)
ALL_WARDS = tuple(ward for wards in WARDS.values() for ward in wards)

# How many patients share each rare label at full size: below any usual minimum count, to show suppression.
RARE_PATIENTS = {"overseas": 8, "foreign_cover": 6, "burns_unit": 7, "mass_casualty": 4, "E75": 5}


class Diagnosis(Struct, frozen=True):
    """An ICD-10 category: how often it is the reason for a stay, and how often it is recorded beside another."""

    code: str
    chapter: str
    department: str = "internal_medicine"
    primary: float = 0.0  # relative weight as the main diagnosis
    condition: str = ""  # the chronic condition that makes it likely
    emergency: float = 0.6  # share of these stays that start as an emergency
    complication: float = 0.0  # chance of being recorded beside another main diagnosis


DIAGNOSES = (
    Diagnosis("A41", "infectious", "internal_medicine", 3.0, "", 0.95, 0.020),
    Diagnosis("A09", "infectious", "gastroenterology", 2.0, "", 0.80, 0.010),
    Diagnosis("B37", "infectious", complication=0.020),
    Diagnosis("C18", "neoplasms", "surgery", 1.5, "cancer", 0.25),
    Diagnosis("C34", "neoplasms", "oncology", 2.0, "cancer", 0.35),
    Diagnosis("C50", "neoplasms", "oncology", 1.5, "cancer", 0.15),
    Diagnosis("C78", "neoplasms", "oncology", 0.8, "cancer", 0.45),
    Diagnosis("D50", "blood", "gastroenterology", 0.9, "", 0.50, 0.040),
    Diagnosis("D64", "blood", complication=0.070),
    Diagnosis("E11", "endocrine", "internal_medicine", 1.5, "diabetes", 0.55),
    Diagnosis("E66", "endocrine", "surgery", 0.3, "obesity", 0.05),
    Diagnosis("E75", "endocrine"),
    Diagnosis("E78", "endocrine"),
    Diagnosis("E86", "endocrine", "internal_medicine", 1.2, "", 0.85, 0.050),
    Diagnosis("E87", "endocrine", "internal_medicine", 1.0, "", 0.80, 0.080),
    Diagnosis("F03", "mental", "neurology", 0.5, "dementia", 0.60),
    Diagnosis("F10", "mental", "psychiatry", 1.2, "alcohol", 0.75),
    Diagnosis("F32", "mental", "psychiatry", 1.3, "depression", 0.45),
    Diagnosis("G40", "nervous", "neurology", 1.1, "", 0.80, 0.010),
    Diagnosis("G45", "nervous", "neurology", 1.2, "", 0.85),
    Diagnosis("I10", "circulatory", "internal_medicine", 0.4, "hypertension", 0.50),
    Diagnosis("I21", "circulatory", "cardiology", 2.5, "ischaemic_heart", 0.95),
    Diagnosis("I25", "circulatory", "cardiology", 2.2, "ischaemic_heart", 0.20),
    Diagnosis("I48", "circulatory", "cardiology", 1.8, "atrial_fibrillation", 0.50),
    Diagnosis("I50", "circulatory", "cardiology", 3.0, "heart_failure", 0.80),
    Diagnosis("I63", "circulatory", "neurology", 2.2, "stroke", 0.95),
    Diagnosis("I69", "circulatory"),
    Diagnosis("I95", "circulatory", complication=0.040),
    Diagnosis("J18", "respiratory", "pulmonology", 3.5, "", 0.90, 0.030),
    Diagnosis("J44", "respiratory", "pulmonology", 2.5, "copd", 0.80),
    Diagnosis("J96", "respiratory", "pulmonology", 0.8, "copd", 0.95, 0.040),
    Diagnosis("K35", "digestive", "surgery", 1.8, "", 0.90),
    Diagnosis("K57", "digestive", "gastroenterology", 1.5, "", 0.60),
    Diagnosis("K74", "digestive", "gastroenterology", 0.8, "liver", 0.60),
    Diagnosis("K80", "digestive", "surgery", 2.5, "", 0.35),
    Diagnosis("K92", "digestive", "gastroenterology", 1.5, "", 0.90, 0.010),
    Diagnosis("L03", "skin", "internal_medicine", 1.5, "diabetes", 0.75),
    Diagnosis("L89", "skin", complication=0.015),
    Diagnosis("M16", "musculoskeletal", "orthopaedics", 1.8, "", 0.05),
    Diagnosis("M17", "musculoskeletal", "orthopaedics", 1.8, "", 0.05),
    Diagnosis("M54", "musculoskeletal", "orthopaedics", 1.2, "", 0.40, 0.030),
    Diagnosis("N17", "genitourinary", "nephrology", 1.5, "kidney", 0.85, 0.050),
    Diagnosis("N18", "genitourinary", "nephrology", 1.0, "kidney", 0.40),
    Diagnosis("N39", "genitourinary", "internal_medicine", 2.0, "", 0.75, 0.060),
    Diagnosis("O80", "pregnancy", "obstetrics", 14.0, "", 0.30),
    Diagnosis("R07", "symptoms", "cardiology", 2.5, "", 0.90, 0.010),
    Diagnosis("R55", "symptoms", "internal_medicine", 1.5, "", 0.90, 0.010),
    Diagnosis("S06", "injury", "surgery", 1.2, "", 0.95),
    Diagnosis("S72", "injury", "orthopaedics", 1.6, "", 0.95),
    Diagnosis("T30", "injury", "surgery"),
    Diagnosis("T81", "injury", "surgery", 0.8, "", 0.70, 0.010),
    Diagnosis("Z95", "status"),
)
CODES = tuple(diagnosis.code for diagnosis in DIAGNOSES)
CHAPTERS = tuple(sorted({diagnosis.chapter for diagnosis in DIAGNOSES}))


class Condition(Struct, frozen=True):
    """A chronic condition of a patient: log odds at age 60 for a woman, their slope per decade, and its weight."""

    name: str
    code: str
    at_sixty: float
    per_decade: float
    male: float
    charlson: int


CONDITIONS = (
    Condition("hypertension", "I10", -0.3, 0.50, 0.1, 0),
    Condition("diabetes", "E11", -1.5, 0.30, 0.3, 1),
    Condition("lipids", "E78", -1.0, 0.30, 0.2, 0),
    Condition("obesity", "E66", -1.6, -0.05, -0.1, 0),
    Condition("ischaemic_heart", "I25", -2.3, 0.55, 0.8, 1),
    Condition("heart_failure", "I50", -2.9, 0.70, 0.2, 1),
    Condition("atrial_fibrillation", "I48", -2.8, 0.70, 0.3, 0),
    Condition("stroke", "I69", -3.0, 0.60, 0.2, 1),
    Condition("copd", "J44", -2.3, 0.35, 0.3, 1),
    Condition("kidney", "N18", -2.6, 0.60, 0.1, 2),
    Condition("cancer", "C78", -2.8, 0.40, 0.0, 2),
    Condition("liver", "K74", -3.8, 0.10, 0.4, 3),
    Condition("dementia", "F03", -4.5, 1.10, -0.1, 1),
    Condition("depression", "F32", -2.0, -0.05, -0.5, 0),
    Condition("alcohol", "F10", -2.9, -0.15, 0.8, 0),
    Condition("implant", "Z95", -3.6, 0.60, 0.4, 0),
)


class LabTest(Struct, frozen=True):
    """A blood test: its reference mean and spread, the range the analyser reports, and how often it is taken."""

    name: str
    measured_in: str
    mean: float
    spread: float
    lower: float
    upper: float
    decimals: int
    taken: float
    skewed: bool = False  # log-normal instead of normal
    illness: float = 0.0  # shift, in spreads, per unit of illness severity
    conditions: dict[str, float] = {}  # shift, in spreads, of patients with a condition


LAB_TESTS = (
    LabTest("hemoglobin", "g/dL", 13.0, 1.7, 3, 22, 1, 0.93, False, -0.25, {"kidney": -0.8, "cancer": -0.9}),
    LabTest("white_cells", "10^9/L", 8.2, 0.38, 0.1, 80, 1, 0.92, True, 0.45),
    LabTest("platelets", "10^9/L", 240, 0.32, 5, 1000, 0, 0.92, True, 0.0, {"liver": -1.6}),
    LabTest("sodium", "mmol/L", 139.2, 3.4, 105, 170, 0, 0.90, False, -0.20, {"heart_failure": -0.4, "liver": -0.7}),
    LabTest("potassium", "mmol/L", 4.1, 0.45, 2, 8, 1, 0.90, False, 0.05, {"kidney": 0.6}),
    LabTest("creatinine", "mg/dL", 0.92, 0.27, 0.2, 18, 2, 0.91, True, 0.20, {"kidney": 2.6, "heart_failure": 0.5}),
    LabTest("glucose", "mg/dL", 112, 0.22, 25, 900, 0, 0.75, True, 0.20, {"diabetes": 1.9}),
    LabTest("c_reactive_protein", "mg/L", 12, 1.10, 0, 600, 1, 0.60, True, 0.55),
    LabTest("albumin", "g/dL", 3.9, 0.5, 1, 6, 1, 0.38, False, -0.40, {"liver": -1.0, "cancer": -0.5}),
    LabTest("lactate", "mmol/L", 1.3, 0.38, 0.3, 25, 1, 0.14, True, 0.60),
)


class Drug(Struct, frozen=True):
    """A class of drugs: who is given it, in which doses (milligrams) and by which routes."""

    name: str
    conditions: tuple[str, ...]
    indicated: float
    otherwise: float
    doses: tuple[float, ...]
    routes: tuple[str, ...] = ("oral",)


DRUGS = (
    Drug("ace_inhibitor", ("hypertension", "heart_failure"), 0.45, 0.02, (2.5, 5, 10, 20)),
    Drug("beta_blocker", ("ischaemic_heart", "heart_failure", "atrial_fibrillation"), 0.62, 0.06, (25, 50, 100)),
    Drug("calcium_blocker", ("hypertension",), 0.30, 0.02, (5, 10)),
    Drug("loop_diuretic", ("heart_failure", "kidney"), 0.60, 0.05, (20, 40, 80), ("oral", "intravenous")),
    Drug("statin", ("lipids", "ischaemic_heart", "stroke"), 0.65, 0.05, (10, 20, 40, 80)),
    Drug("antiplatelet", ("ischaemic_heart", "stroke", "implant"), 0.65, 0.05, (75, 100)),
    Drug("anticoagulant", ("atrial_fibrillation",), 0.65, 0.10, (2.5, 5, 20, 40), ("oral", "subcutaneous")),
    Drug("insulin", ("diabetes",), 0.45, 0.01, (4, 8, 12, 20), ("subcutaneous",)),
    Drug("metformin", ("diabetes",), 0.50, 0.005, (500, 850, 1000)),
    Drug("bronchodilator", ("copd",), 0.75, 0.05, (0.1, 0.5, 2.5), ("inhaled",)),
    Drug("corticosteroid", ("copd", "cancer"), 0.30, 0.05, (4, 20, 40), ("oral", "intravenous")),
    Drug("antibiotic", (), 0.0, 0.34, (500, 1000, 2000), ("intravenous", "oral")),
    Drug("opioid", ("cancer",), 0.50, 0.22, (5, 10, 20), ("oral", "intravenous", "transdermal")),
    Drug("paracetamol", (), 0.0, 0.48, (500, 1000), ("oral", "intravenous")),
    Drug("proton_pump_inhibitor", ("liver",), 0.60, 0.33, (20, 40), ("oral", "intravenous")),
    Drug("antidepressant", ("depression",), 0.60, 0.06, (10, 20, 75)),
    Drug("antipsychotic", ("dementia",), 0.25, 0.03, (0.5, 2, 5)),
    Drug("benzodiazepine", ("alcohol", "depression"), 0.25, 0.06, (0.5, 1, 5)),
    Drug("chemotherapy", ("cancer",), 0.28, 0.0, (50, 100, 200), ("intravenous",)),
    Drug("enzyme_replacement", (), 0.0, 0.0, (400, 800), ("intravenous",)),
)
DRUG_CLASSES = tuple(drug.name for drug in DRUGS)
ROUTES = tuple(sorted({route for drug in DRUGS for route in drug.routes}))
