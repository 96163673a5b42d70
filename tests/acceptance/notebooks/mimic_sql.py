# %% [markdown]
# A cohort from MIMIC-IV in SQL, as the public code repository writes it: first ICU stays with age, length and outcome.

# %%
import duckdb
import pandas as pd

con = duckdb.connect("mimic.duckdb")
answers = {}

# %%
query = """
WITH ranked AS (
    SELECT icu.subject_id, icu.hadm_id, icu.stay_id, icu.first_careunit, icu.los
         , icu.intime, icu.outtime
         , ROW_NUMBER() OVER (PARTITION BY icu.subject_id ORDER BY icu.intime) AS icustay_seq
    FROM icustays icu
)
SELECT r.subject_id, r.hadm_id, r.stay_id, r.first_careunit, r.los AS los_icu
     , a.hospital_expire_flag, a.admission_type
     , p.gender
     , p.anchor_age + EXTRACT(YEAR FROM a.admittime) - p.anchor_year AS age
     , CASE WHEN r.los >= 2 THEN 'long' ELSE 'short' END AS stay_group
FROM ranked r
INNER JOIN admissions a ON r.hadm_id = a.hadm_id
INNER JOIN patients p ON r.subject_id = p.subject_id
WHERE r.icustay_seq = 1
"""
cohort = pd.read_sql_query(query, con)
answers["columns"] = list(cohort.columns)
answers["rows"] = len(cohort)
answers["age"] = cohort["age"].astype(float).mean()
answers["groups"] = cohort["stay_group"].value_counts().sort_index()

# %%
answers["units"] = (
    pd.read_sql_query(
        """
        SELECT first_careunit, COUNT(*) AS stays, COUNT(DISTINCT subject_id) AS patients, AVG(los) AS mean_los
        FROM icustays GROUP BY first_careunit HAVING COUNT(*) >= 10 ORDER BY first_careunit
        """,
        con,
    )
    .set_index("first_careunit")
    .astype(float)
)
answers["total"] = float(pd.read_sql_query("SELECT COUNT(*) AS n FROM admissions", con)["n"].iloc[0])

# %%
burden = pd.read_sql_query(
    """
    SELECT a.subject_id, a.hadm_id, COUNT(*) AS n_codes
         , MAX(CASE WHEN d.icd_code LIKE 'I50%' OR d.icd_code LIKE '428%' THEN 1 ELSE 0 END) AS heart_failure
    FROM admissions a LEFT JOIN diagnoses_icd d ON a.hadm_id = d.hadm_id
    GROUP BY a.subject_id, a.hadm_id
    """,
    con,
)
answers["burden"] = burden["n_codes"].astype(float).describe()
answers["failure"] = float(burden["heart_failure"].sum())

# %%
merged = cohort.merge(burden, on=["subject_id", "hadm_id"], how="left")
merged["age_band"] = pd.cut(merged["age"].astype(float), [0, 45, 65, 120], labels=["young", "middle", "old"])
answers["mortality"] = merged.groupby("age_band", observed=False)["hospital_expire_flag"].mean()
answers["by failure"] = merged.groupby("heart_failure")["los_icu"].median()

# %%
gaps = pd.read_sql_query(
    """
    SELECT subject_id, hadm_id, admittime
         , LAG(dischtime) OVER (PARTITION BY subject_id ORDER BY admittime) AS previous
    FROM admissions WHERE admission_type <> 'ELECTIVE'
    """,
    con,
)
gaps["days"] = (gaps["admittime"] - gaps["previous"]).dt.days
answers["soon"] = int((gaps["days"] <= 30).sum())
