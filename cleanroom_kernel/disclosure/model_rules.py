"""Model rules as data: which classes of scikit-learn may be fitted, by which rules they are judged, and in what words.

Promise: closed tables. A class that is not in `FAMILY` is never fitted; one whose family has no row in `RELEASED` is
never released, whatever its parameters.
"""

from __future__ import annotations

import enum


class Family(enum.Enum):
    """How a kind of estimator stores what it has learned."""

    LINEAR = "linear"  # coefficients
    TREES = "trees"  # thresholds, and a value per leaf
    BOOSTED = "boosted trees"  # the same, one tree on top of another
    BAYES = "naive Bayes"  # a mean and a variance per class and feature
    CONSTANT = "constant"  # one value or one share per class
    SCALER = "scaler"  # a mean and a standard deviation per feature
    IMPUTER = "imputer"  # a value per feature
    ENCODER = "encoder"  # the labels of each feature
    STATELESS = "stateless"  # nothing of the data
    SELECTOR = "selector"  # which features are kept
    COMPONENTS = "components"  # directions
    CLUSTERS = "clusters"  # centres
    COMPOSITE = "composite"  # its parts
    ROWS = "stores rows"
    VALUES = "stores single values"
    LARGE = "many parameters"
    ITERATIVE = "single steps"
    UNRULED = "no rule"


RELEASED = frozenset(
    {
        Family.LINEAR, Family.TREES, Family.BOOSTED, Family.BAYES, Family.CONSTANT, Family.SCALER, Family.IMPUTER,
        Family.ENCODER, Family.STATELESS, Family.SELECTOR, Family.COMPONENTS, Family.CLUSTERS, Family.COMPOSITE,
    }
)  # fmt: skip

# Of boosted trees that are released: each tree counts little, by a loss whose steps are means of residuals.
MOST_LEARNING_RATE = 0.3
LOSSES = frozenset({"log_loss", "squared_error"})

WHY_NOT: dict[Family, str] = {
    Family.ROWS: "{name} keeps rows of its training data. Use a linear model, a tree or a forest to release one.",
    Family.VALUES: "{name} keeps single patients' values, such as a smallest and a largest one. Use StandardScaler or "
    "bins of your own.",
    Family.LARGE: "{name} learns more numbers than the rules can vouch for. Use a linear model, a tree or a forest to "
    "release one.",
    Family.ITERATIVE: "{name} may depend on its last few rows. Use LogisticRegression, Ridge or LinearSVC to release a "
    "model.",
    Family.UNRULED: "The rule book has no rule yet by which {name} could be released.",
}


def _family(module: str, family: Family, names: str) -> dict[str, Family]:
    return {f"sklearn.{module}.{name}": family for name in names.split()}


FAMILY: dict[str, Family] = {
    **_family(
        "linear_model",
        Family.LINEAR,
        "LinearRegression Ridge RidgeCV Lasso LassoCV ElasticNet ElasticNetCV BayesianRidge ARDRegression "
        "LogisticRegression LogisticRegressionCV RidgeClassifier RidgeClassifierCV PoissonRegressor GammaRegressor "
        "TweedieRegressor",
    ),
    **_family("svm", Family.LINEAR, "LinearSVC LinearSVR"),
    **_family(
        "tree", Family.TREES, "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor"
    ),
    **_family(
        "ensemble",
        Family.TREES,
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor",
    ),
    **_family("naive_bayes", Family.BAYES, "GaussianNB"),
    **_family("dummy", Family.CONSTANT, "DummyClassifier DummyRegressor"),
    **_family("preprocessing", Family.SCALER, "StandardScaler"),
    **_family("impute", Family.IMPUTER, "SimpleImputer"),
    **_family("preprocessing", Family.ENCODER, "OneHotEncoder OrdinalEncoder"),
    **_family("preprocessing", Family.STATELESS, "Normalizer Binarizer PolynomialFeatures FunctionTransformer"),
    **_family("impute", Family.STATELESS, "MissingIndicator"),
    **_family("feature_selection", Family.SELECTOR, "VarianceThreshold SelectKBest RFE"),
    **_family("feature_selection", Family.UNRULED, "SelectPercentile SelectFromModel"),
    **_family("decomposition", Family.COMPONENTS, "PCA TruncatedSVD"),
    **_family("cluster", Family.CLUSTERS, "KMeans MiniBatchKMeans"),
    **_family("pipeline", Family.COMPOSITE, "Pipeline FeatureUnion"),
    **_family("compose", Family.COMPOSITE, "ColumnTransformer"),
    **_family("ensemble", Family.COMPOSITE, "VotingClassifier VotingRegressor StackingClassifier StackingRegressor"),
    **_family("calibration", Family.COMPOSITE, "CalibratedClassifierCV"),
    **_family("multiclass", Family.COMPOSITE, "OneVsRestClassifier"),
    **_family(
        "model_selection", Family.COMPOSITE, "GridSearchCV RandomizedSearchCV HalvingGridSearchCV HalvingRandomSearchCV"
    ),
    **_family(
        "neighbors",
        Family.ROWS,
        "KNeighborsClassifier KNeighborsRegressor RadiusNeighborsClassifier RadiusNeighborsRegressor "
        "LocalOutlierFactor",
    ),
    **_family("svm", Family.ROWS, "SVC SVR NuSVC NuSVR OneClassSVM"),
    **_family("gaussian_process", Family.ROWS, "GaussianProcessClassifier GaussianProcessRegressor"),
    **_family("kernel_ridge", Family.ROWS, "KernelRidge"),
    **_family("kernel_approximation", Family.ROWS, "Nystroem"),
    **_family("decomposition", Family.ROWS, "KernelPCA"),
    **_family("impute", Family.ROWS, "KNNImputer"),
    **_family(
        "preprocessing",
        Family.VALUES,
        "MinMaxScaler MaxAbsScaler RobustScaler KBinsDiscretizer QuantileTransformer SplineTransformer TargetEncoder",
    ),
    **_family("isotonic", Family.VALUES, "IsotonicRegression"),
    **_family(
        "ensemble",
        Family.BOOSTED,
        "GradientBoostingClassifier GradientBoostingRegressor HistGradientBoostingClassifier "
        "HistGradientBoostingRegressor",
    ),
    **_family(
        "ensemble",
        Family.LARGE,
        "AdaBoostClassifier AdaBoostRegressor BaggingClassifier BaggingRegressor IsolationForest",
    ),
    **_family("neural_network", Family.LARGE, "MLPClassifier MLPRegressor"),
    **_family(
        "linear_model",
        Family.ITERATIVE,
        "SGDClassifier SGDRegressor Perceptron PassiveAggressiveClassifier PassiveAggressiveRegressor",
    ),
    **_family(
        "linear_model",
        Family.UNRULED,
        "HuberRegressor QuantileRegressor TheilSenRegressor Lars LassoLars LassoLarsIC OrthogonalMatchingPursuit",
    ),
    **_family("discriminant_analysis", Family.UNRULED, "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"),
    **_family("naive_bayes", Family.UNRULED, "BernoulliNB CategoricalNB ComplementNB MultinomialNB"),
    **_family("neighbors", Family.UNRULED, "NearestCentroid"),
    **_family("decomposition", Family.UNRULED, "FactorAnalysis FastICA NMF IncrementalPCA"),
    **_family("cross_decomposition", Family.UNRULED, "PLSRegression"),
    **_family("preprocessing", Family.UNRULED, "PowerTransformer"),
}

# Attributes that say nothing of single patients: they follow from the code, or are labels that passed rule S7.
PLAIN_ATTRIBUTES = frozenset({"classes_", "n_features_in_", "feature_names_in_", "n_classes_", "n_outputs_"})
