# %% [markdown]
# Cleaning the diabetes admissions: gaps, duplicates, codes and ranges, until one row per patient is left.

# %%
import numpy as np
import pandas as pd

raw = pd.read_csv("diabetic_data.csv", keep_default_na=False, low_memory=False)
df = raw.copy()
df = df.replace("?", np.nan)
answers = {"gaps": df[["race", "weight", "payer_code", "diag_1", "diag_2", "diag_3"]].isna().sum()}

# %%
df = df.drop(columns=["weight", "payer_code", "examide", "citoglipton"])
df = df[~df["discharge_disposition_id"].isin([11, 13, 14, 19, 20, 21])]
df = df[df["gender"] != "Unknown/Invalid"]
df = df.dropna(subset=["race", "diag_1"])
answers["left"] = len(df)

# %%
middles = {f"[{low}-{low + 10})": low + 5 for low in range(0, 100, 10)}
df["age_mid"] = df["age"].map(middles)
df["age_group"] = pd.cut(df["age_mid"], bins=[0, 30, 60, 100], labels=["young", "middle", "old"])
answers["age"] = df["age_mid"].describe()
answers["groups"] = df["age_group"].value_counts().sort_index()


# %%
def chapter_of(codes):
    number = pd.to_numeric(codes, errors="coerce")
    conditions = [
        number.between(390, 459.99) | (np.floor(number) == 785),
        number.between(460, 519.99) | (np.floor(number) == 786),
        (number >= 250) & (number < 251),
    ]
    return np.select(conditions, ["circulatory", "respiratory", "diabetes"], default="other")


for column in ["diag_1", "diag_2", "diag_3"]:
    df[f"{column}_chapter"] = chapter_of(df[column])
answers["chapters"] = df["diag_1_chapter"].value_counts().sort_index()

# %%
df["admission_type"] = df["admission_type_id"].map({1: "emergency", 2: "urgent", 3: "elective"}).fillna("unknown")
df["readmitted"] = df["readmitted"].replace({"NO": 0, "<30": 1, ">30": 0})
df["change"] = df["change"].map({"Ch": 1, "No": 0})
df["diabetesMed"] = df["diabetesMed"].eq("Yes").astype(int)
df["A1C_high"] = df["A1Cresult"].isin([">7", ">8"]).astype(int)
answers["types"] = df.groupby("admission_type")["readmitted"].agg(["mean", "sum", "size"])

# %%
df.loc[df["num_medications"] > 60, "num_medications"] = 60
df["number_outpatient"] = df["number_outpatient"].clip(upper=df["number_outpatient"].quantile(0.99))
df["labs_log"] = np.log1p(df["num_lab_procedures"])
answers["capped"] = df[["num_medications", "number_outpatient", "labs_log"]].agg(["mean", "max"])

# %%
first = df.sort_values("encounter_id").drop_duplicates("patient_nbr", keep="first")
answers["first"] = len(first)
answers["first rate"] = first["readmitted"].mean()
answers["per patient"] = df.groupby("patient_nbr").size().value_counts().sort_index().head(4)
answers["by chapter"] = first.groupby("diag_1_chapter")[["time_in_hospital", "num_medications"]].mean()
