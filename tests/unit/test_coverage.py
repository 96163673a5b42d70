"""The coverage page is what the probes say today, and nothing of it is left without a reason."""

import pytest

from tests.support import coverage, probes

pytest.importorskip("seaborn")
pytest.importorskip("statsmodels")

pytestmark = pytest.mark.skipif(
    not coverage.FREQUENCIES.exists(), reason="the frequency list is not on this machine; the committed page stays"
)


@pytest.fixture(scope="module")
def found():
    return coverage.calls()


def test_the_page_is_up_to_date(found):
    """Write it with: python -m tests.support.coverage."""
    assert coverage.PAGE.read_text() == coverage.page(found)


def test_every_refusal_says_what_to_write_instead(found):
    refusals = [form for call in found for form in call.forms if form.outcome == coverage.REFUSED]
    assert refusals
    assert [form.code for form in refusals if len(form.words) < 40] == []


def test_no_probe_is_for_a_call_that_the_list_does_not_have():
    listed = coverage.frequencies()
    probed = {name for known in coverage.FAMILIES.values() for name in known}
    never = {name for names in probes.NEVER.values() for name in names}
    assert probed & never == set()
    assert sorted(probed - set(listed)) == []
