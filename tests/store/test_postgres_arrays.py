"""Arrays that are written as text reach PostgreSQL as the values they were written from."""

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cloaca.model.states import Status
from cloaca.store.postgres.arrays import array, columns
from tests import postgres

TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
FLOATS = st.floats(allow_nan=False)
INTS = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture(scope="module")
def db():
    with psycopg.connect(postgres.server_url(), autocommit=True) as db:
        yield db


def returned(db, kind, values):
    return db.execute(f"select %s::{kind}[]", (array(values),)).fetchone()[0]


@pytest.mark.parametrize(
    ("kind", "values"), [("text", TEXTS), ("float8", FLOATS), ("bigint", INTS), ("bool", st.booleans())]
)
def test_every_value_comes_back_as_it_was(db, kind, values):
    @settings(max_examples=100, deadline=None, print_blob=True)
    @example([None, None])
    @given(st.lists(st.none() | values))
    def check(column):
        assert returned(db, kind, column) == column

    check()


@pytest.mark.parametrize(
    "text", ["", "NULL", "null", '"', "\\", '\\"', "{}", "{a,b}", ",", " ", "\n", "'", "%s"]
)
def test_a_text_that_reads_like_the_notation_is_a_text(db, text):
    assert returned(db, "text", [text, None, text]) == [text, None, text]


def test_a_member_of_an_enumeration_is_its_text(db):
    assert returned(db, "text", [Status.PENDING]) == ["Pending"]


def test_rows_become_columns(db):
    assert columns([("a", 1, None), ("b", 2, 0.5)]) == ['{"a","b"}', "{1,2}", "{NULL,0.5}"]
    assert columns([]) == []


def test_what_no_column_can_hold_is_refused_by_the_driver(db):
    with pytest.raises(psycopg.DataError):
        returned(db, "text", ["a\0b"])
    with pytest.raises(UnicodeEncodeError):
        returned(db, "text", ["\ud800"])
