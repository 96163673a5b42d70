# %% [markdown]
# Synthea: inpatient stays, the next one of the same patient, conditions before, costs; readmission within thirty days.

# %%
import pandas as pd

encounters = pd.read_csv("encounters.csv", parse_dates=["START", "STOP"])
patients = pd.read_csv("patients.csv", usecols=["Id", "BIRTHDATE", "DEATHDATE", "RACE", "GENDER", "INCOME"])
conditions = pd.read_csv("conditions.csv")
encounters.columns = encounters.columns.str.lower()
patients.columns = [name.lower() for name in patients.columns]
conditions.columns = conditions.columns.str.lower()
answers = {"classes": encounters["encounterclass"].value_counts().sort_index()}

# %%
encounters["hours"] = (encounters["stop"] - encounters["start"]).dt.total_seconds() / 3600
answers["hours"] = encounters.groupby("encounterclass")["hours"].median()
answers["cost"] = encounters.groupby("encounterclass")["total_claim_cost"].agg(["mean", "std", "count"])
encounters["paid_share"] = encounters["payer_coverage"] / encounters["total_claim_cost"]
answers["paid"] = encounters["paid_share"].mean()

# %%
inpatient = encounters[encounters["encounterclass"].isin(["inpatient", "emergency"])].copy()
inpatient = inpatient.sort_values(by=["patient", "start"]).reset_index(drop=True)
inpatient["next_start"] = inpatient.groupby("patient")["start"].shift(-1)
inpatient["days_to_next"] = (inpatient["next_start"] - inpatient["stop"]).dt.days
inpatient["readmitted"] = (inpatient["days_to_next"] <= 30).astype(int)
answers["stays"] = len(inpatient)
answers["readmitted"] = inpatient["readmitted"].agg(["sum", "mean"])
answers["days"] = inpatient["days_to_next"].quantile([0.25, 0.5, 0.75])

# %%
patients = patients.rename(columns={"id": "patient"})
data = inpatient.merge(patients, on="patient", how="left")
data["birthdate"] = pd.to_datetime(data["birthdate"])
data["age"] = (data["start"] - data["birthdate"]).dt.days // 365.25
data["senior"] = data["age"].ge(65)
answers["age"] = data["age"].describe()
answers["by group"] = data.groupby(["gender", "senior"])["readmitted"].mean()
answers["races"] = data["race"].value_counts(normalize=True).sort_index()
data["rich"] = pd.qcut(data["income"], 2, labels=["low", "high"])
answers["income"] = data.groupby("rich", observed=True)["readmitted"].mean()

# %%
conditions["start"] = pd.to_datetime(conditions["start"])
history = data[["id", "patient", "start"]].merge(
    conditions[["patient", "start", "code"]], on="patient", suffixes=("", "_c")
)
history = history[history["start_c"] < history["start"]]
counts = history.groupby("id").agg(n_conditions=("code", "size"), n_kinds=("code", "nunique")).reset_index()
data = data.merge(counts, on="id", how="left").fillna({"n_conditions": 0, "n_kinds": 0})
answers["history"] = data[["n_conditions", "n_kinds"]].mean()
answers["correlation"] = data[["age", "n_conditions", "hours"]].corr()

# %%
chronic = conditions[conditions["description"].str.contains("diabetes|hypertension", case=False)]
data["chronic"] = data["patient"].isin(chronic["patient"].unique()).astype(int)
answers["chronic"] = data.groupby("chronic")["readmitted"].agg(["mean", "count"])
yearly = encounters.groupby([encounters["start"].dt.year.rename("year"), "encounterclass"]).size().unstack(fill_value=0)
answers["yearly"] = yearly.loc[2010:2015, ["ambulatory", "wellness"]]
