# %% [markdown]
# Survival of 299 patients with heart failure: what differs between those who died and those who did not, two models.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, roc_auc_score, roc_curve
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

df = pd.read_csv("heart_failure_clinical_records.csv")
df = df.rename(columns={"DEATH_EVENT": "died", "time": "days"})
answers = {"shape": df.shape, "columns": df.columns.tolist()}

# %%
answers["deaths"] = df["died"].value_counts(normalize=True)
answers["means"] = df.groupby("died")[["age", "ejection_fraction", "serum_creatinine", "serum_sodium"]].mean()
answers["medians"] = df.groupby("died").agg({"serum_creatinine": "median", "platelet": "median"})
binary = [name for name in df.columns if df[name].nunique() == 2 and name != "died"]
answers["binary"] = binary
for name in binary:
    answers[name] = pd.crosstab(df[name], df["died"])

# %%
df["age_band"] = pd.cut(df["age"], [0, 50, 60, 70, 100], right=False)
answers["bands"] = df.groupby("age_band", observed=False)["died"].mean()
df["low_ef"] = df["ejection_fraction"].lt(30)
df["renal"] = np.where(df["serum_creatinine"] > 1.4, "impaired", "normal")
answers["risk"] = df.groupby(["low_ef", "renal"])["died"].agg(["mean", "size"])
fig, ax = plt.subplots(1, 2)
sns.barplot(data=df, x="renal", y="died", ax=ax[0])
df["ejection_fraction"].plot.hist(bins=10, ax=ax[1])
plt.show()

# %%
features = ["age", "ejection_fraction", "serum_creatinine", "serum_sodium", "anaemia", "high_blood_pressure"]
X, y = df[features], df["died"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=42, stratify=y)
answers["sizes"] = [len(X_train), len(X_test), int(y_test.sum())]
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(X_train, y_train)
scores = model.predict_proba(X_test)[:, 1]
answers["auc"] = roc_auc_score(y_test, scores)
answers["accuracy"] = accuracy_score(y_test, model.predict(X_test))
answers["f1"] = f1_score(y_test, model.predict(X_test))
answers["confusion"] = confusion_matrix(y_test, model.predict(X_test)).tolist()
fpr, tpr, _ = roc_curve(y_test, scores)
plt.plot(fpr, tpr)

# %%
forest = RandomForestClassifier(n_estimators=50, min_samples_leaf=5, random_state=0).fit(X_train, y_train)
answers["forest auc"] = roc_auc_score(y_test, forest.predict_proba(X_test)[:, 1])
