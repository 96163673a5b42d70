# %% [markdown]
# eICU: ages as text, units and outcomes, and how well the APACHE score foretells them.

# %%
import numpy as np
import pandas as pd

patient = pd.read_parquet("patient.parquet")
apache = pd.read_parquet("apachepatientresult.parquet")
hospital = pd.read_parquet("hospital.parquet")
answers = {"stays": len(patient), "people": patient["uniquepid"].nunique()}

# %%
patient["age"] = patient["age"].replace("> 89", "90")
patient["age"] = pd.to_numeric(patient["age"], errors="coerce")
patient["gender"] = patient["gender"].replace({"": np.nan, "Unknown": np.nan})
patient["los_hours"] = patient["unitdischargeoffset"] / 60
patient["died"] = np.where(patient["unitdischargestatus"] == "Expired", 1, 0)
answers["age"] = patient["age"].describe()
answers["gender"] = patient["gender"].value_counts(dropna=False).sort_index()
answers["units"] = patient.groupby("unittype")["died"].agg(["mean", "count"])
answers["los"] = patient["los_hours"].clip(0, 500).mean()

# %%
patient["bmi"] = patient["admissionweight"] / (patient["admissionheight"] / 100) ** 2
patient.loc[(patient["bmi"] < 10) | (patient["bmi"] > 80), "bmi"] = np.nan
patient["bmi_group"] = pd.cut(patient["bmi"], [0, 18.5, 25, 30, 100], labels=["under", "normal", "over", "obese"])
answers["bmi"] = patient["bmi_group"].value_counts(dropna=False).sort_index()
answers["bmi deaths"] = patient.groupby("bmi_group", observed=True)["died"].mean()

# %%
result = apache[apache["apacheversion"] == "IVa"].copy()
result["predicted"] = pd.to_numeric(result["predictedhospitalmortality"], errors="coerce")
result = result[result["predicted"] >= 0]
result["score"] = result["apachescore"].where(result["apachescore"] > 0)
joined = patient.merge(
    result[["patientunitstayid", "score", "predicted", "actualhospitalmortality"]], on="patientunitstayid"
)
joined["hospital_death"] = (joined["actualhospitalmortality"] == "EXPIRED").astype(int)
answers["joined"] = len(joined)
answers["observed"] = joined[["predicted", "hospital_death"]].mean()
joined["risk_band"] = pd.cut(joined["predicted"], [0, 0.05, 0.1, 0.2, 0.5, 1.0])
answers["calibration"] = joined.groupby("risk_band", observed=False)[["predicted", "hospital_death"]].mean()
answers["scores"] = joined.groupby("hospital_death")["score"].agg(["mean", "std", "median"])
answers["correlation"] = joined[["age", "score", "predicted", "los_hours"]].corr()

# %%
full = joined.merge(hospital, on="hospitalid", how="left")
answers["regions"] = full.groupby("region", dropna=False)["hospital_death"].agg(["mean", "size"])
answers["beds"] = pd.crosstab(full["numbedscategory"], full["teachingstatus"])
ratio = full.groupby("region")[["hospital_death", "predicted"]].sum()
answers["ratio"] = ratio["hospital_death"] / ratio["predicted"]
full["stay_no"] = full.sort_values("unitvisitnumber").groupby("uniquepid").cumcount() + 1
answers["stay numbers"] = full["stay_no"].value_counts().sort_index()
