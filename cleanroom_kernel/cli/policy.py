"""`cleanroom policy`: the disclosure policy in numbers and in words."""

from __future__ import annotations

import argparse

from cleanroom_kernel.cli.owner import add_config
from cleanroom_kernel.cli.settings import load
from cleanroom_kernel.disclosure.policy import Policy, PolicySnapshot
from cleanroom_kernel.disclosure.rules import explain


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("policy", help="show, explain or check the disclosure policy")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, words in (
        ("show", run_show, "every setting with its value and what it means"),
        ("explain", run_explain, "the rule book in words, with this room's numbers"),
        ("check", run_check, "whether the configuration's policy is valid"),
    ):
        action = actions.add_parser(name, help=words)
        add_config(action)
        action.set_defaults(run=run)


def run_show(options: argparse.Namespace) -> int:
    print(page(load(options.config, options.settings).policy()))
    return 0


def run_explain(options: argparse.Namespace) -> int:
    print(explain(load(options.config, options.settings).policy()))
    return 0


def run_check(options: argparse.Namespace) -> int:
    policy = load(options.config, options.settings).policy()
    print(f"The policy is valid (preset {policy.preset!r}).")
    return 0


def page(policy: PolicySnapshot) -> str:
    """One line per setting; a star marks what differs from the preset."""
    preset = Policy.from_settings({"preset": policy.preset}).snapshot()
    lines = []
    for name in PolicySnapshot.__struct_fields__:
        value = getattr(policy, name)
        mark = "*" if value != getattr(preset, name) else " "
        lines.append(f"{mark} {name:<22} {value!s:<12} {Policy.class_traits()[name].help}")
    return "\n".join(lines)
