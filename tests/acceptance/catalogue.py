"""The published attacks on disclosure control, A01 to T08, and ours, N01 to N50, as cells that an expert would write.

Each is: what it tries, and its cells, of which the last one completes it. `df` holds the patients, one row each;
`visits` several rows of each; `target` is true of the one patient whose `hiv` is the secret. The attacker knows the
target's row (age 99, serial 1234, in zip 0331, named Zed) and everybody else's `hiv`.
"""

from __future__ import annotations

BEGIN = """
import warnings
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd
df, visits = room["patients"], room["visits"]
target = df.age == 99
features = ["age", "income"]
"""

Attack = tuple[str, list[str]]
OTHER = "# another expert of the room\n"

COUNTING: dict[str, Attack] = {
    "A01": ("the mean of one row", ["df[df.id == 71_234].hiv.mean()", "df[target].hiv.mean()"]),
    "A02": ("a product with an indicator", ["(target * df.hiv).mean() * len(df)"]),
    "A03": (
        "a filter by quasi-identifiers",
        ["df[(df.age == 99) & (df.sex == 'F') & (df.zip == '0331')].hiv.sum()"],
    ),
    "A04": ("all, and all but one place", ["df.hiv.sum()", "df[df.zip != '0331'].hiv.sum()"]),
    "A05": ("a cohort's complement", ["df.hiv.sum()", "df[~target].hiv.sum()"]),
    "A06": (
        "a general tracker",
        [
            "df[(df.sex == 'M') | target].hiv.sum()",
            "df.hiv.sum()",
            "df[(df.sex == 'M') | ~target].hiv.sum()",
        ],
    ),
    "A07": ("a zero cell", ["pd.crosstab(target, df.hiv)"]),
    "A08": ("a cell of all", ["df[(df.ward == 'C') & (df.hiv == 1) | target].groupby('ward').hiv.mean() == 1.0"]),
    "A09": ("margins less the visible cells", ["pd.crosstab(df.serial == 1234, df.hiv, margins=True)"]),
    "A10": (
        "a denial as an answer",
        ["pad = df.serial < 9", "df[pad | (target & (df.hiv == 1))].shape", "len(df[pad | (target & (df.hiv == 1))])"],
    ),
    "A11": ("a search by yes and no", ["bool((target & (df.income > 50_000)).any())"]),
    "A12": ("one patient twelve times", ["pd.concat([df[target]] * 12).hiv.mean()"]),
    "A13": ("a join that multiplies", ["df[target].merge(visits, on='id').hiv.mean()"]),
    "A14": ("rows repeated", ["df[target].loc[df[target].index.repeat(20)].hiv.mean()"]),
    "A15": ("another privacy unit", ["df.assign(id=range(len(df)))", "df[target].reset_index(drop=True).hiv.sum()"]),
    "A16": ("one patient's many visits", ["visits[visits.clinic == 'X'].cost.mean()"]),
    "A17": ("the shape", ["len(df[target & (df.hiv == 1)]), df[target & (df.hiv == 1)].empty"]),
    "A18": ("the truth", ["if (df[target].hiv > 0).any():\n    print('positive')"]),
    "A19": ("membership", ["71_234 in df[df.hiv == 1].id.values", "df[df.hiv == 1].id.isin([71_234]).any()"]),
    "A20": (
        "how many values are unique",
        ["df[target | (df.hiv == 0)].hiv.is_unique", "df[target].hiv.nunique()"],
    ),
    "A21": (
        "metadata of sizes",
        ["print(df[df.hiv == 1].memory_usage(deep=True))", "df[target & (df.hiv == 1)].info()"],
    ),
    "A24": ("days", ["df[target | (df.hiv == 1)].set_index('born').resample('D').size()"]),
}

MAGNITUDES: dict[str, Attack] = {
    "B01": ("one patient scaled up", ["(df.hiv * np.where(target, 1e9, 1)).sum()"]),
    "B02": ("a natural outlier", ["df.groupby('ward').billing.sum()"]),
    "B03": ("superincreasing weights", ["(df.hiv * 2.0 ** (df.serial - 1_200)).sum()"]),
    "B04": ("the same on an offset", ["(2.0 ** 40 + df.hiv * 2.0 ** (df.serial - 1_200)).sum()"]),
    "B05": ("low digits", ["(df.hiv.where(~target, 0) + 1e-6 * target * df.hiv).mean()"]),
    "B06": ("a power mean", ["((df.hiv.where(target, 0) * df.income / 1e6) ** 60).sum() ** (1 / 60)"]),
    "B07": (
        "extremes",
        [
            "df.hiv.where(target).max()",
            "df.hiv.where(target).idxmax()",
            "df[target].nlargest(1, 'hiv')",
            "df[target].hiv.describe()",
        ],
    ),
    "B08": ("a sweep of quantiles", ["df.hiv.where(target).quantile(np.linspace(0, 1, 50))"]),
    "B09": ("the median of a few", ["df[df.age >= 98].head(3).hiv.median()", "df[target].hiv.median()"]),
    "B10": ("the commonest", ["df[target].hiv.mode()", "df[target].hiv.value_counts().index[0]"]),
    "B11": ("the deviation of two", ["df[target | (df.serial == 3)].hiv.std()"]),
    "B12": ("power sums", [f"(df[target | (df.serial < 4)].hiv ** {power}).sum()" for power in range(1, 6)]),
    "B13": (
        "covariance with an indicator",
        ["np.cov(df.hiv, target)", "df.assign(t=target * 1.0)[['hiv', 't']].corr()"],
    ),
    "B14": (
        "covariance with known vectors",
        [f"df.assign(v=np.where(target, {scale}, df.serial % 7))[['hiv', 'v']].cov()" for scale in (1e3, 1e6)],
    ),
    "B15": (
        "sums over subsets by a hash of the number",
        ["df[df.id * 7919 % 101 < 50].hiv.sum()", "df[(df.serial == 1234) * 7919 % 101 >= 1].hiv.sum()"],
    ),
    "B16": ("seeded subsets", ["df[target].sample(frac=1.0, random_state=1).hiv.sum()"]),
    "B17": ("a null that the attacker makes", ["df.hiv.where(~(target & (df.hiv == 1))).isna().sum()"]),
    "B18": ("a poisoned value", ["(1 / df.hiv.where(target, 1.0)).sum()"]),
    "B19": ("an exception", ["df.hiv.where(df.hiv.eq(0) | ~target).astype(int).sum()"]),
    "B20": ("a type", ["df.hiv.where(~target | (df.hiv == 1)).dtype"]),
    "B21": ("dates", ["df.born.where(target).min()", "(df.born - df.born.min()).dt.days.where(target).sum()"]),
    "B22": ("labels as data", ["df[target | (df.hiv == 1)].groupby('name').size().index"]),
    "B23": ("joined labels", ["(df.name + df.hiv.astype(str)).value_counts()"]),
    "B24": (
        "columns as data",
        ["pd.get_dummies(df[df.hiv == 1].name).columns", "df.pivot_table('hiv', columns='name')"],
    ),
    "B25": ("labels of intervals", ["pd.qcut(df.income.where(target & (df.hiv == 1)), 100).cat.categories"]),
    "B26": ("codes", ["df[df.hiv == 1].name.factorize()[1]", "df[df.hiv == 1].name.astype('category').cat.categories"]),
    "B27": ("edges of a histogram", ["np.histogram(df[target].hiv, bins=50)"]),
    "B28": ("a function", ["df.groupby('sex').hiv.agg(lambda rows: sum(2 ** i * v for i, v in enumerate(rows)))"]),
    "B29": ("an expression as text", ["df.query('@df.hiv.__class__')", "df.eval('hiv.__class__')"]),
    "B30": ("a broadcast", ["df.assign(z=df[target].hiv.sum()).z.mean()"]),
    "B31": ("a shift", ["df.hiv.shift(1)[df.serial == 1235].mean()"]),
    "B32": ("a transform", ["df.hiv.where(target).groupby(df.hiv * 0).transform('sum').mean()"]),
    "B33": ("filling up", ["df.hiv.where(target).ffill().bfill().mean()"]),
    "B34": (
        "running sums, ranks, windows",
        [
            "df.sort_values('age').hiv.cumsum().tail(1).mean()",
            "df.hiv.where(target).rank().mean()",
            "df.hiv.rolling(2).mean().max()",
        ],
    ),
    "B35": ("positions", ["df.iloc[[1234]].hiv.sum()", "df.sort_values('age').tail(1).hiv.sum()"]),
    "B36": (
        "a public map of identifiers",
        ["df.id.map({71_234: 1}).fillna(0)", "df.serial.map({1234: 1}).mul(df.hiv).sum()"],
    ),
    "B37": ("a list of names to join", ["df.merge(pd.DataFrame({'name': ['Zed'], 'mine': [1]}), on='name').hiv.sum()"]),
    "B38": (
        "a parameter as a channel",
        ["from sklearn.linear_model import Ridge", "Ridge(alpha=df[target].hiv.sum()).get_params()"],
    ),
    "B39": ("what a handle says of itself", ["print(repr(df[df.hiv == 1]), df[target & (df.hiv == 1)]._repr_html_())"]),
    "B40": ("pixels", ["import matplotlib; matplotlib.use('agg')", "df[target].plot.scatter('age', 'hiv')"]),
    "B41": (
        "writers",
        ["df[target].to_csv('/tmp/target.csv')", "import joblib; joblib.dump(df[target].hiv, '/tmp/target')"],
    ),
}

_TREE = "from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor"
_LINEAR = "from sklearn.linear_model import LinearRegression, LogisticRegression, SGDRegressor, Perceptron"
_WITH = "x = df.assign(t={})[['age', 't']]"


def _shown(model: str, what: str = "coef_", x: str = "df[features]", y: str = ", df.hiv") -> str:
    return f"fitted = {model}.fit({x}{y})\nprint(fitted.{what})"


def _released(model: str, x: str = "df[features]", y: str = ", df.hiv") -> str:
    return f"room.release({model}.fit({x}{y}), 'model.skops')"


MODELS: dict[str, Attack] = {
    "M01": (
        "an indicator in a regression",
        [_LINEAR, _WITH.format("target * 1.0"), _shown("LinearRegression()", x="x")],
    ),
    "M02": (
        "the same, disturbed",
        [_WITH.format("target * 1.0 + 1e-9 * (df.serial % 7)"), _shown("LinearRegression()", x="x")],
    ),
    "M03": (
        "a rare category",
        [_shown("LinearRegression()", x="pd.get_dummies(df[['age', 'sex']].assign(old=target))")],
    ),
    "M04": ("a spike", [_WITH.format("np.where(target, 1e6, df.serial % 5)"), _shown("LinearRegression()", x="x")]),
    "M05": (
        "interpolation",
        [
            "from sklearn.preprocessing import PolynomialFeatures",
            "from sklearn.pipeline import make_pipeline",
            _released(
                "make_pipeline(PolynomialFeatures(8), LinearRegression())",
                x="df[df.serial.between(1220, 1250)][features]",
                y=", df[df.serial.between(1220, 1250)].hiv",
            ),
        ],
    ),
    "M06": (
        "two fits, with and without",
        [
            _shown("LinearRegression()", x="df[['cost']]"),
            "rest = df[~target]",
            _shown("LinearRegression()", x="rest[['cost']]", y=", rest.hiv"),
        ],
    ),
    "M07": (
        "the sign of an indicator's coefficient",
        [_WITH.format("target * 1.0"), _shown("LogisticRegression()", x="x")],
    ),
    "M08": ("leaves of one row", [_TREE, _released("DecisionTreeRegressor()")]),
    "M09": (
        "small weights in a tree",
        [
            "w = np.where(target, 1.0, 1e-9)",
            "t = DecisionTreeRegressor(min_samples_leaf=500)\n"
            "room.release(t.fit(df[features], df.hiv, sample_weight=w), 't.skops')",
        ],
    ),
    "M10": (
        "weights of nothing",
        ["w = target * 1.0", "print(LinearRegression().fit(df[features], df.hiv, sample_weight=w).intercept_)"],
    ),
    "M11": (
        "a weight for a class of one",
        [_shown("LogisticRegression(class_weight={0: 1e-12, 1: 1})", y=", target * df.hiv")],
    ),
    "M12": (
        "a forest as equations",
        [
            "from sklearn.ensemble import RandomForestClassifier, GradientBoostingClassifier",
            _released("RandomForestClassifier(300, min_samples_leaf=5, random_state=0)", x="df[['serial', 'income']]"),
        ],
    ),
    "M13": ("a known bootstrap", [_released("RandomForestClassifier(5, random_state=42)", x="df[['serial']]")]),
    "M14": ("boosted leaves of one row", [_released("GradientBoostingClassifier(max_depth=8)", x="df[['serial']]")]),
    "M15": (
        "boundaries of bins",
        [
            "from sklearn.ensemble import HistGradientBoostingClassifier",
            _shown(
                "HistGradientBoostingClassifier(max_iter=5)",
                "_bin_mapper.bin_thresholds_",
                x="df[['hiv', 'age']].where(target)",
            ),
        ],
    ),
    "M16": (
        "thresholds of a tree",
        [
            _shown(
                "DecisionTreeClassifier(max_depth=1)",
                "tree_.threshold",
                x="df[['hiv', 'age']].where(target, 0)",
                y=", target * 1",
            )
        ],
    ),
    "M17": (
        "models that keep rows",
        [
            "from sklearn.svm import SVC",
            "from sklearn.neighbors import KNeighborsClassifier",
            _shown("SVC()", "support_vectors_"),
            _released("KNeighborsClassifier()"),
        ],
    ),
    "M18": (
        "imputers",
        ["from sklearn.impute import KNNImputer", _shown("KNNImputer()", "_fit_X", x="df[['hiv', 'age']]", y="")],
    ),
    "M19": (
        "a nearest neighbour, asked",
        [
            "one = KNeighborsClassifier(1).fit(df[['serial']], df.hiv)",
            "print(one.predict(pd.DataFrame({'serial': [1234]})))",
        ],
    ),
    "M20": (
        "a large model, probed",
        [
            "big = RandomForestClassifier(100, random_state=0).fit(df[['serial']], df.hiv)",
            "print(big.predict_proba(pd.DataFrame({'serial': [1234]})))",
        ],
    ),
    "M21": (
        "a vocabulary",
        [
            "from sklearn.feature_extraction.text import CountVectorizer",
            "print(CountVectorizer().fit(df[df.hiv == 1].note).vocabulary_)",
        ],
    ),
    "M22": (
        "categories",
        [
            "from sklearn.preprocessing import *",
            _shown("OneHotEncoder()", "categories_", x="df[df.hiv == 1][['name']]", y=""),
        ],
    ),
    "M23": ("an encoded target", [_shown("TargetEncoder(smooth=1e-9)", "encodings_", x="df[['zip']]")]),
    "M24": ("knots", [_shown("KBinsDiscretizer(20)", "bin_edges_", x="df[['hiv']].where(target)", y="")]),
    "M25": ("scalers", [_shown("MinMaxScaler()", "data_max_", x="df[['hiv']].where(target, 0)", y="")]),
    "M26": ("a weighted scaler", ["print(StandardScaler().fit(df[['hiv']], sample_weight=target * 1.0).mean_)"]),
    "M27": (
        "components of a scaled indicator",
        [
            "from sklearn.decomposition import PCA, NMF",
            _shown("PCA(2)", "components_", x="df.assign(t=1e9 * target)[['hiv', 't']]", y=""),
        ],
    ),
    "M28": (
        "too many factors",
        [_shown("NMF(2, max_iter=20)", "components_", x="df[target | (df.serial < 3)][['hiv', 'age']]", y="")],
    ),
    "M29": (
        "clusters of one",
        ["from sklearn.cluster import *", _shown("KMeans(50)", "cluster_centers_", x="df[['hiv', 'serial']]", y="")],
    ),
    "M30": (
        "thin mixtures",
        [
            "from sklearn.mixture import GaussianMixture",
            _shown("GaussianMixture(50, reg_covar=1e-9)", "means_", x="df[['hiv', 'serial']]", y=""),
        ],
    ),
    "M31": ("exemplars", [_shown("Birch()", "subcluster_centers_", x="df[['hiv', 'serial']]", y="")]),
    "M32": (
        "outputs of rows",
        [
            _shown("KMeans(2)", "labels_", x="df[['hiv', 'age']]", y=""),
            "print(fitted.predict(df[target][['hiv', 'age']]))",
        ],
    ),
    "M33": (
        "an isotonic calibration",
        [
            "from sklearn.isotonic import IsotonicRegression",
            _shown("IsotonicRegression()", "X_thresholds_", x="df[['hiv']].where(target, 0)", y=", target * 1"),
        ],
    ),
    "M34": (
        "models of outliers",
        [
            "from sklearn.neighbors import LocalOutlierFactor",
            _shown("LocalOutlierFactor()", "negative_outlier_factor_", x="df[['hiv', 'age']]", y=""),
        ],
    ),
    "M35": (
        "a class of one",
        [
            "from sklearn.naive_bayes import GaussianNB",
            _shown("GaussianNB()", "theta_", x="df[['hiv', 'age']]", y=", target * 1"),
        ],
    ),
    "M36": (
        "one step",
        [_shown("SGDRegressor(max_iter=1, shuffle=False)", x="df[target][features]", y=", df[target].hiv")],
    ),
    "M37": (
        "the difference of a partial fit",
        [
            _LINEAR,
            "m = SGDRegressor().fit(df[['cost']], df.hiv)",
            "print(m.partial_fit(df[target][['cost']], df[target].hiv).coef_)",
        ],
    ),
    "M38": (
        "a warm start",
        [
            "m = LogisticRegression(warm_start=True).fit(df[~target][['cost']], df[~target].hiv)",
            "print(m.fit(df[target][['cost']], df[target].hiv).coef_)",
        ],
    ),
    "M39": (
        "a large network",
        ["from sklearn.neural_network import MLPClassifier", _released("MLPClassifier((500,), max_iter=2)")],
    ),
    "M40": (
        "masks of rows",
        ["from sklearn.linear_model import HuberRegressor, RidgeCV, Ridge", _shown("HuberRegressor()", "outliers_")],
    ),
    "M41": ("stores of cross-validation", [_shown("RidgeCV(store_cv_results=True)", "cv_results_")]),
    "M42": (
        "scores of rows",
        ["from sklearn.cross_decomposition import PLSRegression", _shown("PLSRegression(1)", "_x_scores")],
    ),
    "M43": (
        "a metric of one row",
        ["from sklearn.metrics import *", "accuracy_score(df[target].hiv, np.ones_like(df[target].hiv))"],
    ),
    "M44": ("a weighted metric", ["mean_squared_error(df.hiv, np.zeros_like(df.hiv), sample_weight=target * 1.0)"]),
    "M45": (
        "positional metrics",
        [
            "max_error(df.hiv.where(target, 0), np.zeros_like(df.hiv))",
            "median_absolute_error(df[target].hiv, np.zeros_like(df[target].hiv))",
        ],
    ),
    "M46": ("thresholds of a curve", ["roc_curve(df.sex == 'F', df.income.where(target, 0))"]),
    "M47": ("one positive", ["roc_auc_score(target * 1, df.hiv)"]),
    "M48": (
        "folds of one",
        [
            "from sklearn.model_selection import GridSearchCV, LeaveOneOut, PredefinedSplit\n"
            "from sklearn.model_selection import cross_val_score, learning_curve",
            "print(cross_val_score(LogisticRegression(), df[features], df.hiv, cv=LeaveOneOut()))",
        ],
    ),
    "M49": (
        "chosen validation rows",
        [
            "folds = PredefinedSplit(np.where(target, 0, -1))\n"
            "g = GridSearchCV(LogisticRegression(), {'C': [1e-9, 1e9]}, cv=folds)\n"
            "print(g.fit(df[features], df.hiv).best_params_)"
        ],
    ),
    "M50": (
        "a search over constants",
        [
            "from sklearn.dummy import DummyClassifier",
            "g = GridSearchCV(DummyClassifier(strategy='constant'), {'constant': [0, 1]}, cv=2)",
            "print(g.fit(df[target][features], df[target].hiv).best_params_)",
        ],
    ),
    "M51": (
        "many results of a search",
        [
            "g = GridSearchCV(Ridge(), {'alpha': list(np.linspace(0, 1, 10_000))})",
            "print(g.fit(df[target][features], df[target].hiv).cv_results_)",
        ],
    ),
    "M52": (
        "functions",
        [
            "g = GridSearchCV(Ridge(), {'alpha': [1]}, scoring=lambda m, x, y: y.sum())",
            "print(g.fit(df[features], df.hiv).best_score_)",
            "FunctionTransformer(print).fit_transform(df[['hiv']])",
        ],
    ),
    "M53": (
        "starting values",
        ["KMeans(2, init=df[['hiv', 'age']].head(2), max_iter=1).fit(df[['hiv', 'age']]).cluster_centers_"],
    ),
    "M54": ("names", ["print(OneHotEncoder().fit(df[df.hiv == 1][['name']]).get_feature_names_out())"]),
    "M55": (
        "selected columns",
        [
            "from sklearn.feature_selection import SelectKBest",
            _shown(
                "SelectKBest(k=1)",
                "get_support()",
                x="df.assign(a=target * df.hiv, b=target * (1 - df.hiv))[['a', 'b']]",
                y=", target * 1",
            ),
        ],
    ),
    "M56": (
        "traces of training",
        [
            _shown("LogisticRegression()", "n_iter_", x="df.assign(t=1e6 * target * df.hiv)[['t']]"),
            _shown("MLPClassifier((4,), max_iter=2)", "loss_curve_", x="df[target][features]", y=", df[target].hiv"),
        ],
    ),
    "M57": (
        "curves of individuals",
        [
            "from sklearn.inspection import partial_dependence",
            "m = LogisticRegression().fit(df[features], df.hiv)",
            "print(partial_dependence(m, df[target][features], [0], kind='individual'))",
        ],
    ),
    "M58": ("learning curves", ["print(learning_curve(LogisticRegression(), df[features], df.hiv, train_sizes=[1]))"]),
    "M59": (
        "a class of one's own",
        [
            "class Mine(LogisticRegression):\n    def __reduce__(self):\n        return print, (1,)",
            "Mine().fit(df[features], df.hiv)",
        ],
    ),
    "M60": (
        "a rare token",
        ["print(make_pipeline(CountVectorizer(), LogisticRegression()).fit(df[['note']], df.hiv)[-1].coef_)"],
    ),
    "M61": (
        "membership of a model",
        [_released("DecisionTreeClassifier(max_depth=30)", x="df[['serial']]", y=", target * df.hiv")],
    ),
    "M62": (
        "steps of survival",
        [
            "from lifelines import KaplanMeierFitter\n"
            "print(KaplanMeierFitter().fit(df[target].age, df[target].hiv).survival_function_)"
        ],
    ),
    "M63": (
        "weights by person",
        [
            _shown(
                "DecisionTreeClassifier(class_weight={i: 1.0 * (i == 1234) for i in range(2000)}, max_depth=2)",
                "tree_.value",
                x="df[['hiv']]",
                y=", df.serial",
            )
        ],
    ),
    "M64": (
        "bins of a calibration",
        [
            "from sklearn.calibration import calibration_curve",
            "calibration_curve(df.hiv, df.serial / 2_000, n_bins=2_000)",
        ],
    ),
}

SIDES: dict[str, Attack] = {
    "T03": (
        "the text of an error",
        ["df[target].hiv.astype(str).astype('datetime64[ns]').min()", "df.loc[df.hiv == 1].loc[1234]"],
    ),
    "T04": (
        "warnings and progress",
        [
            "import warnings; warnings.simplefilter('always')",
            "np.log(df.hiv.where(target, 1)).mean()",
            _shown("LogisticRegression(max_iter=1)", x="df.assign(t=target * df.hiv)[['t', 'age']]"),
        ],
    ),
    "T05": (
        "numbers of handles",
        ["[id(part) > 0 for part in (df[df.hiv == 1], df[target])]", "df[df.hiv == 1]._plan"],
    ),
    "T07": (
        "how many cells are suppressed, in which order",
        [
            "df[target | (df.serial < 9)].groupby(['ward', 'hiv']).size()",
            "df[df.hiv == 1].groupby('zip').size().sort_values()",
        ],
    ),
    "T08": ("repeating", ["(df.hiv * 1.7 ** (df.age / 50)).sum()"] * 2),
}

# Aimed at this design: its handles, twins, forms, audits, models, requests and messages.
OWN: dict[str, Attack] = {
    "N01": ("a mean of all but one", ["df.hiv.mean()", "df[df.age < 99].hiv.mean()"]),
    "N02": (
        "a tracker in other orders of the rows",
        [
            "df[(df.sex == 'F') | target].sort_values('cost').hiv.sum()",
            "df[(df.sex == 'M') | target].groupby('id').hiv.sum().sum()",
            "df.hiv.sum()",
        ],
    ),
    "N03": (
        "a condition inside a measure",
        ["np.where(df.age > 60, df.hiv, 0).sum()", "np.where((df.age > 60) & (df.age < 99), df.hiv, 0).sum()"],
    ),
    "N04": ("a row twice", ["df.hiv.sum()", "pd.concat([df, df[target]]).hiv.sum()"]),
    "N05": ("an indicator by arithmetic", ["((df.age.clip(98, 99) - 98) * df.hiv).sum()"]),
    "N06": ("an indicator by a power", ["((df.age / 99) ** 5_000 * df.hiv).sum()"]),
    "N07": ("an indicator by rounding", ["((df.age / 99).floordiv(1) * df.hiv).sum()"]),
    "N08": (
        "an indicator by a text",
        ["((df.name == 'Zed') * df.hiv).sum()", "(df.name.str.startswith('Z') * df.hiv).sum()"],
    ),
    "N09": ("a label of one", ["df.groupby(np.where(target, df.hiv.astype(str), 'other')).size()"]),
    "N10": ("groups of one", ["df.groupby('serial').hiv.mean()"]),
    "N11": ("the last row of an order", ["df.sort_values('age').tail(1).hiv.sum()"]),
    "N12": ("the highest value", ["df[target | (df.sex == 'M')].hiv.where(target).max()"]),
    "N13": ("an infinite value", ["df.assign(z=1 / (df.hiv - 1).where(target, 1)).z.replace(np.inf, np.nan).count()"]),
    "N14": (
        "the score of a constant",
        ["df.hiv.mean()", "rest = df[~target]", "accuracy_score(rest.hiv, np.ones_like(rest.hiv))"],
    ),
    "N15": (
        "two models of other features",
        [
            _shown("LinearRegression()", x="df[['billing']]"),
            "rest = df[~target]",
            _shown("LinearRegression()", x="rest[['income']].abs()", y=", rest.hiv"),
        ],
    ),
    "N16": ("a tree of row numbers", [_released("DecisionTreeClassifier(random_state=0)", x="df[['serial']]")]),
    "N17": ("SQL", ["room.sql('SELECT SUM(hiv) AS n FROM patients WHERE age = 99')"]),
    "N18": (
        "SQL, all but one",
        ["df.hiv.sum()", "room.sql('SELECT SUM(hiv) AS n FROM patients WHERE age < 99').n[0]"],
    ),
    "N19": (
        "SQL with a label of one",
        ['room.sql("SELECT CASE WHEN age = 99 THEN hiv ELSE 2 END AS g, COUNT(*) AS n FROM patients GROUP BY g")'],
    ),
    "N20": ("rows as an array", ["np.asarray(df.hiv)"]),
    "N21": ("rows, printed", ["print(df[target].hiv.tolist())"]),
    "N22": ("a function with an effect", ["df.hiv.map(lambda value: print(value) or value).where(target).sum()"]),
    "N23": ("a function that fails for one", ["df.hiv.where(target, 2).map(lambda value: 1 / value).sum()"]),
    "N24": (
        "asking whether it would be released",
        [
            "print(room.would_release(df[target].hiv.sum))",
            "print(room.would_release(df[target & (df.hiv == 1)].hiv.sum))",
        ],
    ),
    "N25": ("a histogram of one", ["np.histogram(df[target].hiv, bins=2, range=(0, 1))"]),
    "N26": ("a crosstab with one", ["pd.crosstab(target, df.hiv)"]),
    "N27": (
        "per patient, a sum of many visits",
        ["totals = visits.groupby('id').cost.sum()", "totals[totals > 40_000].count()"],
    ),
    "N28": (
        "per patient, then the largest",
        ["visits.groupby('id').cost.sum().max()", "visits.groupby('id').size().nlargest(1)"],
    ),
    "N29": (
        "per patient, a group of the secret",
        ["visits.groupby('id').cost.mean().groupby(visits.groupby('id').cost.first()).size()"],
    ),
    "N30": (
        "a join to one patient's visits",
        ["visits.merge(df[target & (df.hiv == 1)], on='id').clinic.value_counts()"],
    ),
    "N31": (
        "a join that keeps who matches",
        ["visits.merge(df[~target | (df.hiv == 1)], on='id')[lambda f: f.clinic == 'X'].shape"],
    ),
    "N32": (
        "predictions as a column",
        [
            "m = DecisionTreeClassifier(random_state=0).fit(df[['serial']], df.hiv)",
            "p = pd.Series(m.predict(df[['serial']]))\np.where(target).sum()",
        ],
    ),
    "N33": (
        "a filter by a prediction",
        [
            "df[m.predict(df[['serial']]) == 1].age.quantile(0.999)",
            "len(df[target & (m.predict(df[['serial']]) == 1)])",
        ],
    ),
    "N34": ("the score of a model on one", ["m.score(df[target][['serial']], df[target].hiv)"]),
    "N35": (
        "importances of a crafted column",
        [
            "m = DecisionTreeClassifier(max_depth=2, random_state=0)",
            "m.fit(df.assign(t=target * df.hiv)[['t', 'age']], df.hiv)",
            "print(m.feature_importances_)",
        ],
    ),
    "N36": ("the receipts", ["str(room.receipts[-1:])[:0], len(df[target & (df.hiv == 1)])"]),
    "N37": (
        "the budget",
        ["before = str(room.policy())", "len(df[target & (df.hiv == 1)])", "str(room.policy()) == before"],
    ),
    "N38": ("the twin", ["print(df[target & (df.hiv == 1)].head(3))"]),
    "N39": ("the twin's size", ["print(len(df[df.hiv == 1].head(1_000)), df[target].sample(5, random_state=1))"]),
    "N40": (
        "words of an error of the vault",
        [
            "df.hiv.where(target).astype('category').cat.codes.sum()",
            "pd.to_datetime(df[target].hiv.astype(str), format='%Y').dt.year.mean()",
        ],
    ),
    "N41": ("weights by rows", ["(visits[visits.clinic == 'X'].merge(df, on='id').hiv * 1.0).sum()"]),
    "N42": (
        "a table filled up to the border",
        ["df[(df.serial < 9) | (target & (df.hiv == 1))].groupby('sex').size()"],
    ),
    "N43": ("a query as text", ["df.query('age == 99').hiv.sum()", "df.query('age == 99 and hiv == 1').shape"]),
    "N44": ("an aggregate over aggregates", ["df.groupby('name').hiv.mean().where(lambda s: s.index == 'Zed').sum()"]),
    "N45": (
        "an asked owner, unanswered",
        ["print(room.request_release(lambda: df[target].hiv.sum(), 'please') is not None)"],
    ),
    "N46": (
        "an unlisted attribute of a handle",
        ["[name for name in dir(df[target & (df.hiv == 1)]) if name.startswith('_value')]"],
    ),
    "N47": ("files of the interpreter", ["import os; sorted(os.listdir('/'))[:0], os.path.exists('patients.csv')"]),
    "N48": ("the vault, by its socket", ["import socket; socket.create_connection(('127.0.0.1', 1), 1)"]),
    "N49": (
        "two experts, one half each",
        ["df[df.age > 50].hiv.sum()", f"{OTHER}df[(df.age > 50) & (df.age < 99)].hiv.sum()"],
    ),
    "N50": (
        "two experts, a tracker",
        [
            "df[(df.ward < 'E') | target].hiv.sum()",
            f"{OTHER}df[(df.ward >= 'E') | target].hiv.sum()",
            f"{OTHER}df.hiv.sum()",
        ],
    ),
}

CATALOGUE = COUNTING | MAGNITUDES | MODELS | SIDES | OWN

ELSEWHERE = {
    "A22": "two versions of a table: `unit/disclosure/test_ledger.py`",
    "A23": "two experts: `attacks/test_counting.py::test_a23_two_vaults_share_one_ledger`",
    "T01": "how long an answer takes is not hidden ([threat model](../threat-model.md))",
    "T02": "nor that it needed much memory",
    "T06": "nor that another session is at work",
}
