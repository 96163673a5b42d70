"""Policy: every number that the gate goes by, on one page.

Promise: a setting is a trait with a help text (the owner's manual is made of them); a preset is a complete starting
point; the pure code never sees this object but a frozen `PolicySnapshot` of it. Unknown settings are an error.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from traitlets import Bool, Enum, Float, HasTraits, Int, TraitError, TraitType

from cleanroom_kernel.protocol.policy import Kind, PolicyField, PolicyForm, Rulebook, Settings, Value, WrongSetting


class PolicySnapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """The policy as a value. Fields are the traits of `Policy`, where each is explained."""

    preset: str
    minimum_units: int
    jitter: int
    mixed_jitter: int
    mixed_noise: float
    dominance_p: float
    dominance_top: int
    dominance_share: float
    effective_units: float
    unit_share: float
    count_base: int
    significant_digits: int
    parameter_digits: int
    influence_rounding: bool
    endpoints: bool
    differencing: bool
    linear_audit: bool
    released_share: float
    released_floor: int
    cohort_share: float
    denials: int
    suppressed_cells: int
    labels: int
    free_answers: int
    free_noise: float
    evaluation_units: int
    evaluations: int
    leverage: float
    residual_units: int
    units_per_parameter: int
    leaf_share: float
    membership_limit: float
    membership_shadows: int
    held_out_scores: bool
    keyed_seeds: bool


class PolicyError(ValueError):
    """A setting that does not exist or has a value that it cannot have. Words for the owner."""


class Policy(HasTraits):
    """The owner's settings. `Policy.from_settings({"preset": "strict", "count_base": 10})` starts from a preset."""

    preset = Enum(
        ("standard", "strict", "relaxed", "permissive"),
        default_value="standard",
        help="Starting point for all other settings. 'permissive' protects nothing; it exists for tests.",
    )
    minimum_units = Int(10, min=0, help="Least number of distinct patients (k) behind every number that is shown.")
    jitter = Int(
        3,
        min=0,
        help="Up to this much is added to the least number, fixed for each set of patients, to blur the border.",
    )
    mixed_jitter = Int(
        50,
        min=0,
        help="The same where rows or groups are chosen by several columns at once, so that they could be filled up "
        "until one patient decides whether they are shown.",
    )
    mixed_noise = Float(
        1.0,
        min=0,
        help="Noise on numbers over such rows or groups, which could be filled up to the edge of their rounding: its "
        "standard deviation is so many times the step in which a number is shown.",
    )
    dominance_p = Float(
        0.10, min=0, help="p% rule: all but the two largest contributions must be at least this share of the largest."
    )
    dominance_top = Int(2, min=1, max=2, help="n of the (n, share) rule: so many patients are looked at together.")
    dominance_share = Float(
        0.85, min=0, max=1, help="(n, share) rule: the n largest contributions must stay below this share of the total."
    )
    effective_units = Float(
        5.0, min=0, help="Least effective number of patients behind a sum, (sum of shares)^2 / sum of squared shares."
    )
    unit_share = Float(0.25, min=0, max=1, help="Largest share of a result's rows that one patient may have.")
    count_base = Int(5, min=1, help="Counts are rounded to multiples of this.")
    significant_digits = Int(4, min=1, max=17, help="Statistics show at most so many significant digits.")
    parameter_digits = Int(6, min=1, max=17, help="Parameters of released models keep at most so many digits.")
    influence_rounding = Bool(
        True,
        help="Show only the digits that no single patient can decide, by the largest influence of any one of them.",
    )
    endpoints = Bool(False, help="Whether minimum and maximum, which are one person's values, may be shown.")
    differencing = Bool(
        True, help="Withhold a number that differs from a released one by fewer than the least number of patients."
    )
    linear_audit = Bool(
        True, help="Withhold a number if any combination with released ones would isolate too few patients."
    )
    released_share = Float(
        0.10, min=0, help="Most independent numbers of one measure that may be released, as a share of the patients."
    )
    released_floor = Int(100, min=0, help="So many independent numbers of one measure are released whatever the share.")
    cohort_share = Float(
        0.25, min=0, help="Most independent numbers about one cohort in the room, as a share of its patients."
    )
    denials = Int(
        60, min=0, help="After so many withheld answers in 30 days an expert must ask the owner before asking more."
    )
    suppressed_cells = Int(
        3_000, min=0, help="After so many suppressed cells in 30 days an expert must ask the owner before asking more."
    )
    labels = Int(200, min=0, help="Most labels of one table that are not declared: of the largest groups.")
    free_answers = Int(
        40,
        min=0,
        help="Most numbers about one patient that may be released of free measures (with numbers that the expert chose "
        "inside) of one column.",
    )
    free_noise = Float(
        10.0,
        min=0,
        help="Noise on free measures: its standard deviation is so many times the most that one patient can move them.",
    )
    evaluation_units = Int(50, min=0, help="Least number of patients behind a score of a model, and behind each fold.")
    evaluations = Int(200, min=0, help="Most scores that may be taken of one set of patients.")
    leverage = Float(0.5, min=0, max=1, help="Largest share that one patient may have in one fitted coefficient.")
    residual_units = Int(10, min=0, help="A released model must leave at least so many degrees of freedom.")
    units_per_parameter = Int(10, min=0, help="A released linear model needs so many patients for each parameter.")
    leaf_share = Float(
        0.05, min=0, help="Most leaf values that a released tree model may hold, as a share of the patients."
    )
    membership_limit = Float(
        0.60,
        min=0.5,
        max=1.0,
        help="Largest area under the ROC curve with which an attack of ours may tell a model's training patients from "
        "others, for its file to be released; 0.5 is by lot. 1 switches the test off.",
    )
    membership_shadows = Int(
        8,
        min=0,
        max=64,
        help="Models that are fitted for that test to random halves of the patients, if there is time for so many "
        "(Fits.membership_seconds). Fewer than four leave the simpler attack alone.",
    )
    held_out_scores = Bool(
        True,
        help="Whether a model that may not be released can be scored on rows that a shuffled split held out from it.",
    )
    keyed_seeds = Bool(True, help="Random splits and samples repeat, but nobody outside the vault can predict them.")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Value]) -> Policy:
        """A policy from a preset (`standard` if none is named) and settings that differ from it."""
        known = cls.class_traits()
        for name in settings:
            if name not in known:
                raise PolicyError(f"There is no policy setting {name!r}. Settings are: {', '.join(sorted(known))}.")
        preset = settings.get("preset", "standard")
        if preset not in PRESETS:
            raise PolicyError(f"There is no preset {preset!r}. Presets are: {', '.join(PRESETS)}.")
        try:
            return cls(**{**PRESETS[preset], **settings})
        except TraitError as wrong:
            raise PolicyError(str(wrong)) from None

    def snapshot(self) -> PolicySnapshot:
        return PolicySnapshot(**{name: getattr(self, name) for name in PolicySnapshot.__struct_fields__})


PRESETS: dict[str, dict[str, Value]] = {
    "standard": {},
    "strict": {
        "minimum_units": 20, "jitter": 5, "mixed_jitter": 100, "mixed_noise": 2.0, "dominance_p": 0.15,
        "dominance_share": 0.75, "effective_units": 20.0, "count_base": 10, "significant_digits": 3,
        "parameter_digits": 5, "released_share": 0.05, "released_floor": 40, "cohort_share": 0.10, "denials": 20,
        "suppressed_cells": 1_000, "labels": 100, "free_answers": 20, "evaluation_units": 100, "evaluations": 100,
        "leaf_share": 0.025, "membership_limit": 0.55, "membership_shadows": 16, "held_out_scores": False,
    },
    "relaxed": {
        "minimum_units": 5, "jitter": 0, "mixed_jitter": 20, "mixed_noise": 0.5, "dominance_share": 0.90,
        "effective_units": 2.5, "released_share": 0.25, "released_floor": 200, "cohort_share": 0.5, "denials": 200,
        "suppressed_cells": 10_000, "free_answers": 80, "evaluation_units": 20, "evaluations": 400,
        "units_per_parameter": 3, "leaf_share": 0.10, "membership_limit": 0.65,
    },
    "permissive": {
        "minimum_units": 0, "jitter": 0, "mixed_jitter": 0, "mixed_noise": 0.0, "dominance_p": 0.0,
        "dominance_share": 1.0, "effective_units": 0.0, "unit_share": 1.0, "count_base": 1, "significant_digits": 17,
        "parameter_digits": 17, "influence_rounding": False, "endpoints": True, "differencing": False,
        "linear_audit": False, "released_share": 1e9, "cohort_share": 1e9, "denials": 10**9, "suppressed_cells": 10**9,
        "labels": 10**9, "free_answers": 10**9, "free_noise": 0.0, "evaluation_units": 0, "evaluations": 10**9,
        "leverage": 1.0, "residual_units": 0, "units_per_parameter": 0, "leaf_share": 1e9, "membership_limit": 1.0,
        "membership_shadows": 0, "keyed_seeds": False,
    },
}  # fmt: skip


def settings(policy: PolicySnapshot) -> tuple[tuple[str, Value, str], ...]:
    """Name, value and help of every setting, as owner and expert read them."""
    traits = Policy.class_traits()
    return tuple((name, getattr(policy, name), traits[name].help) for name in PolicySnapshot.__struct_fields__)


def fingerprint(policy: PolicySnapshot) -> bytes:
    """Identity of a policy: an answer that was stored under another one is not used."""
    return msgspec.msgpack.encode(policy)


# -- for who edits it -------------------------------------------------------------------------------------------------
def form() -> PolicyForm:
    traits = Policy.class_traits()
    presets = {name: msgspec.structs.asdict(Policy.from_settings({"preset": name}).snapshot()) for name in PRESETS}
    return PolicyForm(tuple(_field(name, traits[name]) for name in PolicySnapshot.__struct_fields__), presets)


def _field(name: str, trait: TraitType[object, object]) -> PolicyField:
    kind: Kind = "truth" if isinstance(trait, Bool) else "number" if isinstance(trait, Float) else "whole"
    if isinstance(trait, Enum):
        return PolicyField(name, "choice", str(trait.help), choices=tuple(trait.values or ()))
    return PolicyField(name, kind, str(trait.help), getattr(trait, "min", None), _most(trait))


def _most(trait: TraitType[object, object]) -> float | None:
    most = getattr(trait, "max", None)
    return None if most is None or most == float("inf") else most


def wrong(settings: Settings) -> tuple[WrongSetting, ...]:
    """Everything that is wrong with a draft, setting by setting; nothing if it could be saved."""
    fields = {field.name: field for field in form().fields}
    found = []
    for name, value in settings.items():
        if name not in fields:
            found.append(WrongSetting(name, "There is no such setting."))
        elif not _fits(fields[name], value):
            found.append(WrongSetting(name, f"{_wanted(fields[name])} is wanted."))
    return tuple(found)


def _fits(field: PolicyField, value: Value) -> bool:
    if field.kind == "truth":
        return isinstance(value, bool)
    if isinstance(value, bool) or (field.kind == "whole" and isinstance(value, float)):
        return False
    try:
        Policy(**{field.name: value})
    except TraitError:
        return False
    return True


def _wanted(field: PolicyField) -> str:
    if field.kind == "choice":
        return f"One of {', '.join(field.choices)}"
    if field.kind == "truth":
        return "Yes or no"
    kind = "A whole number" if field.kind == "whole" else "A number"
    if field.least is not None and field.most is not None:
        return f"{kind} from {field.least:g} to {field.most:g}"
    return kind if field.least is None else f"{kind} of at least {field.least:g}"


RULEBOOK = Rulebook(form(), wrong)
