# %% [markdown]
# First look at ten years of diabetic admissions: size, gaps, outcomes and who comes back.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

df = pd.read_csv("diabetic_data.csv", na_values="?", keep_default_na=False, low_memory=False)
df.head()

# %%
print(df.shape)
df.info()
missing = df.isnull().sum()
missing = missing[missing > 0].sort_values(ascending=False)
share = (missing / len(df) * 100).round(1)
answers = {"shape": df.shape, "missing": missing.sort_index(), "share": share.sort_index()}

# %%
numbers = ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications", "number_diagnoses"]
answers["describe"] = df[numbers].describe().T
answers["skew"] = df[numbers].skew()
answers["iqr"] = df[numbers].quantile(0.75) - df[numbers].quantile(0.25)

# %%
for column in ["race", "gender", "age", "readmitted", "insulin"]:
    answers[f"levels {column}"] = df[column].value_counts().sort_index()
    print(column, df[column].nunique(), df[column].unique())

# %%
df["target"] = np.where(df["readmitted"] == "<30", 1, 0)
answers["rate"] = df["target"].mean()
answers["by age"] = df.groupby("age")["target"].mean().round(4)
answers["by admission"] = df.groupby("admission_type_id").target.agg(["mean", "count"])
answers["insulin"] = pd.crosstab(df["insulin"], df["readmitted"], normalize="index")
answers["patients"] = df["patient_nbr"].nunique()
answers["repeated"] = int(df.duplicated("patient_nbr").sum())

# %%
figure, axes = plt.subplots(2, 2, figsize=(12, 8))
sns.countplot(data=df, x="readmitted", ax=axes[0, 0])
sns.histplot(data=df, x="time_in_hospital", bins=14, ax=axes[0, 1])
sns.boxplot(data=df, x="readmitted", y="num_medications", ax=axes[1, 0])
sns.heatmap(df[numbers].corr(), annot=True, ax=axes[1, 1])
plt.tight_layout()
plt.show()
answers["correlations"] = df[numbers].corr()
answers["bars"] = sorted(bar.get_height() for bar in axes[0, 0].patches)

# %%
top = df["medical_specialty"].value_counts().head(5)
answers["specialties"] = top.to_dict()
answers["stay by specialty"] = (
    df[df["medical_specialty"].isin(top.index)].groupby("medical_specialty")["time_in_hospital"].mean().sort_index()
)
