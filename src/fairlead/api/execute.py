"""POST /api/orders/execute: from bytes to a durable order. The hot path of the API.

It is one ASGI function without request objects or middleware. Nothing is decided here: the dialect
reads the body, `orders/intake` says what is agreed, `orders/risk` what is held back.
"""

from typing import Any

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from fairlead.api import dialects
from fairlead.api.access import Access, Headers, headers_of
from fairlead.api.bodies import Disconnected, check_json, decode_object, read_body
from fairlead.api.dependencies import ApiDependencies
from fairlead.api.gate import Gate
from fairlead.api.problems import invalid, problem_answer
from fairlead.api.queries import number_form, query_of
from fairlead.api.schemas import AcceptedAnswer, Links
from fairlead.api.unlisted import tokens_with
from fairlead.errors import FairleadError, InvalidOrder, Overloaded, Rejected, WriteOutcomeUnknown
from fairlead.orders import intake, risk
from fairlead.orders.acceptance import new_order
from fairlead.orders.model import NewOrder, OrderTerms, OrderType
from fairlead.ports import Accepted, Hand

MAX_KEY_LENGTH = 255
IDEMPOTENCY_KEY = b"idempotency-key"
ACCEPTED = "Order accepted"
ACCEPTED_TO_REST = "Order accepted: it rests until its limit price can be had"
_PARAMETERS = frozenset({"numbers"})
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotent-replayed", b"true")
Header = tuple[bytes, bytes]
Answer = tuple[int, list[Header], bytes]
"""Status, headers and body."""
_log = structlog.get_logger("fairlead.api")
_encode = msgspec.json.Encoder().encode


class Execute:
    """Accepts orders."""

    def __init__(self, deps: ApiDependencies, access: Access, gate: Gate) -> None:
        self._store = deps.store
        self._hands = deps.hands
        self._clock = deps.clock
        self._wallet = deps.wallet
        self._balances = deps.balances
        self._accepts = deps.metrics.accepts
        self._news = self._accepts.child("accepted")
        self._replays = self._accepts.child("replayed")
        self._rules = deps.settings.rules
        self._find = self._rules.tokens.find
        self._mints = deps.mints
        self._max_body = deps.settings.max_body_bytes
        self._access = access
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = {}
        try:
            headers = headers_of(scope)
            caller = self.caller(headers)
            if scope["query_string"]:
                number_form(query_of(scope, _PARAMETERS))
            sent = await read_body(headers, receive, self._max_body)
        except FairleadError as error:
            status, extra, body = self._refused(error)
        except Disconnected:
            return
        except Exception as error:
            status, extra, body = self._broken(error)
        else:
            status, extra, body = await self.answer(caller, headers.get(IDEMPOTENCY_KEY), sent)
        origin = self._access.allowed_origin(headers)
        if origin is not None:
            extra.append((b"access-control-allow-origin", origin))
        await send({"type": "http.response.start", "status": status, "headers": extra})
        await send({"type": "http.response.body", "body": body})

    def caller(self, headers: Headers) -> str:
        """The principal, if these headers, whatever follows them, may bring an order."""
        principal = self._access.principal(headers)
        check_json(headers)
        return principal

    async def answer(self, principal: str, raw_key: bytes | None, body: bytes) -> Answer:
        """What to answer to this body; it never raises."""
        try:
            key = _checked_key(raw_key)
            sent = decode_object(body)
            request = dialects.read_order(sent)
            hashed = dialects.request_hash(sent) if key is not None else dialects.UNHASHED
            try:
                accepted, terms = await self._accept(request, sent, principal, key, hashed)
            except FairleadError:
                # What was accepted before is answered again, whatever holds now: the expiry may
                # have passed, the engine may be full or about to stop.
                replayed = await self._replay(principal, key, hashed)
                if replayed is None:
                    raise
                accepted, terms = replayed
            return self._told(accepted, terms)
        except FairleadError as error:
            return self._refused(error)
        except Exception as error:
            return self._broken(error)

    def _broken(self, bug: Exception) -> Answer:
        _log.exception("accept_failed")  # its text stays here
        return problem_answer(bug)

    def _refused(self, error: FairleadError) -> Answer:
        self._accepts.child(error.code).inc()
        return problem_answer(error)

    def _told(self, accepted: Accepted, terms: OrderTerms) -> Answer:
        body = _encode(_accepted_answer(accepted.order_id, terms))
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        if accepted.replayed:
            headers.append(_REPLAYED)
            self._replays.inc()
        else:
            self._news.inc()
        return 202, headers, body

    async def _accept(
        self,
        request: intake.OrderRequest,
        sent: dict[str, Any],
        principal: str,
        key: str | None,
        hashed: bytes,
    ) -> tuple[Accepted, OrderTerms]:
        if not self._gate.is_open:
            await self._gate.check()
        now_ms = self._clock.now_ms()
        rules, find = self._rules, self._find
        if find(request.token_in) is None or find(request.token_out) is None:
            rules = await self._with_unlisted(request, rules)
        try:
            wallet = self._wallet
            terms = intake.agree(
                request, rules, wallet.default_address, wallet.held_address, now_ms
            )
        except InvalidOrder as error:
            raise dialects.as_sent(error, sent) from None
        if terms.type is not OrderType.MARKET:
            await self._gate.check_resting()
        needed = risk.needs(terms)
        balances = await self._balances.of(terms.wallet, [asset for asset, _ in needed])
        order = new_order(
            self._clock.new_id(),
            principal,
            key,
            hashed,
            terms,
            self._clock.random_bytes(32),
            now_ms,
            risk.reservations(terms, needed, balances),
        )
        accepted = await self._stored(order)
        if accepted.replayed:
            terms = await self._terms_of(accepted.order_id)
        elif order.trigger is not None:
            self._gate.resting += 1
        elif accepted.claimed is None:
            self._gate.waiting += 1
        return accepted, terms

    async def _with_unlisted(
        self, request: intake.OrderRequest, rules: intake.IntakeRules
    ) -> intake.IntakeRules:
        """The rules with the tokens that are named by their mints."""
        names = (request.token_in, request.token_out)
        tokens = await tokens_with(names, rules.tokens, self._mints)
        return msgspec.structs.replace(rules, tokens=tokens)

    async def _stored(self, order: NewOrder) -> Accepted:
        # Nobody begins an order that rests: only its trigger sets it going.
        hands = self._hands if order.trigger is None else None
        hand = None if hands is None else hands.begin(order)
        try:
            if hand is None:
                return await self._store.accept(order)
            return await self._begun(order, hand)
        except WriteOutcomeUnknown:
            # The commit may have been made: only the store knows.
            if await self._store.order(order.order_id) is None:
                raise
            return Accepted(order.order_id, replayed=False)

    async def _begun(self, order: NewOrder, hand: Hand) -> Accepted:
        """Accept the order as claimed for the hand that has begun it."""
        try:
            accepted = await self._store.accept(order, hand.owner)
        except (Rejected, Overloaded):
            hand.put_back()
            raise
        except BaseException:
            # Cancelled too: the commit may be under way, and nobody else would drive the order.
            hand.doubt()
            raise
        if accepted.replayed:
            hand.put_back()
        elif accepted.claimed is None:
            hand.doubt()
        return accepted

    async def _replay(
        self, principal: str, key: str | None, hashed: bytes
    ) -> tuple[Accepted, OrderTerms] | None:
        if key is None:
            return None
        accepted = await self._store.replay(principal, key, hashed)
        if accepted is None:
            return None
        return Accepted(accepted.order_id, replayed=True), await self._terms_of(accepted.order_id)

    async def _terms_of(self, order_id: str) -> OrderTerms:
        order = await self._store.order(order_id)
        assert order is not None, "a key leads to its order, in the same commit"
        return order.terms


def _checked_key(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    key = raw.decode("latin-1")
    if not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        message = f"must have 1 to {MAX_KEY_LENGTH} printable ASCII characters"
        raise invalid("Idempotency-Key", "invalid_key", message)
    return key


def _accepted_answer(order_id: str, terms: OrderTerms) -> AcceptedAnswer:
    links = Links(
        f"/api/orders/{order_id}", f"/api/orders/{order_id}/events", f"/ws/orders/{order_id}"
    )
    message = ACCEPTED if terms.type is OrderType.MARKET else ACCEPTED_TO_REST
    if terms.wallet == terms.wallet_address:
        return AcceptedAnswer(True, order_id, "pending", message, links)
    return AcceptedAnswer(
        True,
        order_id,
        "pending",
        message,
        links,
        terms.wallet,
        terms.wallet_address,
    )
