"""The owner's configuration as JSON, and the template that lists every setting."""

import pytest

from cleanroom_kernel.cli.settings import CLASSES, CommandError, load, own_traits, template


def test_a_configuration_can_be_json(tmp_path):
    path = tmp_path / "cleanroom_config.json"
    path.write_text('{"Room": {"sources": {"a": "a.csv"}}, "Policy": {"preset": "strict"}, "Server": {"port": 9000}}')
    settings = load(str(path))
    assert settings.room.sources == {"a": "a.csv"}
    assert settings.policy().preset == "strict"
    assert settings.state == tmp_path / "cleanroom-state"


@pytest.mark.parametrize("text", ["{", '{"Room": 5}', '{"Room": {"nothing": 1}}'])
def test_broken_json_is_said(tmp_path, text):
    path = tmp_path / "cleanroom_config.json"
    path.write_text(text)
    with pytest.raises(CommandError):
        load(str(path))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_setting_has_its_help(kind):
    for name in own_traits(kind):
        assert kind.class_traits()[name].help, f"{kind.__name__}.{name}"


def test_the_template_is_a_valid_configuration(tmp_path):
    path = tmp_path / "cleanroom_config.py"
    path.write_text(template())
    assert load(str(path)).policy().preset == "standard"
