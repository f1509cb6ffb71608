"""Every error fairlead raises on purpose, named by what the caller should do.

FairleadError
├── Rejected          the request is wrong: tell the user, change nothing
│   ├── InvalidOrder        one or more fields are wrong (carries them)
│   ├── IdempotencyConflict the key was used with other terms
│   ├── OrderNotFound
│   ├── InsufficientFunds   the wallet cannot pay for it (carries the numbers)
│   ├── CannotCancel        the order is past the point of cancelling
│   └── NotEnded            there is no end yet to be proven
├── Transient         try again by policy: nothing happened, or asking again is free of risk
│   ├── Overloaded          too much is waiting (carries retry_after_s)
│   ├── Unavailable         a store, bus or chain does not answer
│   └── Fenced              somebody else owns this order now: drop it, read it again
├── UnknownOutcome    it may have happened: read the chain before anything else, never sign again
├── WriteOutcomeUnknown     the commit may have happened: read the store before anything else
├── ConfigError       the start stops: names the variable and the fix
└── (bugs are AssertionError: stop)

Venue failures live in `fairlead.venues.venue` (VenueError), program failures of the ledger in
`fairlead.ledger`.
"""

import msgspec


class FairleadError(Exception):
    """Base of all. `code` is stable API, from the list in docs/errors.md."""

    code = "internal"


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    code: str
    message: str


class Rejected(FairleadError):
    code = "rejected"


class InvalidOrder(Rejected):
    code = "invalid_request"

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{e.field} {e.message}" for e in errors))
        self.errors = errors


class IdempotencyConflict(Rejected):
    code = "idempotency_conflict"

    def __init__(self, order_id: str) -> None:
        super().__init__("this Idempotency-Key was used for an order with other terms")
        self.order_id = order_id


class OrderNotFound(Rejected):
    code = "order_not_found"

    def __init__(self, order_id: str) -> None:
        super().__init__(f"no order {order_id}")
        self.order_id = order_id


class InsufficientFunds(Rejected):
    """`asset` is a mint or "lamports"; all amounts in atoms of it."""

    code = "insufficient_funds"

    def __init__(
        self, asset: str, needed_atoms: int, balance_atoms: int, reserved_atoms: int
    ) -> None:
        super().__init__(
            f"needs {needed_atoms} of {asset}; the wallet holds {balance_atoms}, of which"
            f" {reserved_atoms} are reserved by live orders"
        )
        self.asset = asset
        self.needed_atoms = needed_atoms
        self.balance_atoms = balance_atoms
        self.reserved_atoms = reserved_atoms


class CannotCancel(Rejected):
    """The order is confirmed or has ended; `status` says which."""

    def __init__(self, order_id: str, status: str) -> None:
        super().__init__(f"order {order_id} is {status}")
        self.order_id = order_id
        self.status = status
        self.code = f"already_{status}"


class NotEnded(Rejected):
    """The order goes on: its end cannot be proven before there is one."""

    code = "not_ended"

    def __init__(self, order_id: str, status: str) -> None:
        super().__init__(f"order {order_id} is {status}: its end is yet to come")
        self.order_id = order_id
        self.status = status


class Transient(FairleadError):
    code = "unavailable"


class Overloaded(Transient):
    code = "overloaded"

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{waiting} orders are waiting")
        self.waiting = waiting
        self.retry_after_s = retry_after_s


class Unavailable(Transient):
    """`part` is store, bus or chain."""

    def __init__(self, part: str, detail: str) -> None:
        super().__init__(f"{part} does not answer: {detail}")
        self.part = part


class Fenced(Transient):
    code = "fenced"

    def __init__(self, order_id: str) -> None:
        super().__init__(f"order {order_id} was changed by somebody else")
        self.order_id = order_id


class UnknownOutcome(FairleadError):
    code = "unknown_outcome"


class WriteOutcomeUnknown(FairleadError):
    """The connection broke in a commit: it may have been made. Read before doing anything else."""

    code = "write_outcome_unknown"


class ConfigError(FairleadError):
    """`variable` names what to change; the message says how."""

    code = "config"

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable}: {message}")
        self.variable = variable
