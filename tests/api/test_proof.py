"""GET /api/orders/{orderId}/proof: what proves an end, once there is one."""

import pytest

from fairlead.proofcheck import NOT_PROVEN, NOTHING_SIGNED, REFUSED, check
from tests.api.test_orders import finalized
from tests.api.world import world

NOBODY = "01977f2a-0000-7000-8000-000000000001"


async def test_an_order_that_was_cancelled_unsigned_says_so():
    async with world() as here:
        order_id = await here.accepted()
        assert 200 == (await here.client.delete(f"/api/orders/{order_id}")).status_code
        answer = await here.client.get(f"/api/orders/{order_id}/proof")
        assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
        assert NOTHING_SIGNED == check(answer.content)[0]
        assert order_id == answer.json()["order"]["orderId"]


async def test_an_end_whose_evidence_was_not_kept_is_given_and_proves_nothing():
    async with world() as here:
        await here.accepted()
        order = await finalized(here, await here.claimed())
        answer = await here.client.get(f"/api/orders/{order.order_id}/proof")
        assert 200 == answer.status_code
        (attempt,) = answer.json()["attempts"]
        assert ("succeeded", None) == (attempt["state"], attempt["evidence"])
        assert check(answer.content)[0] in (NOT_PROVEN, REFUSED)


async def test_an_order_that_goes_on_has_no_proof_yet():
    async with world() as here:
        order_id = await here.accepted()
        answer = await here.client.get(f"/api/orders/{order_id}/proof")
        problem = answer.json()
        assert (409, "not_ended") == (answer.status_code, problem["code"])
        assert (order_id, "pending") == (problem["orderId"], problem["orderStatus"])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/api/orders/{NOBODY}/proof", 404, "order_not_found"),
        ("/api/orders/x/proof", 422, "invalid_request"),
        (f"/api/orders/{NOBODY}/proof?form=short", 422, "invalid_request"),
    ],
)
async def test_what_is_asked_wrongly_is_refused(path: str, status: int, code: str):
    async with world() as here:
        answer = await here.client.get(path)
        assert "application/problem+json" == answer.headers["content-type"]
        assert (status, code) == (answer.status_code, answer.json()["code"])
