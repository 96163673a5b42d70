"""statsmodels on rows of the room is compared with statsmodels on the same rows, through the real vault and gate."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from cleanroom_kernel.interpreter import hooks_statsmodels
from cleanroom_kernel.interpreter.errors import CleanRoomError, HandleError
from cleanroom_kernel.interpreter.handles import Column
from cleanroom_kernel.plan.models import Inspect

hooks_statsmodels.install()

FORMULAS = {
    "linear": (smf.ols, "cost ~ age + los", {}),
    "categories": (smf.ols, "cost ~ age + C(ward) + sex", {}),
    "transformed": (smf.ols, "np.log(cost) ~ np.log(los + 1) + I(age**2)", {}),
    "interaction": (smf.ols, "cost ~ age * ward", {}),
    "sum contrasts": (smf.ols, "cost ~ C(ward, Sum) + ill", {}),
    "a reference": (smf.ols, "cost ~ C(ward, Treatment('south')) + los", {}),
    "without intercept": (smf.ols, "cost ~ age + los - 1", {}),
    "missing values": (smf.ols, "cost ~ tests + age", {}),
    "logistic": (smf.logit, "readmitted ~ age + los + ill", {"disp": 0}),
    "logistic by category": (smf.logit, "readmitted ~ C(ward) + los", {"disp": 0}),
    "counts": (smf.poisson, "tests ~ age + ill", {"disp": 0}),
}


def both(world):
    return world.room["stays"], world.tables["stays"]


def same_fit(ours, theirs, *numbers):
    """Coefficients and what follows from them, to as many digits as the optimum of either is known."""
    assert list(ours.params.index) == list(theirs.params.index)
    for name in ("params", "bse", "tvalues", "pvalues"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=2e-5, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(ours.conf_int(), np.asarray(theirs.conf_int()), rtol=2e-5, atol=1e-6)
    assert ours.nobs == theirs.nobs
    for name in numbers:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-5, err_msg=name)


OF_SQUARES = ("rsquared", "rsquared_adj", "fvalue", "llf", "aic", "bic", "scale", "df_resid")
OF_LIKELIHOOD = ("llf", "llnull", "prsquared", "llr", "aic", "bic")


@pytest.mark.parametrize(("model", "formula", "options"), FORMULAS.values(), ids=FORMULAS.keys())
def test_a_formula_gives_what_statsmodels_gives(clinic, model, formula, options):
    handle, table = both(clinic)
    ours, theirs = model(formula, data=handle).fit(**options), model(formula, data=table).fit(**options)
    same_fit(ours, theirs, *(OF_SQUARES if model is smf.ols else OF_LIKELIHOOD))


GLMS = {
    "gaussian": ("cost ~ age + los", sm.families.Gaussian()),
    "binomial": ("readmitted ~ age + los", sm.families.Binomial()),
    "poisson": ("tests ~ age + ill", sm.families.Poisson()),
    "gamma": ("cost ~ age + los", sm.families.Gamma(link=sm.families.links.Log())),
}


@pytest.mark.parametrize(("formula", "family"), GLMS.values(), ids=GLMS.keys())
def test_a_glm_gives_what_statsmodels_gives(clinic, formula, family):
    handle, table = both(clinic)
    same_fit(smf.glm(formula, handle, family=family).fit(), smf.glm(formula, table, family=family).fit())
    ours, theirs = (smf.glm(formula, data, family=family).fit() for data in (handle, table))
    if type(family) is not sm.families.Gaussian:
        np.testing.assert_allclose(
            [ours.deviance, ours.pearson_chi2], [theirs.deviance, theirs.pearson_chi2], rtol=1e-5
        )


COLUMNS = {
    "OLS": lambda df: sm.OLS(df.cost, sm.add_constant(df[["age", "los"]])).fit(),
    "OLS without a constant": lambda df: sm.OLS(df.cost, df[["age", "los"]]).fit(),
    "OLS with missing values": lambda df: sm.OLS(df.cost, sm.add_constant(df[["tests", "los"]]), missing="drop").fit(),
    "Logit": lambda df: sm.Logit(df.readmitted, sm.add_constant(df[["age", "los"]])).fit(disp=0),
    "GLM": lambda df: sm.GLM(df.readmitted, sm.add_constant(df[["age"]]), family=sm.families.Binomial()).fit(),
    "one column": lambda df: sm.OLS(df.cost, sm.add_constant(df.age)).fit(),
    "constant last": lambda df: sm.OLS(df.cost, sm.add_constant(df[["age"]], prepend=False)).fit(),
}


@pytest.mark.parametrize("fit", COLUMNS.values(), ids=COLUMNS.keys())
def test_columns_give_what_statsmodels_gives(clinic, fit):
    ours, theirs = map(fit, both(clinic))
    same_fit(ours, theirs)


def test_clustered_errors_are_those_of_statsmodels(clinic):
    handle, table = both(clinic)
    options = {"cov_type": "cluster"}
    ours = smf.ols("cost ~ age + los", handle).fit(**options, cov_kwds={"groups": handle.pid})
    theirs = smf.ols("cost ~ age + los", table).fit(**options, cov_kwds={"groups": table.pid})
    same_fit(ours, theirs)
    with pytest.raises(HandleError, match="depend on each other"):
        smf.ols("cost ~ age", handle).fit(cov_type="HC3")


# -- what is shown ----------------------------------------------------------------------------------------------------
def test_the_summary_has_released_numbers_alone(clinic):
    handle, table = both(clinic)
    fit = smf.ols("cost ~ age + C(ward)", handle).fit()
    before = len(clinic.vault.questions)
    text = str(fit.summary())
    asked = clinic.vault.questions[before:]
    assert {question.attribute for question in asked} == {"coef_", "intercept_", "standard_errors_", "goodness_"}
    assert str(fit.summary()) == text
    assert len(clinic.vault.questions) == before + len(asked), "asked once"
    theirs = smf.ols("cost ~ age + C(ward)", table).fit()
    for name in ("C(ward)[T.south]", "R-squared:", "AIC:", f"{theirs.params['age']:.4f}", f"{theirs.bse['age']:.3f}"):
        assert name in text
    assert "rows of one patient" in text


def test_a_fit_asks_nothing_before_its_numbers_are_looked_at(clinic):
    handle, _ = both(clinic)
    fit = sm.OLS(handle.cost, sm.add_constant(handle[["los"]])).fit()
    asked = len(clinic.vault.questions)
    repr(fit), dir(fit), hasattr(fit, "nothing")
    assert not any(isinstance(question, Inspect) for question in clinic.vault.questions[asked:])


def test_fitted_values_and_residuals_stay_columns(clinic):
    handle, table = both(clinic)
    ours, theirs = (smf.ols("cost ~ age + los", data).fit() for data in (handle, table))
    assert isinstance(ours.resid, Column)
    assert isinstance(ours.fittedvalues, Column)
    np.testing.assert_allclose(ours.fittedvalues.mean(), theirs.fittedvalues.mean())
    np.testing.assert_allclose(ours.resid.std(), theirs.resid.std(), rtol=1e-5)
    logit = [sm.Logit(data.readmitted, sm.add_constant(data[["age"]])).fit(disp=0) for data in (handle, table)]
    np.testing.assert_allclose(logit[0].predict().mean(), logit[1].predict().mean(), rtol=1e-5)


REFUSED = {
    "influence": (lambda df: smf.ols("cost ~ age", df).fit().get_influence(), "single rows"),
    "covariance": (lambda df: smf.ols("cost ~ age", df).fit().cov_params(), "bse"),
    "analysis of variance": (lambda df: sm.stats.anova_lm(smf.ols("cost ~ ward", df).fit()), "smaller model"),
    "spline": (lambda df: smf.ols("cost ~ bs(age, 3)", df), "all rows"),
    "probit": (lambda df: smf.probit("readmitted ~ age", df), "logit"),
    "weights": (lambda df: sm.WLS(df.cost, df[["age"]], weights=df.los), "ols"),
    "another link": (
        lambda df: smf.glm("cost ~ age", df, family=sm.families.Gamma()), "link Log"
    ),
    "another family": (lambda df: smf.glm("tests ~ age", df, family=sm.families.Tweedie()), "Gaussian"),
    "penalised": (lambda df: smf.ols("cost ~ age", df).fit_regularized(), "Ridge"),
    "a list of numbers": (lambda df: sm.OLS(df.cost, np.ones(5)), "both"),
    "text as a target": (lambda df: smf.ols("outcome ~ age", df), "condition"),
}  # fmt: skip


@pytest.mark.parametrize(("ask", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_there_is_refused_with_what_is(clinic, ask, words):
    with pytest.raises(CleanRoomError, match=words):
        ask(clinic.room["stays"])


def test_an_unknown_name_is_pythons_own_error(clinic):
    with pytest.raises(NameError):
        smf.ols("cost ~ unheard_of", clinic.room["stays"])
    with pytest.raises(AttributeError, match="no attribute"):
        smf.ols("cost ~ age", clinic.room["stays"]).fit().unheard_of  # noqa: B018


def test_an_experts_own_table_goes_to_statsmodels(clinic):
    own = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "x": [0.0, 1.0, 2.0, 3.0]})
    assert type(smf.ols("y ~ x", own).fit()).__module__.startswith("statsmodels")
    assert list(sm.add_constant(own).columns) == ["const", "y", "x"]
    assert type(sm.OLS.from_formula("y ~ x", own).fit()).__module__.startswith("statsmodels")


def test_names_of_the_cell_are_found_however_often_the_hooks_are_installed(clinic):
    """statsmodels looks for them so many calls further up."""
    handle, table = both(clinic)
    wanted = smf.ols
    hooks_statsmodels.install()
    assert smf.ols is wanted
    twice = 2.0
    for data in (handle, table):
        assert "np.log(age * twice)" in smf.ols("cost ~ np.log(age * twice)", data).fit().params
        assert "np.log(age * twice)" in sm.OLS.from_formula("cost ~ np.log(age * twice)", data).fit().params
    assert twice == 2.0


# -- under a policy ---------------------------------------------------------------------------------------------------
def test_numbers_come_rounded_and_stay_close(guarded_clinic):
    handle, table = both(guarded_clinic)
    ours, theirs = (smf.ols("cost ~ age + los + C(ward)", data).fit() for data in (handle, table))
    np.testing.assert_allclose(ours.params, theirs.params, rtol=0.2, atol=3)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=0.05)
    assert ours.nobs % 5 == 0
    assert abs(ours.rsquared - theirs.rsquared) < 0.01


def test_a_coefficient_of_few_patients_hides_all_errors(guarded_clinic):
    handle, _ = both(guarded_clinic)
    few = handle.assign(rare=(handle.age == 40) & (handle.ward == "west") & handle.ill)
    fit = smf.ols("cost ~ age + los + I(rare.astype(int))", few).fit()
    assert fit.params.isna().tolist() == [False, False, False, True]
    assert fit.bse.isna().all()
    assert np.isnan(fit.rsquared)
    assert "Leave them out" in str(fit.summary())
