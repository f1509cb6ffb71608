"""The lifecycle is the status table of the API contract, neither more nor less."""

import pytest

from fairlead.orders import lifecycle
from fairlead.orders.model import EventType as E
from fairlead.orders.model import OrderStatus as S

# The status table of docs/how-an-order-lives.md: from -> to.
CONTRACT = {
    (None, S.PENDING),
    (S.PENDING, S.OPEN),
    *((s, S.ROUTING) for s in (S.PENDING, S.OPEN)),
    (S.ROUTING, S.BUILDING),
    (S.BUILDING, S.SUBMITTED),
    (S.SUBMITTED, S.CONFIRMED),
    (S.CONFIRMED, S.SUBMITTED),
    (S.CONFIRMED, S.CANCELLING),
    *((s, S.ROUTING) for s in (S.ROUTING, S.BUILDING, S.SUBMITTED)),
    *((s, S.OPEN) for s in (S.ROUTING, S.BUILDING, S.SUBMITTED)),
    *((s, S.FAILED) for s in (S.ROUTING, S.BUILDING, S.SUBMITTED)),
    *((s, e) for s in (S.PENDING, S.OPEN, S.ROUTING, S.BUILDING) for e in (S.CANCELLED, S.EXPIRED)),
    *((s, S.CANCELLING) for s in (S.ROUTING, S.BUILDING, S.SUBMITTED)),
    *((S.CANCELLING, s) for s in (S.CONFIRMED, S.CANCELLED, S.EXPIRED)),
}


def test_every_change_of_status_is_in_the_contract_and_every_one_there_can_happen() -> None:
    changes = {(a, b) for (a, _), b in lifecycle.TRANSITIONS.items() if a is not b}
    same_in_contract = {(a, b) for a, b in CONTRACT if a is b}
    assert CONTRACT - same_in_contract == changes
    assert lifecycle.status_after(S.ROUTING, E.ROUND_FAILED) is S.ROUTING


@pytest.mark.parametrize("status", sorted(lifecycle.ENDED))
@pytest.mark.parametrize("event", list(E))
def test_nothing_happens_to_an_order_that_has_ended(status: S, event: E) -> None:
    with pytest.raises(lifecycle.IllegalTransition):
        lifecycle.status_after(status, event)


def test_a_confirmed_order_cannot_fail_or_be_cancelled() -> None:
    for event in (E.FAILED, E.CANCELLED, E.EXPIRED, E.ROUND_FAILED, E.CLAIMED):
        with pytest.raises(lifecycle.IllegalTransition):
            lifecycle.status_after(S.CONFIRMED, event)
