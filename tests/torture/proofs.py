"""The proof bundle of every order that has ended, judged by the checker that needs nothing else."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import aiohttp

from fairlead import proofcheck
from tests.torture.facts import Facts, Violation

AT_ONCE = 8

_ATTEMPTS = 20
_AGAIN_AFTER_S = 0.25
_TIMEOUT_S = 30.0
_GONE = (aiohttp.ClientError, OSError, TimeoutError)


class Verdict(NamedTuple):
    """What the checker says, and why."""

    verdict: str
    why: str


Verdicts = Mapping[str, Verdict]


async def ask(facts: Facts, apis: Sequence[str]) -> Verdicts:
    """Of every order that has ended, by its id."""
    places = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def one(number: int, order_id: str) -> tuple[str, Verdict]:
            url = f"http://{apis[number % len(apis)]}/api/orders/{order_id}/proof"
            async with places:
                bundle = await _bundle(session, url)
            if isinstance(bundle, Verdict):
                return order_id, bundle
            return order_id, Verdict(*await asyncio.to_thread(proofcheck.check, bundle))

        ended = [order_id for order_id, row in facts.orders.items() if row.ended]
        return dict(await asyncio.gather(*(one(n, each) for n, each in enumerate(ended))))


async def _bundle(session: aiohttp.ClientSession, url: str) -> bytes | Verdict:
    """Its bytes as answered; a verdict of its own where there is none."""
    seen = "no answer"
    for _ in range(_ATTEMPTS):
        try:
            async with session.get(url) as answer:
                body = await answer.read()
                if answer.status == 200:
                    return body
                seen = f"{answer.status} {body[:200]!r}"
                if answer.status != 503:
                    break
        except _GONE as error:
            seen = f"no answer: {error!r}"
        # It has just been through a storm: give it time to find its servers again.
        await asyncio.sleep(_AGAIN_AFTER_S)
    return Verdict("no bundle", seen)


def figures(verdicts: Verdicts) -> dict[str, int]:
    """Orders by verdict."""
    return dict(sorted(Counter(each.verdict for each in verdicts.values()).items()))


def check(facts: Facts, verdicts: Verdicts) -> Iterator[Violation]:
    """Pure: every order that has ended is proven, or nothing was ever signed for it."""
    signed = facts.attempts_by_order()
    for order_id, row in facts.orders.items():
        if not row.ended:
            continue
        found = verdicts.get(order_id, Verdict("no bundle", "was not asked for"))
        is_bare = order_id not in signed
        is_accepted = found.verdict.startswith("proven (") or (
            is_bare and found.verdict == proofcheck.NOTHING_SIGNED
        )
        if not is_accepted:
            text = f"{row.status}, {len(signed.get(order_id, ()))} attempts: "
            text += f"{found.verdict}: {found.why}"
            yield Violation("the proof of an end is accepted", text, order_id)
