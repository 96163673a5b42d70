# %% [markdown]
# Features for the readmission model: use of services, changes of drugs, counts of codes, dummies, interactions.

# %%
import numpy as np
import pandas as pd

df = pd.read_csv("diabetic_data.csv", keep_default_na=False, na_values="?", low_memory=False)
df["target"] = (df["readmitted"] == "<30").astype("int")
answers = {}

# %%
df["service_use"] = df["number_outpatient"] + df["number_emergency"] + df["number_inpatient"]
drugs = ["metformin", "repaglinide", "glipizide", "glyburide", "pioglitazone", "rosiglitazone", "insulin"]
for drug in drugs:
    df[drug + "_changed"] = df[drug].apply(lambda level: 0 if level == "No" or level == "Steady" else 1)
df["drug_changes"] = 0
for drug in drugs:
    df["drug_changes"] = df["drug_changes"] + df[drug + "_changed"]
df["drugs_taken"] = (df[drugs] != "No").sum(axis=1)
answers["use"] = df["service_use"].value_counts().sort_index().head(8)
answers["changes"] = df.groupby("drug_changes")["target"].agg(["mean", "count"])
answers["taken"] = df["drugs_taken"].mean()

# %%
df["busy"] = df["num_lab_procedures"] * df["num_procedures"]
df["drugs_per_day"] = df["num_medications"] / df["time_in_hospital"]
df["frequent"] = np.where((df["number_inpatient"] > 2) | (df["number_emergency"] > 2), "yes", "no")
df["stay_group"] = pd.qcut(df["time_in_hospital"], q=3, labels=["short", "usual", "long"])
answers["groups"] = df.groupby("stay_group", observed=True)["target"].mean()
answers["frequent"] = df.pivot_table(index="frequent", columns="gender", values="target", aggfunc="mean")

# %%
frame = df[["race", "gender", "insulin", "time_in_hospital", "num_medications", "service_use", "target"]]
encoded = pd.get_dummies(frame, columns=["race", "gender", "insulin"], drop_first=True, dtype=int)
answers["names"] = list(encoded.columns)
answers["means"] = encoded.mean()
answers["with target"] = encoded.corrwith(encoded["target"]).round(6)

# %%
numeric = encoded.select_dtypes(include="number")
scaled = (numeric - numeric.mean()) / numeric.std()
answers["scaled"] = scaled.std().round(6)
order = numeric.corr()["target"].abs().sort_values(ascending=False)
answers["strongest"] = list(order.index[:3])

# %%
earlier = df.sort_values("encounter_id").groupby("patient_nbr")
df["visit"] = earlier.cumcount() + 1
df["earlier_days"] = earlier["time_in_hospital"].cumsum() - df["time_in_hospital"]
df["was_readmitted"] = earlier["target"].shift(1).fillna(0)
answers["visits"] = df["visit"].value_counts().sort_index().head(5)
answers["by history"] = df.groupby("was_readmitted")["target"].mean()
answers["days before"] = df["earlier_days"].mean()
