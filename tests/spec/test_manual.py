"""The printed rule book is what the tests say."""

from tests.spec.rulebook import MANUAL, sentence_of


def test_every_example_is_in_the_manual(request):
    """Write it with: python -m pytest tests/spec --write-specs."""
    text = MANUAL.read_text()
    examples = [item for item in request.session.items if "spec" in getattr(item, "fixturenames", ())]
    assert [item.name for item in examples if f"### {sentence_of(item.originalname)}\n" not in text] == []
