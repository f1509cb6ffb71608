"""The Python client: typed answers, safe retries, streams that lose nothing.

async with Client() as fairlead:
    order = await fairlead.submit("SOL", "USDC", "1.5")
    async for update in fairlead.watch(order.order_id):
        print(update.status)
"""

from fairlead.client.answers import (
    AlternativeRoute,
    Attempt,
    Cancellation,
    Leftover,
    Leg,
    Order,
    OrderList,
    Pool,
    Pools,
    Quote,
    Quotes,
    Reserve,
    Submitted,
    Token,
    Update,
)
from fairlead.client.client import Client
from fairlead.client.failures import (
    NotAuthorized,
    RequestRejected,
    SubmitOutcomeUnknown,
    TooManyResting,
)

__all__ = [
    "Client",
    # Answers
    "Submitted",
    "Order",
    "OrderList",
    "Cancellation",
    "Attempt",
    "Leg",
    "Leftover",
    "Quote",
    "Quotes",
    "AlternativeRoute",
    "Token",
    "Pools",
    "Pool",
    "Reserve",
    "Update",
    # Errors, besides those of fairlead.errors
    "NotAuthorized",
    "RequestRejected",
    "SubmitOutcomeUnknown",
    "TooManyResting",
]
