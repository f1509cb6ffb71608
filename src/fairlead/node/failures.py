"""Error answers of Solana JSON-RPC, with the cluster's own codes and words (agave
`rpc-client-api`)."""

from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
SIMULATION_FAILED = -32002
SIGNATURE_VERIFICATION_FAILED = -32003
NODE_UNHEALTHY = -32005
SCAN_ERROR = -32012
UNSUPPORTED_TRANSACTION_VERSION = -32015
MIN_CONTEXT_SLOT_NOT_REACHED = -32016


class RpcFailure(Exception):
    """An error answer. `data` is any JSON value."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def answer(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def invalid_params(why: str) -> RpcFailure:
    return RpcFailure(INVALID_PARAMS, f"Invalid params: {why}.")


def simulation_failed(err: Any, logs: tuple[str, ...], compute_units: int) -> RpcFailure:
    """What preflight answers when the transaction would not succeed."""
    words = {
        "BlockhashNotFound": "Blockhash not found",
        "AlreadyProcessed": "This transaction has already been processed",
        "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
        "InsufficientFundsForFee": "Insufficient funds for fee",
    }
    if isinstance(err, dict) and "InstructionError" in err:
        index, what = err["InstructionError"]
        number = what.get("Custom") if isinstance(what, dict) else None
        text = f"custom program error: {number:#x}" if number is not None else str(what)
        said = f"Error processing Instruction {index}: {text}"
    else:
        said = words.get(str(err), str(err))
    data = {"err": err, "logs": logs, "accounts": None, "unitsConsumed": compute_units}
    return RpcFailure(SIMULATION_FAILED, f"Transaction simulation failed: {said}", data)


def min_context_slot_not_reached(slot: int) -> RpcFailure:
    return RpcFailure(
        MIN_CONTEXT_SLOT_NOT_REACHED,
        "Minimum context slot has not been reached",
        {"contextSlot": slot},
    )
