# %% [markdown]
# Comorbidities in MIMIC-IV: ICD codes of both versions to groups, one row per admission, joined with outcomes.

# %%
import numpy as np
import pandas as pd

adm = pd.read_csv("hosp/admissions.csv.gz")
dx = pd.read_csv("hosp/diagnoses_icd.csv.gz")
answers = {"versions": dx["icd_version"].value_counts().sort_index(), "codes": dx["icd_code"].nunique()}
answers["top"] = dx["icd_code"].str[:3].value_counts().head(3).to_dict()

# %%
dx["code"] = dx["icd_code"].str.strip().str.upper()
groups = {
    "heart failure": dx["code"].str.startswith(("428", "I50")),
    "diabetes": dx["code"].str.match("250|E1[01]"),
    "kidney": dx["code"].str.startswith("585") | dx["code"].str.startswith("N18"),
    "hypertension": dx["code"].str.contains("^401|^I10", regex=True),
}
for name, found in groups.items():
    dx[name] = found.astype(int)
answers["shares"] = dx[list(groups)].mean()

# %%
flags = dx.groupby("hadm_id")[list(groups)].max().reset_index()
burden = (
    dx.groupby(["subject_id", "hadm_id"]).agg(n_codes=("code", "count"), n_groups=("code", "nunique")).reset_index()
)
stays = adm.merge(burden.drop(columns="subject_id"), on="hadm_id", how="left").merge(flags, on="hadm_id", how="left")
stays[list(groups)] = stays[list(groups)].fillna(0)
answers["rows"] = len(stays)
answers["burden"] = stays["n_codes"].describe()
answers["flags"] = stays[list(groups)].sum()

# %%
for name in groups:
    answers[f"deaths {name}"] = stays.groupby(name)["hospital_expire_flag"].agg(["mean", "count"])
stays["comorbid"] = stays[list(groups)].sum(axis=1)
answers["comorbid"] = stays.groupby("comorbid").size()
stays["heavy"] = np.where(stays["n_codes"] > stays["n_codes"].median(), "many", "few")
answers["heavy"] = pd.crosstab(stays["heavy"], stays["hospital_expire_flag"], normalize="index")

# %%
first = dx[dx["seq_num"] == 1]
answers["principal"] = first.groupby(first["code"].str[0]).size().sort_index()
wide = dx[dx["code"].str.startswith(("I50", "N18", "I10"))].copy()
wide["group"] = wide["code"].str.slice(0, 3)
table = wide.pivot_table(index="hadm_id", columns="group", values="seq_num", aggfunc="min")
answers["wide"] = table.count()
answers["ranks"] = table.mean()
both = dx.merge(dx, on="hadm_id", suffixes=("_a", "_b"))
both = both[(both["heart failure_a"] == 1) & (both["kidney_b"] == 1)]
answers["together"] = both["hadm_id"].nunique()
