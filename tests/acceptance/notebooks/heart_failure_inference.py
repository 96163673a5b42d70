# %% [markdown]
# The same 299 patients with heart failure, as a statistician looks at them: odds ratios, a linear model, likelihoods.

# %%
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

df = pd.read_csv("heart_failure_clinical_records.csv")
df = df.rename(columns={"DEATH_EVENT": "died", "time": "days"})
answers = {}

# %%
logit = smf.logit("died ~ age + ejection_fraction + np.log(serum_creatinine) + C(sex)", data=df).fit(disp=0)
answers["odds ratios"] = np.exp(logit.params)
answers["odds intervals"] = np.exp(logit.conf_int())
answers["p"] = logit.pvalues
answers["likelihood"] = [logit.llf, logit.llnull, logit.prsquared, logit.aic, logit.bic]
answers["n"] = float(logit.nobs)
text = str(logit.summary())
answers["names"] = [name in text for name in ("ejection_fraction", "C(sex)[T.1]", "Log-Likelihood", "std err")]

# %%
X = sm.add_constant(df[["age", "ejection_fraction", "serum_sodium"]])
linear = sm.OLS(df["serum_creatinine"], X).fit()
answers["coefficients"] = linear.params
answers["errors"] = linear.bse
answers["fit"] = [linear.rsquared, linear.rsquared_adj, linear.fvalue]
answers["residuals"] = [float(linear.resid.std()), float(linear.fittedvalues.mean())]

# %%
risk = logit.predict()
df["high_ef"] = df["ejection_fraction"] >= 40
interaction = smf.ols("days ~ age * high_ef", data=df).fit()
answers["interaction"] = interaction.params
counts = smf.glm("died ~ age", data=df, family=sm.families.Binomial()).fit()
answers["deviance"] = [counts.deviance, counts.pearson_chi2]
answers["residual freedom"] = counts.df_resid
