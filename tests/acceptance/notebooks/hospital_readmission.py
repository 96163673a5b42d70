# %% [markdown]
# The synthetic hospital: readmission within thirty days, once by a shift within patients and once by a self-join.

# %%
import numpy as np
import pandas as pd

encounters = pd.read_parquet("encounters.parquet")
answers = {"rows": len(encounters)}
enc = encounters.dropna(subset=["discharged"]).copy()
enc["los"] = (enc["discharged"] - enc["admitted"]).dt.days

# %%
ordered = enc.sort_values(["patient_id", "admitted"])
enc["next_time"] = ordered.groupby("patient_id")["admitted"].shift(-1)
enc["gap"] = (enc["next_time"] - enc["discharged"]).dt.days
enc["readmitted_30"] = np.where((enc["gap"] >= 0) & (enc["gap"] < 30), 1, 0)
answers["by shift"] = enc["readmitted_30"].sum()
answers["by department"] = enc.groupby("department")["readmitted_30"].mean()

# %%
left = enc[["patient_id", "encounter_id", "discharged"]]
right = enc[["patient_id", "encounter_id", "admitted"]]
pairs = left.merge(right, on="patient_id", suffixes=("", "_next"))
days = (pairs["admitted"] - pairs["discharged"]).dt.days
pairs = pairs[(days >= 0) & (days < 30) & (pairs["admitted"] >= pairs["discharged"])]
again = pairs.drop_duplicates("encounter_id")
answers["by self-join"] = len(again)
enc["again"] = enc["encounter_id"].isin(again["encounter_id"]).astype(int)
answers["agree"] = (enc["again"] == enc["readmitted_30"]).mean()

# %%
enc["earlier"] = ordered.groupby("patient_id").cumcount()
enc["earlier_days"] = ordered.groupby("patient_id")["los"].cumsum() - enc["los"]
enc["mean_los_of_patient"] = enc.groupby("patient_id")["los"].transform("mean")
answers["earlier"] = enc.groupby(enc["earlier"].clip(upper=4))["readmitted_30"].mean()
answers["days"] = enc[["earlier_days", "mean_los_of_patient"]].mean()

# %%
patients = pd.read_parquet("patients.parquet")
full = enc.merge(patients, on="patient_id", how="left")
answers["bmi"] = full.groupby("smoking_status")["bmi"].mean()
per_patient = enc.groupby("patient_id").agg(stays=("encounter_id", "count"), longest=("los", "max"))
answers["patients"] = per_patient.describe()
answers["frequent"] = int((per_patient["stays"] >= 3).sum())
