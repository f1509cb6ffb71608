"""Who may call: hosts, origins, tokens; and the shape of every refusal."""

import pytest

from fairlead.api.access import COOKIE
from fairlead.api.dependencies import ApiSettings
from fairlead.errors import ConfigError
from tests.api.world import EXECUTE, ORDER, client_of, world

TOKENS = ApiSettings(tokens=(("alice", "alice-token-0123"), ("bob", "bob-token-01234")))
ALICE = {"authorization": "Bearer alice-token-0123"}
BOB = {"authorization": "bearer bob-token-01234"}


async def test_beyond_loopback_a_token_must_be_set():
    with pytest.raises(ConfigError) as raised:
        async with world(ApiSettings(on_loopback=False)):
            pass
    assert "FAIRLEAD_API_TOKEN" == raised.value.variable


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1", "127.9.9.9:1", "[::1]:3000"])
async def test_loopback_hosts_are_served(host: str):
    async with world() as here:
        assert 200 == (await here.client.get("/api/tokens", headers={"host": host})).status_code


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1:3000", ""])
@pytest.mark.parametrize("path", ["/api/tokens", "/health", "/", "/docs", "/api/orders", EXECUTE])
async def test_foreign_hosts_are_refused(host: str, path: str):
    async with world() as here:
        method = "POST" if path == EXECUTE else "GET"
        response = await here.client.request(method, path, headers={"host": host}, json={})
        assert (403, "host_not_allowed") == (response.status_code, response.json()["code"])


async def test_allowed_hosts_are_served():
    async with world(ApiSettings(allowed_hosts=("Desk.example",))) as here:
        for host in ("desk.example", "desk.example:8080"):
            assert 200 == (await here.client.get("/health", headers={"host": host})).status_code


async def test_pages_of_other_origins_are_refused_unless_allowed():
    async with world(ApiSettings(allowed_origins=("https://desk.example",))) as here:
        for origin, status in [
            ("http://evil.example", 403),
            ("null", 403),
            ("https://desk.example", 202),
            ("http://localhost", 202),
        ]:
            response = await here.post(ORDER, origin=origin)
            assert status == response.status_code, origin
            listed = await here.client.get("/api/orders", headers={"origin": origin})
            assert (status == 403) == (listed.status_code == 403)
        allowed = {"origin": "https://desk.example"}
        for response in (
            await here.post(ORDER, **allowed),
            await here.client.get("/api/orders", headers=allowed),
        ):
            assert "https://desk.example" == response.headers["access-control-allow-origin"]
        asked = {**allowed, "access-control-request-method": "POST"}
        preflight = await here.client.options(EXECUTE, headers=asked)
        assert 204 == preflight.status_code
        assert "idempotency-key" in preflight.headers["access-control-allow-headers"]


async def test_without_the_token_every_call_is_401_but_health_and_the_page():
    async with world(TOKENS) as here:
        for path in ("/api/orders", "/api/tokens", "/api/wallets", "/metrics", "/ready"):
            response = await here.client.get(path)
            assert (401, "Bearer") == (response.status_code, response.headers["www-authenticate"])
            assert "unauthorized" == response.json()["code"]
        assert 401 == (await here.post(ORDER)).status_code
        assert 401 == (await here.post(ORDER, authorization="Bearer wrong")).status_code
        assert 401 == (await here.post(ORDER, cookie=f"{COOKIE}=alice-token-0123")).status_code
        for path in ("/health", "/", "/docs", "/docs/start.js", "/docs/swagger-ui.css"):
            assert 200 == (await here.client.get(path)).status_code


async def test_principals_see_their_own_orders_only():
    async with world(TOKENS) as here:
        order_id = (await here.post(ORDER, **ALICE)).json()["orderId"]
        for path in (f"/api/orders/{order_id}", f"/api/orders/{order_id}/events"):
            assert 200 == (await here.client.get(path, headers=ALICE)).status_code
            assert 404 == (await here.client.get(path, headers=BOB)).status_code
        cancel = await here.client.delete(f"/api/orders/{order_id}", headers=BOB)
        assert 404 == cancel.status_code
        assert 1 == (await here.client.get("/api/orders", headers=ALICE)).json()["total"]
        assert 0 == (await here.client.get("/api/orders", headers=BOB)).json()["total"]


async def test_keys_are_unique_per_principal():
    async with world(TOKENS) as here:
        ids = {
            (await here.post(ORDER, **who, **{"idempotency-key": "same"})).json()["orderId"]
            for who in (ALICE, BOB)
        }
        assert 2 == len(ids)


async def test_event_streams_take_the_cookie():
    async with world(TOKENS) as here:
        order_id = (await here.post(ORDER, **ALICE)).json()["orderId"]
        await here.client.delete(f"/api/orders/{order_id}", headers=ALICE)
        asked = {"accept": "text/event-stream", "cookie": f"{COOKIE}=alice-token-0123"}
        path = f"/api/orders/{order_id}/events"
        assert 200 == (await here.client.get(path, headers=asked)).status_code
        assert 401 == (await here.client.get(path, headers={**asked, "cookie": ""})).status_code


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/orders/", 404, "not_found"),
        ("PUT", "/api/orders", 405, "method_not_allowed"),
        ("PATCH", EXECUTE, 405, "method_not_allowed"),
        ("POST", "/api/orders/01a1f77f-f5f4-7000-bfde-390a38b82cb2", 405, "method_not_allowed"),
        ("GET", EXECUTE, 426, "upgrade_required"),
        ("GET", "/ws", 426, "upgrade_required"),
        ("GET", "/api/orders/ws", 426, "upgrade_required"),
        ("GET", "/api/orders/xyz", 422, "invalid_request"),
        ("GET", "/api/orders/01a1f77f-f5f4-7000-bfde-390a38b82cb2", 404, "order_not_found"),
        ("DELETE", "/api/orders/01a1f77f-f5f4-7000-bfde-390a38b82cb2", 404, "order_not_found"),
        ("POST", "/api/orders/%00/cancel", 422, "invalid_request"),
        ("GET", "/api/orders?limit=0", 422, "invalid_request"),
        ("GET", "/api/orders?limit=201", 422, "invalid_request"),
        ("GET", "/api/orders?limit=1&limit=2", 422, "invalid_request"),
        ("GET", "/api/orders?colour=red", 422, "invalid_request"),
        ("GET", "/api/orders?status=lost", 422, "invalid_request"),
        ("GET", "/api/orders?cursor=%ff", 422, "invalid_request"),
        ("GET", "/api/orders?cursor=nonsense", 422, "invalid_request"),
        ("GET", "/api/orders?userId=a%00b", 422, "invalid_request"),
        ("GET", "/api/quotes", 422, "invalid_request"),
        ("GET", "/api/quotes?tokenIn=SOL&tokenOut=SOL&amountIn=1", 422, "invalid_request"),
        ("GET", "/api/quotes?tokenIn=SOL&tokenOut=USDC&amountIn=1e9", 422, "invalid_request"),
    ],
)
async def test_refusals_are_problems(method: str, path: str, status: int, code: str):
    async with world() as here:
        response = await here.client.request(method, path)
        assert (status, code) == (response.status_code, response.json()["code"]), response.text
        assert "application/problem+json" == response.headers["content-type"]
        if status == 405:
            assert response.headers["allow"]


async def test_the_page_and_the_docs_load_nothing_from_elsewhere():
    async with world() as here, client_of(here.api) as client:
        for path in ("/", "/docs"):
            page = await client.get(path)
            assert "://" not in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in ("/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js"):
            assert 200 == (await client.get(path)).status_code
        assert 404 == (await client.get("/docs/index.html")).status_code


async def test_the_docs_page_can_read_the_version_that_the_api_describes_itself_in():
    async with world() as here, client_of(here.api) as client:
        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")
        assert "isOAS31" in (await client.get("/docs/swagger-ui-bundle.js")).text
