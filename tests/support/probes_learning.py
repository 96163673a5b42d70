"""Probes of what takes rows in scikit-learn: forms over a room in which models are fitted (see probes.py).

`X`, `y` are rows of numbers and a class; `X_test`, `y_test` others of the same; `df` is the table that they come from.
"""

from __future__ import annotations

Forms = tuple[str, ...]

_LOGISTIC = "LogisticRegression(max_iter=500).fit(X, y)"
_FOREST = "RandomForestClassifier(5, random_state=0).fit(X, y)"
_SEARCH = "GridSearchCV(LogisticRegression(), {'C': [0.1, 1]}, cv=3).fit(X, y)"
_SCORE = "model.predict_proba(X_test)[:, 1]"

_WITH_TARGET = (
    "linear_model.LogisticRegression",
    "ensemble.RandomForestClassifier",
    "tree.DecisionTreeClassifier",
    "neighbors.KNeighborsClassifier",
    "ensemble.GradientBoostingClassifier",
    "naive_bayes.GaussianNB",
    "svm.SVC",
    "ensemble.AdaBoostClassifier",
    "ensemble.HistGradientBoostingClassifier",
    "ensemble.RandomForestRegressor",
    "linear_model.SGDClassifier",
    "calibration.CalibratedClassifierCV",
    "neighbors.NearestCentroid",
    "tree.DecisionTreeRegressor",
    "linear_model.LinearRegression",
    "linear_model.RidgeClassifier",
)
_TRANSFORMERS = (
    "preprocessing.StandardScaler",
    "preprocessing.MinMaxScaler",
    "impute.SimpleImputer",
    "preprocessing.Binarizer",
    "preprocessing.KBinsDiscretizer",
    "preprocessing.PolynomialFeatures",
    "preprocessing.PowerTransformer",
    "preprocessing.FunctionTransformer",
)
_PREDICTED = {
    "accuracy_score": "",
    "confusion_matrix": "",
    "classification_report": "",
    "precision_score": "",
    "recall_score": "",
    "f1_score": "",
    "balanced_accuracy_score": "",
    "matthews_corrcoef": "",
    "cohen_kappa_score": "",
    "fbeta_score": ", beta=2",
    "mean_squared_error": "",
    "mean_absolute_error": "",
    "r2_score": "",
}
_SCORED = ("roc_auc_score", "roc_curve", "precision_recall_curve", "average_precision_score", "brier_score_loss")
_SPLITTERS = {
    "StratifiedKFold": "(3)",
    "KFold": "(3)",
    "RepeatedStratifiedKFold": "(n_splits=2, n_repeats=2)",
    "StratifiedShuffleSplit": "(2)",
    "ShuffleSplit": "(2)",
}


def _class(path: str) -> str:
    return path.rpartition(".")[2]


LEARNING: dict[str, Forms] = {
    "sklearn estimator.fit": (_LOGISTIC, _FOREST, "StandardScaler().fit(X)", "KMeans(3, n_init=1).fit(X)", _SEARCH),
    "sklearn estimator.predict": (f"{_LOGISTIC}.predict(X_test)", f"{_FOREST}.predict(X_test)"),
    "sklearn estimator.predict_proba": (f"{_LOGISTIC}.predict_proba(X_test)", f"{_FOREST}.predict_proba(X_test)[:, 1]"),
    "sklearn estimator.predict_log_proba": (f"{_LOGISTIC}.predict_log_proba(X_test)",),
    "sklearn estimator.decision_function": (f"{_LOGISTIC}.decision_function(X_test)",),
    "sklearn estimator.fit_transform": (
        "StandardScaler().fit_transform(X)",
        "PCA(2).fit_transform(X)",
        "LabelEncoder().fit_transform(df.outcome)",
    ),
    "sklearn estimator.transform": ("StandardScaler().fit(X).transform(X_test)",),
    "sklearn estimator.inverse_transform": ("StandardScaler().fit(X).inverse_transform(X)",),
    "sklearn estimator.fit_predict": ("KMeans(3, n_init=1).fit_predict(X)",),
    "sklearn estimator.score": (f"{_LOGISTIC}.score(X_test, y_test)",),
    "sklearn estimator.feature_importances_ (attr)": (f"{_FOREST}.feature_importances_",),
    "sklearn estimator.coef_ (attr)": (f"{_LOGISTIC}.coef_",),
    "sklearn estimator.best_params_ (attr)": (f"{_SEARCH}.best_params_",),
    "sklearn estimator.best_estimator_ (attr)": (f"{_SEARCH}.best_estimator_.predict(X_test)",),
    "sklearn estimator.best_score_ (attr)": (f"{_SEARCH}.best_score_",),
    "sklearn estimator.cv_results_ (attr)": (f"{_SEARCH}.cv_results_['mean_test_score']",),
    "sklearn estimator.explained_variance_ratio_ (attr)": ("PCA(2).fit(X).explained_variance_ratio_",),
    "sklearn estimator.components_ (attr)": ("PCA(2).fit(X).components_",),
    "sklearn estimator.get_feature_names_out": ("StandardScaler().fit(X).get_feature_names_out()",),
    "sklearn estimator.classes_ (attr)": (f"{_LOGISTIC}.classes_",),
    "sklearn estimator.inertia_ (attr)": ("KMeans(3, n_init=1).fit(X).inertia_",),
    "sklearn estimator.cluster_centers_ (attr)": ("KMeans(3, n_init=1).fit(X).cluster_centers_",),
    "sklearn estimator.labels_ (attr)": ("KMeans(3, n_init=1).fit(X).labels_",),
    "sklearn estimator.scores_ (attr)": ("SelectKBest(k=2).fit(X, y).scores_",),
    "sklearn estimator.feature_names_in_ (attr)": (f"{_LOGISTIC}.feature_names_in_",),
    "sklearn.model_selection.train_test_split": (
        "train_test_split(X, y, test_size=0.3, random_state=0)[0]",
        "train_test_split(X, y, stratify=y)[2]",
    ),
    "sklearn.model_selection.cross_val_score": ("cross_val_score(LogisticRegression(), X, y, cv=3)",),
    "sklearn.model_selection.cross_validate": ("cross_validate(LogisticRegression(), X, y, cv=3)['test_score']",),
    "sklearn.model_selection.cross_val_predict": ("cross_val_predict(LogisticRegression(), X, y, cv=3)",),
    "sklearn.model_selection.learning_curve": ("learning_curve(LogisticRegression(), X, y, cv=3)",),
    "sklearn.model_selection.GridSearchCV": (_SEARCH,),
    "sklearn.model_selection.RandomizedSearchCV": (
        "RandomizedSearchCV(LogisticRegression(), {'C': [0.1, 1]}, n_iter=2, cv=3).fit(X, y)",
    ),
    "estimator.split": ("[X.iloc[train].mean() for train, test in StratifiedKFold(3).split(X, y)]",),
    "sklearn.pipeline.Pipeline": (
        "Pipeline([('scale', StandardScaler()), ('model', LogisticRegression())]).fit(X, y)",
    ),
    "sklearn.pipeline.make_pipeline": ("make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)",),
    "sklearn.compose.ColumnTransformer": (
        "both = [('n', StandardScaler(), ['age']), ('c', OneHotEncoder(), ['ward'])]; "
        "ColumnTransformer(both).fit_transform(df[['age', 'ward']])",
    ),
    "sklearn.compose.make_column_transformer": (
        "make_column_transformer((StandardScaler(), ['age'])).fit_transform(X)",
    ),
    "sklearn.compose.make_column_selector": ("make_column_selector(dtype_include='number')(df)",),
    "sklearn.preprocessing.LabelEncoder": ("LabelEncoder().fit_transform(df.outcome)",),
    "sklearn.preprocessing.OneHotEncoder": ("OneHotEncoder().fit_transform(df[['ward']])",),
    "sklearn.preprocessing.OrdinalEncoder": ("OrdinalEncoder().fit_transform(df[['ward']])",),
    "sklearn.decomposition.PCA": ("PCA(2).fit_transform(X)",),
    "sklearn.cluster.KMeans": ("KMeans(3, n_init=1).fit_predict(X)",),
    "sklearn.cluster.DBSCAN": ("DBSCAN().fit_predict(X)",),
    "sklearn.cluster.AgglomerativeClustering": ("AgglomerativeClustering().fit_predict(X)",),
    "sklearn.manifold.TSNE": ("TSNE().fit_transform(X)",),
    "sklearn.feature_selection.SelectKBest": ("SelectKBest(k=2).fit_transform(X, y)",),
    "sklearn.feature_selection.RFE": ("RFE(LogisticRegression(), n_features_to_select=2).fit(X, y)",),
    "sklearn.feature_selection.chi2": ("chi2(X, y)",),
    "sklearn.feature_selection.f_regression": ("f_regression(X, y)",),
    "sklearn.feature_selection.mutual_info_classif": ("mutual_info_classif(X, y)",),
    "sklearn.ensemble.StackingClassifier": ("StackingClassifier([('nb', GaussianNB())]).fit(X, y)",),
    "sklearn.ensemble.VotingClassifier": ("VotingClassifier([('nb', GaussianNB())]).fit(X, y)",),
    "sklearn.multiclass.OneVsRestClassifier": ("OneVsRestClassifier(LogisticRegression()).fit(X, y)",),
    "sklearn.calibration.calibration_curve": (f"calibration_curve(y_test, {_SCORE})",),
    "sklearn.metrics.auc": (f"auc(*roc_curve(y_test, {_SCORE})[:2])",),
    "sklearn.metrics.silhouette_score": ("silhouette_score(X, KMeans(3, n_init=1).fit_predict(X))",),
    "sklearn.metrics.make_scorer": (
        "cross_val_score(LogisticRegression(), X, y, scoring=make_scorer(f1_score), cv=3)",
    ),
    "sklearn.metrics.RocCurveDisplay.from_estimator": ("RocCurveDisplay.from_estimator(model, X_test, y_test)",),
    "sklearn.metrics.RocCurveDisplay.from_predictions": (f"RocCurveDisplay.from_predictions(y_test, {_SCORE})",),
    "sklearn.metrics.PrecisionRecallDisplay.from_predictions": (
        f"PrecisionRecallDisplay.from_predictions(y_test, {_SCORE})",
    ),
    "sklearn.metrics.ConfusionMatrixDisplay": (
        "ConfusionMatrixDisplay(confusion_matrix(y_test, model.predict(X_test))).plot()",
    ),
    "sklearn.metrics.ConfusionMatrixDisplay.from_estimator": (
        "ConfusionMatrixDisplay.from_estimator(model, X_test, y_test)",
    ),
    "sklearn.metrics.ConfusionMatrixDisplay.from_predictions": (
        "ConfusionMatrixDisplay.from_predictions(y_test, model.predict(X_test))",
    ),
    "sklearn.utils.class_weight.compute_class_weight": (
        "compute_class_weight('balanced', classes=np.array([0, 1]), y=y)",
    ),
    "sklearn.inspection.permutation_importance": ("permutation_importance(model, X_test, y_test, n_repeats=1)",),
    **{f"sklearn.{path}": (f"{_class(path)}().fit(X, y)",) for path in _WITH_TARGET},
    **{f"sklearn.{path}": (f"{_class(path)}().fit_transform(X)",) for path in _TRANSFORMERS},
    **{
        f"sklearn.metrics.{name}": (f"{name}(y_test, model.predict(X_test){more})",)
        for name, more in _PREDICTED.items()
    },
    **{f"sklearn.metrics.{name}": (f"{name}(y_test, {_SCORE})",) for name in _SCORED},
    **{
        f"sklearn.model_selection.{name}": (f"[len(test) for train, test in {name}{options}.split(X, y)]",)
        for name, options in _SPLITTERS.items()
    },
}
IMPORTS = """
from sklearn.calibration import *; from sklearn.cluster import *; from sklearn.compose import *
from sklearn.decomposition import *; from sklearn.ensemble import *; from sklearn.feature_selection import *
from sklearn.impute import *; from sklearn.inspection import *; from sklearn.linear_model import *
from sklearn.manifold import *; from sklearn.metrics import *
from sklearn.model_selection import (GridSearchCV, KFold, RandomizedSearchCV, RepeatedStratifiedKFold, ShuffleSplit,
    StratifiedKFold, StratifiedShuffleSplit, cross_val_predict, cross_val_score, cross_validate, learning_curve,
    train_test_split)
from sklearn.multiclass import *; from sklearn.naive_bayes import *; from sklearn.neighbors import *
from sklearn.pipeline import *; from sklearn.preprocessing import *; from sklearn.svm import *
from sklearn.tree import *
from sklearn.utils.class_weight import *
"""
