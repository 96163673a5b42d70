"""Row functions are the expert's own code beside rows. What it may not do, and what holds when its language does not.

Three walls: RestrictedPython and the names that there are; the locks that a worker puts on itself; and what the vault
makes of its answers. Each is attacked with the ones before it taken away.
"""

import sys
from pathlib import Path

import polars as pl
import pytest
from support.rowparents import parent

from cleanroom_kernel.plan.expressions import Field, RowFunction, Value
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.messages import RowLimits
from cleanroom_kernel.rowfunctions.language import NotAllowed, made
from cleanroom_kernel.rowfunctions.layout import NO_LOCK, NO_RESULT, NOT_ALLOWED, RAISED
from cleanroom_kernel.rowfunctions.names import Row
from cleanroom_kernel.rowworker.locks import available
from cleanroom_kernel.vault.rowcalls import RowEnd, RowFunctionEnded

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or set(available()) != {"landlock", "seccomp"}, reason="no locks on this machine"
)

UNRESTRICTED = [sys.executable, "-I", "-B", str(Path(__file__).parent / "targets" / "unrestricted.py")]
SHORT = RowLimits(memory=256 << 20, seconds=1.0)
ROWS = 200


def function(source, dtype=DType.FLOAT):
    return RowFunction(source, (Value("x"),), dtype)


def asked(parent, source, dtype=DType.FLOAT, values=None, limits=SHORT):
    column = pl.Series([float(number) for number in range(ROWS)] if values is None else values)
    kind = DType.STRING if column.dtype == pl.String else DType.FLOAT
    return parent.functions(limits).answers(function(source, dtype), [Field(kind)], [column])


def end_of(parent, source, dtype=DType.FLOAT, **options):
    with pytest.raises(RowFunctionEnded) as ended:
        asked(parent, source, dtype, **options)
    return ended.value.end


# -- the language -----------------------------------------------------------------------------------------------------
ESCAPES = {
    "class of a value": "answer = lambda x: x.__class__",
    "class by a wide letter": "answer = lambda x: x.＿＿class＿＿",
    "format walks attributes": "answer = lambda x: '{0.__class__.__mro__}'.format(x)",
    "format by a name": "answer = lambda x: str.format('{0.__class__}', x)",
    "format_map": "answer = lambda x: '{x.__class__}'.format_map({'x': x})",
    "a format of a format": "answer = lambda x: getattr('{}', 'format')(x)",
    "frame of a generator": "answer = lambda x: (y for y in [1]).gi_frame",
    "frame of a generator by letters of another width": "answer = lambda x: (y for y in [1]).gi＿frame",
    "code of a function": "def f():\n    pass\ndef answer(x):\n    return f.__code__",
    "globals of a function": "def f():\n    pass\ndef answer(x):\n    return f.__globals__",
    "frame of an error": (
        "def answer(x):\n    try:\n        1 / 0\n    except Exception as e:\n        return e.__traceback__"
    ),
    "traceback by its name": (
        "def answer(x):\n    try:\n        1 / 0\n    except Exception as e:\n        return e.tb_frame"
    ),
    "object of an error": (
        "def answer(x):\n    try:\n        x.nothing\n    except AttributeError as e:\n        return e.obj"
    ),
    "builtins": "answer = lambda x: __builtins__",
    "import of a module": "def answer(x):\n    import os\n    return 1.0",
    "import of part of one": "def answer(x):\n    from os import path\n    return 1.0",
    "import by hand": "answer = lambda x: __import__('os')",
    "a module's module": "answer = lambda x: re.sre_compile",
    "a module's builtins": "answer = lambda x: math.__loader__",
    "module of time": "def answer(x):\n    import time\n    return time.time()",
    "the clock": "answer = lambda x: datetime.datetime.now()",
    "today": "answer = lambda x: datetime.date.today()",
    "eval": "answer = lambda x: eval('1')",
    "exec": "answer = lambda x: exec('1')",
    "compile": "answer = lambda x: compile('1', '', 'eval')",
    "open": "answer = lambda x: open('/etc/passwd')",
    "getattr": "answer = lambda x: getattr(x, 'real')",
    "type": "answer = lambda x: type(x)",
    "type in three parts": "answer = lambda x: type('T', (), {})",
    "object": "answer = lambda x: object()",
    "vars": "answer = lambda x: vars(math)",
    "a class": "def answer(x):\n    class T:\n        pass\n    return 1.0",
    "a metaclass": "class T(metaclass=print):\n    pass\nanswer = lambda x: 1.0",
    "a decorator": "@print\ndef answer(x):\n    return 1.0",
    "something that runs before": "y = print(1)\nanswer = lambda x: 1.0",
    "a star import": "from os import *\nanswer = lambda x: 1.0",
    "an await": "async def answer(x):\n    return 1.0",
    "a special method's name": "def answer(x):\n    __getattr__ = 1\n    return 1.0",
    "a guard replaced": "def answer(x):\n    _getattr_ = None\n    return x.real",
    "a guard as an argument": "answer = lambda _getattr_: 1.0",
    "a module changed": "def answer(x):\n    math.pi = 3\n    return 1.0",
    "a descriptor of a type": "answer = lambda x: dict.__dict__",
    "a bound method's self": "answer = lambda x: [].append.__self__",
    "members of a namespace": "answer = lambda x: math.members",
    "printing": "answer = lambda x: print(x)",
    "a set changed by key": "def answer(x):\n    s = 'abc'\n    s[0] = 'b'\n    return 1.0",
    "a match statement": "def answer(x):\n    match x:\n        case float(real=y):\n            return y",
    "a text of a function, which has an address": "def answer(x):\n    return float(len(str(answer)))",
    "an address by percent": "def answer(x):\n    return float(len('%s' % answer))",
    "an address by percent of a name": "def answer(x):\n    return float(len('%(f)s' % {'f': answer}))",
    "an address in an f-string": "def answer(x):\n    return float(len(f'{answer}'))",
}


@pytest.mark.parametrize("source", ESCAPES.values(), ids=ESCAPES.keys())
def test_no_way_out_of_the_language_leads_anywhere(source):
    with pytest.raises((NotAllowed, AttributeError, NameError, TypeError, ImportError)):
        made(source)(1.0)


def test_a_row_is_read_only():
    for change in ("row['age'] = 1", "row.age = 1", "row.values = 1", "del row['age']"):
        with pytest.raises(TypeError):
            made(f"def answer(row):\n    {change}\n    return 1.0")(Row({"age": 0}, (1.0,)))


MEMORIES = {
    "a default that is a list": "def answer(x, seen=[]):\n    seen.append(x)\n    return float(len(seen))",
    "a default inside a helper": "def f(x, *, seen={}):\n    seen[x] = 1\n    return 1.0\nanswer = f",
    "a constant that is a list": "SEEN = []\ndef answer(x):\n    SEEN.append(x)\n    return 1.0",
    "a constant that is a dictionary": "SEEN = {}\ndef answer(x):\n    SEEN[x] = 1\n    return 1.0",
    "a list inside a constant": "SEEN = {'a': []}\ndef answer(x):\n    SEEN['a'].append(x)\n    return 1.0",
    "a set": "SEEN = {1}\ndef answer(x):\n    SEEN.add(x)\n    return 1.0",
    "a global": "SEEN = 0\ndef answer(x):\n    global SEEN\n    SEEN = x\n    return 1.0",
    "an attribute of a function": "def answer(x):\n    answer.seen = x\n    return 1.0",
    "an iterator": "SEEN = iter([1, 2, 3])\nanswer = lambda x: next(SEEN)",
    "a nonlocal": (
        "def outer():\n    n = 0\n    def inner(x):\n        nonlocal n\n        n += 1\n        return n\n"
        "    return inner\nanswer = outer()"
    ),
}


@pytest.mark.parametrize("source", MEMORIES.values(), ids=MEMORIES.keys())
def test_a_row_leaves_nothing_behind_for_the_next(source):
    with pytest.raises((NotAllowed, AttributeError, TypeError)):
        made(source)(1.0)


# -- the locks, with RestrictedPython off -----------------------------------------------------------------------------
SYSTEM = {  # each answers 1 where it works
    "read a file": "os.open('/etc/passwd', os.O_RDONLY)",
    "write a file": "os.open('/tmp/rows', os.O_WRONLY | os.O_CREAT)",
    "list a directory": "os.listdir('/')",
    "look at a file": "os.stat('/etc/passwd')",
    "a socket": "socket.socket()",
    "a pair of sockets": "socket.socketpair()",
    "a pipe": "os.pipe()",
    "an anonymous file": "os.memfd_create('x')",
    "a forgotten descriptor": "os.write(KEPT, b'x')",
    "any descriptor": "[os.fstat(number) for number in range(64) if _open(number)][0]",
    "a process": "os.fork() or os._exit(0)",
    "a program": "os.posix_spawn('/bin/true', ['true'], {})",
    "a thread": "threading.Thread(target=int).start()",
    "a signal to the parent": "os.kill(PARENT, 0)",
    "a handle on the parent": "os.pidfd_open(PARENT)",
    "the memory of another worker": "_checked(libc.process_vm_readv(PARENT, *_vectors(SECRET)))",
    "a debugger on the parent": "_checked(libc.ptrace(0x4206, PARENT, 0, 0))",
    "memory to run code in": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
    "a name of its own": "_checked(libc.prctl(15, b'x', 0, 0, 0))",
    "its own number": "_checked(libc.getppid() or -1)",
    "the kernel's chance": "os.urandom(8)",
    "a rest": "time.sleep(0.001)",
    "its alarm put off": "signal.setitimer(signal.ITIMER_REAL, 100)",
    "its alarm ignored": "signal.signal(signal.SIGALRM, signal.SIG_IGN)",
    "its alarm held back": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])",
}

HELPERS = """
def _checked(result):
    if result < 0:
        raise OSError

def _open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True

def _vectors(address):
    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))
    here = ctypes.create_string_buffer(8)
    own = Vector(ctypes.addressof(here), 8)
    other = Vector(address, 8)
    return ctypes.byref(own), 1, ctypes.byref(other), 1, 0
"""


def system_attack(what):
    tried = f"    try:\n        {what}\n    except Exception:\n        return 0.0\n    return 1.0\n"
    return f"{HELPERS}\ndef answer(x):\n{tried}"


@pytest.fixture(scope="module")
def unrestricted():
    with parent(command=UNRESTRICTED) as made:
        yield made


@pytest.fixture(scope="module")
def unlocked():
    with parent(command=[*UNRESTRICTED, "--unlocked"], required=()) as made:
        yield made


@pytest.mark.parametrize("what", SYSTEM.values(), ids=SYSTEM.keys())
def test_a_worker_that_escaped_its_language_reaches_nothing(what, unrestricted):
    assert asked(unrestricted, system_attack(what), values=[1.0]).to_list() == [0.0]


@pytest.mark.parametrize("said", [0, RAISED, NOT_ALLOWED, NO_RESULT, NO_LOCK, 77])
def test_whatever_an_escaped_worker_says_of_itself_is_charged(said, unrestricted):
    """It may write that it could not lock itself, and leave: a bit for each question, were that the machine's fault."""
    source = f"""
def answer(x):
    import sys
    frame = sys._getframe()
    while "room" not in frame.f_locals:
        frame = frame.f_back
    frame.f_locals["room"][0] = {said}
    os._exit(0)
"""
    end = end_of(unrestricted, source, values=[1.0])
    assert end.depends_on_rows
    assert (end is RowEnd.UNLOCKED) == (said == NO_LOCK)


WITHOUT_LOCKS = {name: what for name, what in SYSTEM.items() if name != "its own number"}


@pytest.mark.parametrize("what", WITHOUT_LOCKS.values(), ids=WITHOUT_LOCKS.keys())
def test_without_the_locks_these_attacks_work(what, unlocked):
    """Else the test above would prove nothing."""
    assert asked(unlocked, system_attack(what), values=[1.0]).to_list() == [1.0]


@pytest.mark.parametrize(
    "what",
    ["while True: pass", "threading.Event().wait()", "bytearray(1 << 40)",
     "[bytearray(1 << 20) for _ in iter(int, 1)]", "os._exit(7)", "ctypes.string_at(0)", "answer(x)"],
)  # fmt: skip
def test_a_worker_that_will_not_end_or_takes_too_much_is_ended(what, unrestricted):
    source = f"def answer(x):\n    {what}\n    return 1.0\n"
    assert end_of(unrestricted, source, values=[1.0]) in (RowEnd.DIED, RowEnd.RAISED)
    assert asked(unrestricted, "answer = lambda x: x").to_list() == [float(number) for number in range(ROWS)]


# -- the answers, with RestrictedPython off ---------------------------------------------------------------------------
def test_an_answer_that_is_another_rows_is_found_in_a_worker_without_that_row(unrestricted):
    """One row is remembered, and every row answers with it."""
    source = "SEEN = []\ndef answer(x):\n    SEEN.append(x)\n    return 1.0 if 7.0 in SEEN else 0.0\n"
    assert end_of(unrestricted, source) is RowEnd.DIFFERS


def test_a_counter_says_nothing(unrestricted):
    source = "SEEN = []\ndef answer(x):\n    SEEN.append(x)\n    return float(len(SEEN))\n"
    assert end_of(unrestricted, source) is RowEnd.DIFFERS


def test_the_order_of_rows_is_the_rooms_secret(unrestricted):
    """A worker sees rows in an order that two rooms do not share; the vault puts answers back where they belong."""
    source = "answer = lambda x: x"
    assert asked(unrestricted, source).to_list() == [float(number) for number in range(ROWS)]
    functions = unrestricted.functions(SHORT)
    orders = [functions._order(function(source + " " * more), ROWS).tolist() for more in (0, 1)]
    assert orders[0] != orders[1] != list(range(ROWS))


FAILURES = {
    "an error for one row": "answer = lambda x: 1.0 if x != 7.0 else 1 / 0",
    "an error that says the value": "def answer(x):\n    raise ValueError('patient', x)",
    "an answer of another type": "answer = lambda x: 'seven' if x == 7.0 else 1.0",
    "an answer that is a list": "answer = lambda x: [x]",
    "source that is not allowed": "answer = lambda x: x.__class__",
    "no Python": "answer = = x",
    "nesting without end": "answer = lambda x: " + "(" * 3_000 + "x" + ")" * 3_000,
    "a number too long": "def answer(x):\n    return 10.0 ** 400",
    "an expression that backtracks": "answer = lambda x: 1.0 if re.match('(a+)+$', 'a' * 40 + 'b') else 0.0",
}


@pytest.fixture(scope="module")
def rows():
    with parent() as made:
        yield made


@pytest.mark.parametrize("source", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_is_one_no_that_holds_no_value(source, rows):
    with pytest.raises(RowFunctionEnded) as ended:
        asked(rows, source)
    assert ended.value.end.depends_on_rows
    assert ended.value.__cause__ is None
    assert "7" not in str(ended.value)


def test_texts_are_few_and_short(rows):
    long = "answer = lambda x: 'a' * 201 if x == 7.0 else 'a'"
    assert end_of(rows, long, DType.STRING) is RowEnd.NO_RESULT
    many = [float(number) for number in range(5_000)]
    assert end_of(rows, "answer = lambda x: str(x)", DType.STRING, values=many) is RowEnd.NO_RESULT
    assert asked(rows, "answer = lambda x: 'a' * 200", DType.STRING, values=[1.0]).to_list() == ["a" * 200]


def test_times_are_rounded_up_also_those_of_failures(rows):
    """What took any time between two steps takes until the next one."""
    rows.paused.clear()
    asked(rows, "answer = lambda x: x")
    end_of(rows, "answer = lambda x: 1 / 0")
    assert len(rows.paused) == 2
    assert all(pause >= 0 for pause in rows.paused)


def test_a_parent_without_its_locks_does_not_start(tmp_path):
    """As on a machine without seccomp, in a tier that promises it."""
    target = tmp_path / "no_seccomp.py"
    target.write_text(
        "import sys\n"
        "from cleanroom_kernel.rowworker import __main__ as parent\n"
        "parent.available = lambda: ('landlock',)\n"
        "sys.exit(parent.main())\n"
    )
    from cleanroom_kernel.vault.rowcalls import Lost

    with pytest.raises(Lost), parent(command=[sys.executable, "-I", "-B", str(target)]):
        pass
