"""Questions that an analyst asks of hospital records in a first exploration, as the plain pandas that they would write.

Promise: closed tables of code that runs unchanged on DataFrames and in the room; sixty questions for each data set,
written down before it was known which of them the gate answers (quarters have numbers instead of their edges, which
are rounded in the room, so that they can be compared). The last expression of each is the answer.
"""

from __future__ import annotations

DIABETES130_SETUP = "df = room['encounters']"

DIABETES130: dict[str, str] = {
    # -- a first look
    "number of stays": "len(df)",
    "patients": "df.patient_nbr.nunique()",
    "missing values": "df.isna().sum()",
    "share of missing values": "df.isna().mean()",
    "describe": "df[['time_in_hospital', 'num_medications', 'num_lab_procedures']].describe()",
    "describe one column": "df.number_diagnoses.describe()",
    "longest stay": "df.time_in_hospital.max()",
    "different specialties": "df.medical_specialty.nunique()",
    # -- one column
    "readmissions": "df.readmitted.value_counts()",
    "readmissions, shares": "df.readmitted.value_counts(normalize=True)",
    "age": "df.age.value_counts()",
    "sex": "df.gender.value_counts()",
    "race, missing too": "df.race.value_counts(dropna=False)",
    "ten largest specialties": "df.medical_specialty.value_counts().head(10)",
    "ten most frequent diagnoses": "df.diag_1.value_counts().head(10)",
    "kinds of admission": "df.admission_type_id.value_counts()",
    "insulin": "df.insulin.value_counts()",
    "HbA1c": "df.A1Cresult.value_counts(normalize=True)",
    "length of stay, days": "df.time_in_hospital.value_counts().sort_index()",
    "mean length of stay": "df.time_in_hospital.mean()",
    "median of medications": "df.num_medications.median()",
    "deviation of laboratory tests": "df.num_lab_procedures.std()",
    "quantiles of medications": "df.num_medications.quantile([0.05, 0.25, 0.5, 0.75, 0.95])",
    "all procedures": "df.num_procedures.sum()",
    # -- distributions
    "histogram of stays": "np.histogram(df.time_in_hospital, bins=[1, 3, 5, 7, 9, 11, 15])[0]",
    "histogram of medications": "np.histogram(df.num_medications, bins=range(0, 85, 5))[0]",
    "bands of medications": "pd.cut(df.num_medications, [0, 5, 10, 15, 20, 30, 81]).value_counts()",
    "quarters of laboratory tests": (
        "df.groupby(pd.qcut(df.num_lab_procedures, 4, labels=False)).time_in_hospital.mean()"
    ),
    # -- by group
    "stay by age": "df.groupby('age').time_in_hospital.mean()",
    "median stay by age": "df.groupby('age').time_in_hospital.median()",
    "stay by specialty": "df.groupby('medical_specialty').time_in_hospital.mean().sort_values().tail(15)",
    "stays by race": "df.groupby('race').size()",
    "several statistics by sex": "df.groupby('gender').num_medications.agg(['count', 'mean', 'median', 'std'])",
    "several columns by age": (
        "df.groupby('age')[['time_in_hospital', 'num_medications', 'num_lab_procedures']].mean()"
    ),
    "named statistics by admission": (
        "df.groupby('admission_type_id').agg(stays=('time_in_hospital', 'size'), days=('time_in_hospital', 'mean'), "
        "drugs=('num_medications', 'median'))"
    ),
    "medications by age and sex": "df.groupby(['age', 'gender']).num_medications.mean()",
    "missing weight by payer": "df.weight.isna().groupby(df.payer_code).mean()",
    "diagnoses by discharge": "df.groupby('discharge_disposition_id').number_diagnoses.mean()",
    "emergency visits by age, quantile": "df.groupby('age').number_emergency.quantile(0.9)",
    # -- two columns
    "sex and readmission": "pd.crosstab(df.gender, df.readmitted)",
    "age and readmission, rows": "pd.crosstab(df.age, df.readmitted, normalize='index')",
    "insulin and change, margins": "pd.crosstab(df.insulin, df.change, margins=True)",
    "pivot of stays": "df.pivot_table(index='age', columns='gender', values='time_in_hospital', aggfunc='mean')",
    "pivot of glucose": "df.pivot_table(index='max_glu_serum', columns='A1Cresult', values='num_medications')",
    "correlation of two": "df.time_in_hospital.corr(df.num_medications)",
    "correlations": "df[['time_in_hospital', 'num_medications', 'num_lab_procedures', 'number_diagnoses']].corr()",
    # -- rates
    "rate of early readmission": "(df.readmitted == '<30').mean()",
    "rate by age": "(df.readmitted == '<30').groupby(df.age).mean()",
    "rate by earlier admissions": (
        "df.assign(early=df.readmitted.eq('<30'), earlier=df.number_inpatient.clip(upper=5))"
        ".groupby('earlier').early.mean()"
    ),
    "rate by group of diagnoses": """
code = pd.to_numeric(df.diag_1, errors='coerce')
group = np.select(
    [code.between(390, 459) | code.eq(785), code.between(460, 519) | code.eq(786), code.between(520, 579),
     code.between(250, 250.99), code.between(800, 999), code.between(140, 239)],
    ['circulatory', 'respiratory', 'digestive', 'diabetes', 'injury', 'neoplasms'], default='other')
df.assign(group=group, early=(df.readmitted == '<30').astype(int)).groupby('group').early.agg(['mean', 'size'])""",
    "rate by insulin and HbA1c": (
        "df.assign(early=(df.readmitted == '<30')).groupby(['insulin', 'A1Cresult']).early.mean().unstack()"
    ),
    # -- filters
    "stays of a week or more": "(df.time_in_hospital >= 7).sum()",
    "the elderly": "df[df.age.isin(['[70-80)', '[80-90)', '[90-100)'])].num_medications.mean()",
    "the elderly, by sex": "df.query(\"age == '[70-80)' and time_in_hospital > 3\").groupby('gender').size()",
    "cardiology": "df[df.medical_specialty == 'Cardiology'].readmitted.value_counts(normalize=True)",
    "stays without deaths": "df[~df.discharge_disposition_id.isin([11, 13, 14, 19, 20, 21])].time_in_hospital.mean()",
    "first stays": "df.drop_duplicates('patient_nbr').readmitted.value_counts()",
    # -- derived
    "tests for each day": "(df.num_lab_procedures / df.time_in_hospital).mean()",
    "stays per patient": "df.groupby('patient_nbr').size().value_counts().sort_index().head(6)",
    "days per patient": "df.groupby('patient_nbr').time_in_hospital.sum().mean()",
}

MIMIC_IV_DEMO_SETUP = """
patients, admissions, icustays = room['patients'], room['admissions'], room['icustays']
services, transfers, diagnoses = room['services'], room['transfers'], room['diagnoses_icd']
drugs, procedures, measured = room['prescriptions'], room['procedures_icd'], room['omr']
adm = admissions.assign(
    los=(admissions.dischtime - admissions.admittime).dt.total_seconds() / 86400,
    emergency=admissions.edregtime.notna())
both = adm.merge(patients, on='subject_id')
"""

MIMIC_IV_DEMO: dict[str, str] = {
    # -- a first look
    "number of patients": "len(patients)",
    "number of admissions": "len(admissions)",
    "number of ICU stays": "len(icustays)",
    "patients with an ICU stay": "icustays.subject_id.nunique()",
    "missing values": "admissions.isna().sum()",
    "describe age": "patients.anchor_age.describe()",
    "describe ICU stays": "icustays.los.describe()",
    "oldest patient": "patients.anchor_age.max()",
    "different drugs": "drugs.drug.nunique()",
    # -- one column
    "sex": "patients.gender.value_counts()",
    "years": "patients.anchor_year_group.value_counts()",
    "kinds of admission": "admissions.admission_type.value_counts()",
    "insurance": "admissions.insurance.value_counts(normalize=True)",
    "marital status, missing too": "admissions.marital_status.value_counts(dropna=False)",
    "discharged to": "admissions.discharge_location.value_counts()",
    "race": "admissions.race.value_counts().head(5)",
    "ICU of admission": "icustays.first_careunit.value_counts()",
    "services": "services.curr_service.value_counts().head(5)",
    "ten most frequent diagnoses": "diagnoses.icd_code.value_counts().head(10)",
    "ten most frequent drugs": "drugs.drug.value_counts().head(10)",
    "routes": "drugs.route.value_counts().head(5)",
    "kinds of transfer": "transfers.eventtype.value_counts()",
    "measurements": "measured.result_name.value_counts()",
    "mean age": "patients.anchor_age.mean()",
    "median age": "patients.anchor_age.median()",
    "quantiles of age": "patients.anchor_age.quantile([0.25, 0.5, 0.75])",
    "mean ICU stay": "icustays.los.mean()",
    "median ICU stay": "icustays.los.median()",
    "ninth decile of ICU stay": "icustays.los.quantile(0.9)",
    "mean length of stay": "adm.los.mean()",
    "deviation of length of stay": "adm.los.std()",
    # -- distributions
    "decades of age": "pd.cut(patients.anchor_age, [18, 40, 50, 60, 70, 80, 100], right=False).value_counts()",
    "histogram of age": "np.histogram(patients.anchor_age, bins=[20, 40, 60, 80, 100])[0]",
    "bands of length of stay": "pd.cut(adm.los, [0, 2, 4, 7, 14, 100]).value_counts()",
    # -- by group
    "age by sex": "patients.groupby('gender').anchor_age.mean()",
    "several statistics of age by sex": "patients.groupby('gender').anchor_age.agg(['count', 'mean', 'median', 'std'])",
    "stay by kind of admission": "adm.groupby('admission_type').los.mean()",
    "stay by insurance": "adm.groupby('insurance').los.agg(['mean', 'median', 'size'])",
    "ICU stay by unit": "icustays.groupby('first_careunit').los.mean()",
    "age by insurance": "both.groupby('insurance').anchor_age.mean()",
    "stay by sex": "both.groupby('gender').los.mean()",
    "stay by sex and emergency": "both.groupby(['gender', 'emergency']).los.mean()",
    "admissions by year": "both.groupby('anchor_year_group').size()",
    # -- two columns
    "insurance and death": "pd.crosstab(admissions.insurance, admissions.hospital_expire_flag)",
    "sex and insurance": "pd.crosstab(both.gender, both.insurance)",
    "sex and emergency, rows": "pd.crosstab(both.gender, both.emergency, normalize='index')",
    "pivot of stays": "both.pivot_table(index='insurance', columns='gender', values='los', aggfunc='mean')",
    "correlation of age and stay": "both.anchor_age.corr(both.los)",
    # -- rates
    "death in hospital": "admissions.hospital_expire_flag.mean()",
    "death by sex": "both.groupby('gender').hospital_expire_flag.mean()",
    "death of the elderly": "both[both.anchor_age >= 65].hospital_expire_flag.mean()",
    "admitted through emergency": "adm.emergency.mean()",
    "through emergency, by insurance": "adm.groupby('insurance').emergency.mean()",
    # -- filters
    "stays of a week or more": "(adm.los >= 7).sum()",
    "women over sixty": "len(patients[(patients.gender == 'F') & (patients.anchor_age > 60)])",
    "stay of emergencies": "adm[adm.emergency].los.median()",
    # -- per patient
    "admissions per patient": "admissions.groupby('subject_id').size().mean()",
    "patients with several admissions": "(admissions.groupby('subject_id').size() > 1).mean()",
    "diagnoses per admission": "diagnoses.groupby('hadm_id').size().mean()",
    "drugs per patient": "drugs.groupby('subject_id').drug.nunique().median()",
}
