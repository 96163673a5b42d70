# %% [markdown]
# ICU stays of MIMIC-IV: care units, hours before the unit, and what left the body in the first day, long and wide.

# %%
import pandas as pd

stays = pd.read_csv("icu/icustays.csv.gz")
out = pd.read_csv(
    "icu/outputevents.csv.gz", usecols=["subject_id", "hadm_id", "stay_id", "charttime", "itemid", "value"]
)
items = pd.read_csv("icu/d_items.csv.gz", usecols=["itemid", "label", "category"])
adm = pd.read_csv("hosp/admissions.csv.gz")
for table, columns in [(stays, ["intime", "outtime"]), (out, ["charttime"]), (adm, ["admittime", "dischtime"])]:
    for column in columns:
        table[column] = pd.to_datetime(table[column])
answers = {"stays": stays.shape, "events": len(out)}

# %%
stays["los_check"] = (stays["outtime"] - stays["intime"]) / pd.Timedelta(days=1)
answers["difference"] = float((stays["los_check"] - stays["los"]).abs().max() < 0.01)
stays["unit"] = stays["first_careunit"].str.replace(r"\s*\(.*\)", "", regex=True)
answers["units"] = stays.groupby("unit")["los"].agg(["count", "mean", "median"])
stays["moved"] = stays["first_careunit"] != stays["last_careunit"]
answers["moved"] = stays["moved"].sum()

# %%
icu = stays.merge(adm[["hadm_id", "admittime", "hospital_expire_flag"]], on="hadm_id", how="inner")
icu["hours_before"] = (icu["intime"] - icu["admittime"]).dt.total_seconds() / 3600
icu["direct"] = icu["hours_before"] < 2
answers["before"] = icu["hours_before"].median()
answers["direct"] = icu.groupby("direct")["hospital_expire_flag"].mean()
icu["order"] = icu.groupby("subject_id")["intime"].rank()
answers["first"] = icu[icu["order"] == 1]["los"].mean()

# %%
first_day = out.merge(stays[["stay_id", "intime"]], on="stay_id")
first_day["hour"] = (first_day["charttime"] - first_day["intime"]).dt.total_seconds() // 3600
first_day = first_day[first_day["hour"].between(0, 23)]
total = first_day.groupby("stay_id")["value"].sum()
answers["per stay"] = total.describe()
icu = icu.merge(total.rename("urine").reset_index(), on="stay_id", how="left")
icu["oliguria"] = icu["urine"].fillna(0) < 500
answers["oliguria"] = icu.groupby("oliguria")["hospital_expire_flag"].agg(["mean", "size"])

# %%
named = out.merge(items, on="itemid", how="left")
answers["labels"] = named["label"].value_counts().head(3).to_dict()
foley = named[named["label"].isin(["Foley", "Void"])]
wide = foley.pivot_table(index="stay_id", columns="label", values="value", aggfunc="sum")
answers["wide"] = wide.sum()
long = wide.reset_index().melt(id_vars="stay_id", value_vars=["Foley", "Void"], var_name="label", value_name="ml")
answers["long"] = long.groupby("label")["ml"].agg(["sum", "count"])
answers["daily"] = out.groupby(out["charttime"].dt.hour)["value"].mean().round(6)
