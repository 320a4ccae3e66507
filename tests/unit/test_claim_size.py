"""How much a runner claims of what others could run too."""

import pytest

from cloaca.engine.claim_size import ClaimSize


def factor_after(*claims):
    """The factor after full claims at these times."""
    claim_size = ClaimSize()
    for now in claims:
        claim_size.claimed(now, is_full=True)
    return claim_size.factor


def test_who_begins_claims_little():
    assert factor_after() == factor_after(100) == 1


def test_what_is_used_up_at_once_is_claimed_in_larger_parts_up_to_a_bound():
    assert [factor_after(*(100 + 0.01 * n for n in range(claims))) for claims in (1, 2, 3, 4, 9)] == [
        1, 2, 4, 4, 4
    ]  # fmt: skip


@pytest.mark.parametrize(("lasted", "factor"), [(0.05, 4), (0.3, 2), (0.6, 1)])
def test_what_lasts_is_claimed_in_parts_that_others_can_share(lasted, factor):
    assert factor_after(100, 100.01, 100.01 + lasted) == factor


def test_a_backlog_that_ends_says_nothing_about_the_next():
    claim_size = ClaimSize()
    for now in (100, 100.01, 100.02):
        claim_size.claimed(now, is_full=True)
    claim_size.claimed(100.03, is_full=False)
    assert claim_size.factor == 1
