# %% [markdown]
# Laboratory values and drugs of the synthetic hospital: long to wide, changes within a stay, combined with outcomes.

# %%
import numpy as np
import pandas as pd

labs = pd.read_parquet("labs.parquet")
encounters = pd.read_parquet("encounters.parquet")
diagnoses = pd.read_parquet("diagnoses.parquet")
answers = {"labs": labs.shape[0], "tests": labs["test"].value_counts().sort_index()}

# %%
answers["missing"] = labs["value"].isna().mean()
answers["by test"] = labs.groupby("test")["value"].agg(["mean", "std", "median", "count"])
limits = labs.groupby("test")["value"].quantile(0.99)
labs["cap"] = labs["test"].map(limits)
labs["value"] = np.minimum(labs["value"], labs["cap"])
answers["capped"] = labs.groupby("test")["value"].max()

# %%
first = labs.sort_values("taken").groupby(["encounter_id", "test"])["value"].first().unstack()
last = labs.sort_values("taken").groupby(["encounter_id", "test"])["value"].last().unstack()
answers["first"] = first.mean()
answers["last"] = last.mean()
wide = labs.pivot_table(index="encounter_id", columns="test", values="value", aggfunc="mean")
answers["wide"] = wide.count()
spread = labs.groupby(["encounter_id", "test"])["value"].apply(lambda values: values.max() - values.min())
answers["spread"] = spread.mean()

# %%
stays = encounters.merge(wide.reset_index(), on="encounter_id", how="left")
low = stays["hemoglobin_y"] < 11 if "hemoglobin_y" in stays else stays["hemoglobin"] < 11
stays["anaemic"] = low.astype(int)
answers["anaemic"] = stays.groupby("anaemic")["los_days"].mean()
melted = wide.reset_index().melt(id_vars="encounter_id", var_name="test", value_name="value").dropna(subset=["value"])
answers["melted"] = melted.groupby("test").size()

# %%
n_codes = diagnoses.groupby("encounter_id").size().rename("n_codes")
stays = stays.merge(n_codes.reset_index(), on="encounter_id", how="left")
stays["n_codes"] = stays["n_codes"].fillna(0)
answers["codes"] = stays["n_codes"].value_counts().sort_index().head(6)
answers["together"] = stays.pivot_table(index="department", values=["los_days", "n_codes"], aggfunc="mean")
outer = labs.groupby("encounter_id").size().rename("n_labs").reset_index().merge(n_codes.reset_index(), how="outer")
answers["outer"] = outer[["n_labs", "n_codes"]].count()
