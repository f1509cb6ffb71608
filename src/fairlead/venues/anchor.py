"""Anchor's own error numbers: what a program built with it answers before or beside its own errors.

Source: anchor-lang `error.rs` (Apache-2.0), the numbers that a swap can meet.
"""

from fairlead.venues.venue import ErrorClass, VenueError

FIRST_PROGRAM_ERROR = 6000
"""Numbers from here on belong to the program; those below to Anchor."""

ANCHOR_ERRORS: dict[int, tuple[str, str]] = {
    100: ("InstructionMissing", "Instruction discriminator not provided"),
    101: ("InstructionFallbackNotFound", "Fallback functions are not supported"),
    102: (
        "InstructionDidNotDeserialize",
        "The program could not deserialize the given instruction",
    ),
    2000: ("ConstraintMut", "A mut constraint was violated"),
    2001: ("ConstraintHasOne", "A has one constraint was violated"),
    2003: ("ConstraintRaw", "A raw constraint was violated"),
    2006: ("ConstraintSeeds", "A seeds constraint was violated"),
    2012: ("ConstraintAddress", "An address constraint was violated"),
    2014: ("ConstraintTokenMint", "A token mint constraint was violated"),
    2021: ("ConstraintTokenTokenProgram", "A token account token program constraint was violated"),
    2501: ("RequireEqViolated", "A require_eq expression was violated"),
    2502: ("RequireKeysEqViolated", "A require_keys_eq expression was violated"),
    2505: ("RequireGtViolated", "A require_gt expression was violated"),
    2506: ("RequireGteViolated", "A require_gte expression was violated"),
    3001: ("AccountDiscriminatorNotFound", "No 8 byte discriminator was found on the account"),
    3002: ("AccountDiscriminatorMismatch", "Account discriminator did not match what was expected"),
    3003: ("AccountDidNotDeserialize", "Failed to deserialize the account"),
    3005: ("AccountNotEnoughKeys", "Not enough account keys given to the instruction"),
    3006: ("AccountNotMutable", "The given account is not mutable"),
    3007: (
        "AccountOwnedByWrongProgram",
        "The given account is owned by a different program than expected",
    ),
    3008: ("InvalidProgramId", "Program ID was not as expected"),
    3010: ("AccountNotSigner", "The given account did not sign"),
    3012: ("AccountNotInitialized", "The program expected this account to be already initialized"),
}

REQUIRE_GT_VIOLATED = 2505
REQUIRE_GTE_VIOLATED = 2506


def anchor_error(code: int, detail: str = "") -> VenueError:
    """One of Anchor's errors; they never pass by waiting or by quoting again."""
    return VenueError(ErrorClass.TERMINAL, ANCHOR_ERRORS[code][0], code, detail)


def anchor_log(error: VenueError, own_errors: dict[int, tuple[str, str]]) -> str:
    """The log line of an Anchor program for a numbered refusal."""
    assert error.code is not None
    table = own_errors if error.code >= FIRST_PROGRAM_ERROR else ANCHOR_ERRORS
    message = table[error.code][1]
    return (
        f"Program log: AnchorError occurred. Error Code: {error.name}. "
        f"Error Number: {error.code}. Error Message: {message}."
    )
