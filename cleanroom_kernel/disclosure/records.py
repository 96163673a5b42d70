"""Records: the ledger's tables, in the database that also holds the audit log."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# A question (with policy and edition of the data: `key`) and what was answered, for good.
answers = sa.Table(
    "ledger_answers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("expert", sa.String, nullable=False),  # who asked first, and is charged
    sa.Column("time", sa.Integer, nullable=False),  # seconds since 1970
    sa.Column("facts", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("suppressed", sa.Integer, nullable=False),
)

# Looked at for every question, so it must not hold all answers.
sa.Index(
    "ledger_answers_suppressed",
    answers.c.expert,
    answers.c.time,
    answers.c.suppressed,
    sqlite_where=answers.c.suppressed > 0,
    postgresql_where=answers.c.suppressed > 0,
)

# Each time that an answer left.
releases = sa.Table(
    "ledger_releases",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("answer", sa.ForeignKey(answers.c.id), nullable=False),
    sa.Column("expert", sa.String, nullable=False),
    sa.Column("session", sa.String, nullable=False),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("time", sa.String, nullable=False),
)

# What released numbers are over. The same rows are kept once, however many numbers are over them.
footprints = sa.Table(
    "ledger_footprints",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("space", sa.String, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),  # number of units
    sa.Column("units", sa.LargeBinary, nullable=False),
    sa.Column("sketch", sa.LargeBinary, nullable=False),
    sa.Column("counts", sa.LargeBinary, nullable=False),  # sketch of the number of rows of each unit
)

# The numbers of an answer: `measure` over a footprint.
numbers = sa.Table(
    "ledger_numbers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("answer", sa.ForeignKey(answers.c.id), nullable=False),
    sa.Column("measure", sa.String, nullable=False, index=True),
    sa.Column("linear", sa.Boolean, nullable=False),
    sa.Column("footprint", sa.ForeignKey(footprints.c.id), nullable=False),
    sa.Column("statistic", sa.String, nullable=False),
    sa.Column("selection", sa.String, nullable=False),
    sa.Column("shown", sa.LargeBinary, nullable=False),  # the number as it was released
)

# Numbers of free measures (C17) about one unit, by the column that they are charged to.
charges = sa.Table(
    "ledger_charges",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("answer", sa.ForeignKey(answers.c.id), nullable=False),
    sa.Column("column", sa.String, nullable=False, index=True),
    sa.Column("numbers", sa.Integer, nullable=False),
)

denials = sa.Table(
    "ledger_denials",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("expert", sa.String, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Index("ledger_denials_recent", "expert", "time"),
)

# What was asked, by whom first and after which entry of the audit log, which says what became of it: for rehearsals.
questions = sa.Table(
    "ledger_questions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("entry", sa.Integer, nullable=False),
    sa.Column("question", sa.String, nullable=False),
    sa.Column("expert", sa.String, nullable=False),
    sa.Column("session", sa.String, nullable=False),
    sa.Column("cell", sa.String, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("file", sa.String),  # name of the file, where a model is asked for as one
    sa.Column("plan", sa.LargeBinary),  # the codec's bytes, compressed; null for one that is too large to be kept
    sa.UniqueConstraint("question", "expert"),
)
