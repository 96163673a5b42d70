"""The language of row functions: plain Python as far as one row goes."""

import math

import pytest

from cleanroom_kernel.rowfunctions.language import LONGEST, NotAllowed, frozen, made
from cleanroom_kernel.rowfunctions.names import Row

ANSWERS = {
    "arithmetic": ("lambda x: (x + 1) * 2 // 3 ** 1 % 7", 4.0),
    "a loop": ("def answer(x):\n    n = 0\n    for i in range(int(x)):\n        n += i\n    return n", 10),
    "while": ("def answer(x):\n    while x > 1:\n        x -= 2\n    return x", 1.0),
    "a dictionary changed": (
        "def answer(x):\n    d = {'a': 1}\n    d['a'] += x\n    d['b'] = 2\n    return d['a']",
        6.0,
    ),
    "a list changed": ("def answer(x):\n    a = [1, 2]\n    a.append(x)\n    a[0] = 7\n    return sum(a)", 14.0),
    "unpacking": ("def answer(x):\n    (a, b), c = (1, 2), x\n    return a + b + c", 8.0),
    "unpacking in a loop": ("def answer(x):\n    return sum(a * b for a, b in [(1, 2), (3, 4)])", 14),
    "a closure": ("def answer(x):\n    def inner(y, k=x):\n        return y + k\n    return inner(1)", 6.0),
    "try and else": ("def answer(x):\n    try:\n        y = 1 / 0\n    except ZeroDivisionError as e:\n"
                     "        return str(e.args[0])\n    finally:\n        pass", "division by zero"),
    "an import": (
        "def answer(x):\n    import math as m\n    from math import sqrt\n    return sqrt(4) + m.floor(x)",
        7.0,
    ),
    "an f-string": ("lambda x: f'{x:.2f} {x!r:>5}'", "5.00   5.0"),
    "percent": ("lambda x: '%d-%s' % (x, 'a')", "5-a"),
    "stars": (
        "def answer(x):\n    def f(*a, **k):\n        return len(a) + len(k)\n    return f(*[1, 2], **{'b': x})",
        3,
    ),
    "a walrus": ("lambda x: y + 1 if (y := x * 2) > 3 else 0", 11.0),
    "a set in one order": (
        "lambda x: ''.join({'c', 'a', 'b'}) + ''.join(str(n) for n in frozenset([3, 1, 2]))",
        "abc123",
    ),
    "kinds": (
        "lambda x: isinstance(x, (int, float)) and not isinstance('a', (list, dict)) and isinstance('a', str)",
        True,
    ),
    "missing": ("lambda x: pandas.isna(None) and pandas.isna(float('nan')) and numpy.isnan(numpy.nan)", True),
    "NumPy's logarithm of nothing": ("lambda x: numpy.log(0) == -numpy.inf and numpy.isnan(numpy.log(-1))", True),
}  # fmt: skip


@pytest.mark.parametrize(("source", "answer"), ANSWERS.values(), ids=ANSWERS.keys())
def test_it_is_plain_python(source, answer):
    function = made(source if source.startswith("def") else f"answer = {source}")
    assert function(5.0) == answer


def test_a_row_has_its_columns_by_name():
    row = Row({"age": 0, "items": 1}, (71, "x"))
    assert made("answer = lambda row: (row.age, row['age'], row.get('los', 3), 'age' in row, len(row))")(row) == (
        71, 71, 3, True, 2,
    )  # fmt: skip
    assert made("answer = lambda row: [name for name, value in row.items()]")(row) == ["age", "items"]
    with pytest.raises(AttributeError):
        made("answer = lambda row: row.los")(row)
    with pytest.raises(KeyError):
        made("answer = lambda row: row['los']")(row)


def test_constants_are_frozen_and_read_like_what_they_were():
    source = "C = {'a': [1, 2], 'b': {3}}\ndef answer(x):\n    return C['a'][1] + len(C['b']) + len(C.get('c', ()))\n"
    assert made(source)(1) == 3
    assert frozen([1, [2]]) == (1, (2,))
    assert math.isnan(made("C = float('nan')\nanswer = lambda x: C")(0))


def test_the_same_source_and_value_give_the_same_answer():
    source = "answer = lambda x: ','.join(sorted({str(x), 'b', 'a'})) + ','.join({'z', 'y', str(x)})"
    assert len({made(source)(1.5) for _ in range(5)}) == 1


@pytest.mark.parametrize(
    "source",
    ["", "x = 1", "answer = 1 +", "answer = " + "1" * LONGEST, "answer = lambda x: x\nx = 2",
     "import math\nanswer = len",
     "answer = lambda x, y=[]: 1", "answer = lambda x, y=len: 1", "answer = len(3)"],
)  # fmt: skip
def test_what_is_no_row_function_is_said_to_be_none(source):
    with pytest.raises(NotAllowed):
        made(source)


def test_a_set_is_walked_in_one_order_wherever_it_goes():
    wanted = ["a", "b", "c"]
    for source in (
        "list({'c', 'a', 'b'})", "[*{'c', 'a', 'b'}]", "[y for y in {'c', 'a', 'b'}]", "sorted({'c', 'a', 'b'})",
        "(lambda found: found.extend({'c', 'a', 'b'}) or found)([])", "list(dict.fromkeys({'c', 'a', 'b'}))",
        "(lambda *found: list(found))(*{'c', 'a', 'b'})", "[y for _, y in enumerate({'c', 'a', 'b'})]",
    ):  # fmt: skip
        assert made(f"answer = lambda x: {source}")(0) == wanted, source


def test_an_error_has_its_line():
    with pytest.raises(NotAllowed) as error:
        made("def answer(x):\n    y = 1\n    return x.__class__\n")
    assert error.value.line == 3
