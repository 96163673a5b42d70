# %% [markdown]
# Admissions of MIMIC-IV: ages, lengths of stay, deaths, and readmission within thirty days by a shift within patients.

# %%
import pandas as pd

patients = pd.read_csv("hosp/patients.csv.gz")
admissions = pd.read_csv("hosp/admissions.csv.gz", parse_dates=["admittime", "dischtime", "deathtime"])
adm = admissions.merge(patients, on="subject_id", how="left")
answers = {"rows": len(adm), "patients": adm["subject_id"].nunique()}

# %%
adm["los"] = (adm["dischtime"] - adm["admittime"]).dt.total_seconds() / 86400
adm["age"] = adm["anchor_age"] + (adm["admittime"].dt.year - adm["anchor_year"])
adm["emergency"] = adm["admission_type"].str.contains("EMER|URGENT")
answers["los"] = adm["los"].describe()
answers["age"] = adm.groupby("gender")["age"].mean()
answers["emergency"] = adm["emergency"].mean()

# %%
answers["deaths"] = adm.groupby("admission_type")["hospital_expire_flag"].agg(["sum", "count"])
answers["insurance"] = pd.crosstab(adm["insurance"], adm["hospital_expire_flag"])
adm["race_group"] = adm["race"].str.split(" - ").str[0].str.split("/").str[0]
answers["race"] = adm["race_group"].value_counts().sort_index()
adm["died"] = adm["deathtime"].notnull().astype(int)
answers["same"] = int((adm["died"] != adm["hospital_expire_flag"]).sum())

# %%
adm = adm.sort_values(["subject_id", "admittime"])
adm["next_admit"] = adm.groupby("subject_id")["admittime"].shift(-1)
adm["days_out"] = (adm["next_admit"] - adm["dischtime"]).dt.days
alive = adm[adm["hospital_expire_flag"] == 0].copy()
alive["readmit_30"] = alive["days_out"].between(0, 30).astype(int)
answers["readmission"] = alive["readmit_30"].mean()
answers["by type"] = alive.groupby("admission_type")["readmit_30"].agg(["mean", "size"])
answers["gap"] = alive["days_out"].median()
answers["no next"] = int(alive["next_admit"].isna().sum())

# %%
alive["previous"] = alive.groupby("subject_id").cumcount()
alive["last_los"] = alive.groupby("subject_id")["los"].shift(1)
answers["previous"] = alive["previous"].value_counts().sort_index().head(5)
answers["last los"] = alive["last_los"].mean()
alive["weekend"] = alive["dischtime"].dt.dayofweek >= 5
alive["night"] = ~alive["admittime"].dt.hour.between(7, 18)
answers["weekend"] = alive.groupby("weekend")["readmit_30"].mean()
answers["night"] = alive.groupby(["night", "gender"]).size().unstack()

# %%
edtime = (adm["edouttime"].pipe(pd.to_datetime) - adm["edregtime"].pipe(pd.to_datetime)).dt.total_seconds() / 3600
adm["ed_hours"] = edtime
answers["ed"] = adm["ed_hours"].quantile([0.25, 0.5, 0.75])
table = alive.groupby("discharge_location").agg(
    n=("hadm_id", "count"), rate=("readmit_30", "mean"), los=("los", "median")
)
answers["places"] = table.sort_index()
answers["big places"] = table[table["n"] >= 10].round(3).sort_values("rate").to_dict("index")
