# %% [markdown]
# A cohort in the OMOP common data model: bleeding of the gut after anti-inflammatory drugs.

# %%
import numpy as np
import pandas as pd

person = pd.read_parquet("person.parquet")
condition = pd.read_parquet("condition_occurrence.parquet")
drug = pd.read_parquet("drug_exposure.parquet")
concept = pd.read_parquet("concept.parquet")
person.columns = person.columns.str.lower()
condition.columns = condition.columns.str.lower()
drug.columns = drug.columns.str.lower()
concept.columns = concept.columns.str.lower()
answers = {"sizes": [len(person), len(condition), len(drug)]}

# %%
genders = {8507: "male", 8532: "female"}
person["gender"] = person["gender_concept_id"].map(genders)
answers["gender"] = person["gender"].value_counts().sort_index()
answers["born"] = person["year_of_birth"].describe()
person["decade"] = person["year_of_birth"] // 10 * 10
answers["decades"] = person.groupby("decade").size()

# %%
names = concept[["concept_id", "concept_name"]]
named = condition.merge(names, left_on="condition_concept_id", right_on="concept_id", how="left")
answers["common"] = named["concept_name"].value_counts().head(5).to_dict()
bleeding = named[named["concept_name"] == "Gastrointestinal hemorrhage"]
answers["bleeding"] = [len(bleeding), bleeding["person_id"].nunique()]
index_date = bleeding.groupby("person_id")["condition_start_date"].min().rename("index_date").reset_index()

# %%
taken = drug.merge(names, left_on="drug_concept_id", right_on="concept_id", how="inner")
taken["group"] = np.select(
    [taken["concept_name"].str.contains("celecoxib", case=False), taken["concept_name"].str.contains("Diclofenac")],
    ["celecoxib", "diclofenac"],
    default="other",
)
answers["groups"] = taken["group"].value_counts().sort_index()
first = taken[taken["group"] != "other"].sort_values("drug_exposure_start_date").drop_duplicates("person_id")
answers["exposed"] = first["group"].value_counts().sort_index()

# %%
cohort = first[["person_id", "group", "drug_exposure_start_date"]].merge(person, on="person_id", how="inner")
cohort = cohort.merge(index_date, on="person_id", how="left")
cohort["days"] = (cohort["index_date"] - cohort["drug_exposure_start_date"]).dt.days
cohort["outcome"] = cohort["days"].between(0, 10000).astype(int)
cohort["age"] = cohort["drug_exposure_start_date"].dt.year - cohort["year_of_birth"]
answers["rate"] = cohort.groupby("group")["outcome"].agg(["mean", "sum", "count"])
answers["time"] = cohort.loc[cohort["outcome"] == 1, "days"].median()
answers["ages"] = cohort.groupby("group")["age"].agg(["mean", "std"])
answers["balance"] = pd.crosstab(cohort["gender"], cohort["group"])

# %%
per_person = condition.groupby("person_id").size()
answers["conditions"] = per_person.describe()
more = person.merge(per_person.rename("n").reset_index(), on="person_id", how="left").fillna({"n": 0})
answers["by gender"] = more.groupby("gender")["n"].mean()
yearly = condition["condition_start_date"].dt.year.value_counts().sort_index()
answers["yearly"] = yearly.loc[1990:1994]
