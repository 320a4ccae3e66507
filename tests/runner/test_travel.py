"""A context is the same text, and the same values, in both databases: what is started with and what bodies write."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cloaca
from tests.world import SOON, workflow_of

TOGETHER, TRANSACTIONS = 10, 200

TEXTS = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    [
        "",
        "\0",
        "\ud800",
        "\udfff\ud800",
        "\\u0000",
        "\\ud800",
        "\u202e\u2066",
        "👩‍👩‍👧",
        "\x7f\x85\u2028",
        "'\"`--;",
        "../..",
    ]
)
NUMBERS = (
    st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [1e22, -0.0, 0.0, 5e-324, 1.7976931348623157e308, 2**53 + 1, 2**64, -(2**63) - 1, 10**4000, 1 / 3]
    )
)
NESTED = st.builds(lambda depth, is_list: nested(depth, is_list=is_list), st.integers(1, 280), st.booleans())
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | NESTED,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CONTEXTS = st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3)


def nested(depth, *, is_list):
    value = 1
    for _ in range(depth):
        value = [value] if is_list else {"k": value}
    return value


def copies(context):
    for key, value in context.data.items():
        context[f"{key} "] = [value]


def exact(value):
    """Equal only for values of the same types, signs and order of keys."""
    return repr(value)


@settings(
    max_examples=TRANSACTIONS,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(contexts=st.lists(CONTEXTS, min_size=TOGETHER, max_size=TOGETHER))
def travels(places, contexts):
    texts = []
    for starter, runner in places:
        handles = starter.start_many("copies", contexts)
        for handle, context in zip(handles, contexts, strict=True):
            expected = context | {f"{key} ": [value] for key, value in context.items()}
            result = handle.result(SOON)
            assert result.error_message is None
            assert exact(result.final_context.data) == exact(expected)
        texts.append([stored(runner, handle.execution_id) for handle in handles])
    assert texts[0] == texts[1]


def stored(runner, execution_id):
    """The texts of an execution as they lie in the database."""
    [attempt] = runner._store.read_attempts(execution_id)
    return runner._store.read_execution(execution_id).input, attempt.delta


def test_two_thousand_contexts_are_the_same_in_both_databases(postgres_url):
    """On PostgreSQL a client starts them: their runner has read its input from the database, and so are the results."""
    workflow_of("copies", copies)
    with (
        cloaca.DefaultRunner("sqlite:///app.db?synchronous=normal") as here,
        cloaca.DefaultRunner(postgres_url) as there,
        cloaca.Client(postgres_url) as client,
    ):
        travels([(here, here), (client, there)])
