"""Risks: output class -> risks -> checks, and the mitigations that make a class releasable.

Promise: these tables are closed and total (tests say so). What has no row here is not released, and a kind of
statistic goes through every check that its row in `APPLIES` names.
"""

from __future__ import annotations

import enum

from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.plan.aggregates import OutputClass


class Risk(enum.Enum):
    """What a number can do to a person. The first words are those of the Statbarns of the UK community."""

    LOW_COUNT = "low count"  # it is about few people
    DOMINANCE = "dominance"  # it is about many, but one or two make it up
    CLASS_DISCLOSURE = "class disclosure"  # it says something of everyone in a group
    DIFFERENCING = "differencing"  # with other numbers, it says something of few people
    LOW_DEGREES = "low degrees of freedom"  # it has as many parameters as people
    SINGLE_VALUE = "single value"  # it is one person's value
    MEMORY = "memory"  # a model that remembers its training rows


class Check(enum.Enum):
    UNITS = "minimum count"
    TWICE = "minimum count, doubled"
    ROWS = "concentration of rows"
    DOMINANCE = "dominance"
    EFFECTIVE = "effective number"
    VARIETY = "variety"
    PREDICATES = "predicates"
    POSITION = "position"
    ENDPOINT = "endpoints"
    OUTLIER = "outlier"
    FINITE = "finite"
    PAIRS = "differencing"
    COMBINATIONS = "linear combinations"
    CLASSES = "minimum count per class"
    EVALUATION = "size of an evaluation"
    FAMILY = "model family"
    MEMBERSHIP = "membership test"


class Mitigation(enum.Enum):
    COUNT_BASE = "counts are rounded to a base"
    INFLUENCE = "digits that one unit could decide are not shown"
    DIGITS = "a limit on significant digits"
    PARAMETERS = "a limit on the digits of a model's parameters"
    MIDDLE = "an order statistic is shown as a mean of its neighbours"
    SUPPRESSION = "cells that fail a check are suppressed"
    FOLDING = "labels that too few units share are left out"
    FREE = "measures with numbers of the expert's choice are drawn in and shown with noise"
    MIXED = "numbers over rows or groups that several columns chose at once are shown with noise"
    REBUILDING = "a model is rebuilt from listed attributes"


RISKS: dict[OutputClass, frozenset[Risk]] = {
    OutputClass.FREQUENCY: frozenset({Risk.LOW_COUNT, Risk.CLASS_DISCLOSURE, Risk.DIFFERENCING, Risk.DOMINANCE}),
    OutputClass.LINEAR: frozenset({Risk.LOW_COUNT, Risk.DOMINANCE, Risk.CLASS_DISCLOSURE, Risk.DIFFERENCING}),
    OutputClass.SHAPE: frozenset(
        {Risk.LOW_COUNT, Risk.LOW_DEGREES, Risk.DOMINANCE, Risk.CLASS_DISCLOSURE, Risk.DIFFERENCING}
    ),
    OutputClass.POSITION: frozenset(
        {Risk.LOW_COUNT, Risk.CLASS_DISCLOSURE, Risk.SINGLE_VALUE, Risk.DOMINANCE, Risk.DIFFERENCING}
    ),
    OutputClass.ENDPOINT: frozenset({Risk.LOW_COUNT, Risk.SINGLE_VALUE, Risk.DIFFERENCING}),
    OutputClass.EVALUATION: frozenset({Risk.LOW_COUNT, Risk.CLASS_DISCLOSURE, Risk.DOMINANCE, Risk.DIFFERENCING}),
    OutputClass.MODEL: frozenset(
        {Risk.LOW_COUNT, Risk.CLASS_DISCLOSURE, Risk.DOMINANCE, Risk.LOW_DEGREES, Risk.MEMORY, Risk.DIFFERENCING}
    ),
}

CHECKS: dict[Risk, frozenset[Check]] = {
    Risk.LOW_COUNT: frozenset({Check.UNITS, Check.TWICE, Check.EVALUATION}),
    Risk.DOMINANCE: frozenset({Check.ROWS, Check.DOMINANCE, Check.EFFECTIVE, Check.OUTLIER, Check.FINITE}),
    Risk.CLASS_DISCLOSURE: frozenset({Check.VARIETY, Check.PREDICATES, Check.CLASSES}),
    Risk.DIFFERENCING: frozenset({Check.PAIRS, Check.COMBINATIONS}),
    Risk.LOW_DEGREES: frozenset({Check.TWICE, Check.EFFECTIVE, Check.FAMILY}),
    Risk.SINGLE_VALUE: frozenset({Check.POSITION, Check.ENDPOINT}),
    Risk.MEMORY: frozenset({Check.FAMILY, Check.MEMBERSHIP}),
}

CLASS_OF: dict[Kind, OutputClass] = {
    Kind.COUNT: OutputClass.FREQUENCY,
    Kind.SELECTED: OutputClass.FREQUENCY,
    Kind.UNITS: OutputClass.FREQUENCY,
    Kind.DISTINCT: OutputClass.FREQUENCY,
    Kind.SUM: OutputClass.LINEAR,
    Kind.MEAN: OutputClass.LINEAR,
    Kind.SHARE: OutputClass.LINEAR,
    Kind.VARIANCE: OutputClass.SHAPE,
    Kind.DEVIATION: OutputClass.SHAPE,
    Kind.CORRELATION: OutputClass.SHAPE,
    Kind.COVARIANCE: OutputClass.SHAPE,
    Kind.QUANTILE: OutputClass.POSITION,
    Kind.EXTREME: OutputClass.ENDPOINT,
}

# Checks of single cells; the two of differencing look at the ledger and apply to every kind (`gate.py`).
_CONTRIBUTIONS = frozenset(
    {Check.ROWS, Check.DOMINANCE, Check.EFFECTIVE, Check.OUTLIER, Check.VARIETY, Check.PREDICATES}
)
_SUM = _CONTRIBUTIONS | {Check.UNITS, Check.FINITE}
_SHAPE = _CONTRIBUTIONS | {Check.TWICE, Check.FINITE}

APPLIES: dict[Kind, frozenset[Check]] = {
    Kind.COUNT: frozenset({Check.UNITS, Check.ROWS, Check.OUTLIER, Check.PREDICATES}),
    Kind.SELECTED: _CONTRIBUTIONS | {Check.UNITS},
    Kind.UNITS: frozenset({Check.UNITS}),
    Kind.DISTINCT: frozenset({Check.UNITS, Check.PREDICATES}),
    Kind.SUM: _SUM,
    Kind.MEAN: _SUM,
    Kind.SHARE: _CONTRIBUTIONS | {Check.UNITS},
    Kind.VARIANCE: _SHAPE,
    Kind.DEVIATION: _SHAPE,
    Kind.CORRELATION: _SHAPE,
    Kind.COVARIANCE: _SHAPE,
    Kind.QUANTILE: frozenset({Check.UNITS, Check.ROWS, Check.VARIETY, Check.PREDICATES, Check.POSITION, Check.FINITE}),
    Kind.EXTREME: frozenset({Check.UNITS, Check.ENDPOINT, Check.FINITE}),
}

EVALUATION_CHECKS = frozenset({Check.UNITS, Check.EVALUATION, Check.CLASSES, Check.EFFECTIVE, Check.FINITE})
MODEL_CHECKS = frozenset({Check.UNITS, Check.CLASSES, Check.EFFECTIVE, Check.FAMILY, Check.MEMBERSHIP})

MITIGATIONS: dict[OutputClass, tuple[Mitigation, ...]] = {
    OutputClass.FREQUENCY: (
        Mitigation.COUNT_BASE,
        Mitigation.SUPPRESSION,
        Mitigation.FOLDING,
        Mitigation.MIXED,
    ),
    OutputClass.LINEAR: (
        Mitigation.INFLUENCE,
        Mitigation.DIGITS,
        Mitigation.SUPPRESSION,
        Mitigation.FOLDING,
        Mitigation.FREE,
        Mitigation.MIXED,
    ),
    OutputClass.SHAPE: (
        Mitigation.INFLUENCE,
        Mitigation.DIGITS,
        Mitigation.SUPPRESSION,
        Mitigation.FOLDING,
        Mitigation.FREE,
        Mitigation.MIXED,
    ),
    OutputClass.POSITION: (
        Mitigation.MIDDLE,
        Mitigation.INFLUENCE,
        Mitigation.DIGITS,
        Mitigation.SUPPRESSION,
        Mitigation.FOLDING,
        Mitigation.FREE,
        Mitigation.MIXED,
    ),
    OutputClass.ENDPOINT: (Mitigation.SUPPRESSION,),
    OutputClass.EVALUATION: (Mitigation.INFLUENCE, Mitigation.DIGITS, Mitigation.MIXED),
    OutputClass.MODEL: (Mitigation.PARAMETERS, Mitigation.REBUILDING),
}
