"""The swap in a plain transaction of the engine's: what it moves, or None where a check fails.

Exact in, both tokens of SPL Token, no referral; anything else goes the general way, as does all
that the venue's maths refuse (`VenueError`).
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from fairlead.ledger.account import AccountState
from fairlead.ledger.program import Process
from fairlead.ledger.programs import meteora_damm_v2, raydium_cpmm
from fairlead.ledger.programs.token_data import TOKEN_PROGRAM, amount_of
from fairlead.venues.meteora import damm_v2, damm_v2_accounts, damm_v2_swap
from fairlead.venues.raydium import cpmm, cpmm_accounts, cpmm_swap
from fairlead.venues.venue import ChainTime

_NO_FEES = (None, None)


class Moved(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a swap does. Accounts are indexes into the message's keys."""

    pool_data: bytes
    into_vault_atoms: int
    out_of_vault_atoms: int
    vault_in: int
    vault_out: int
    mint_in: int
    mint_out: int
    # A line that the program logs.
    event: str | None


class MeteoraLeg(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A `swap2` of Meteora DAMM v2."""

    pool: int
    vaults: tuple[int, int]
    mints: tuple[int, int]
    # The keys of mints and vaults, as the pool must name them.
    named: bytes
    amount_in: int
    minimum_out: int

    def moved(
        self, before: Sequence[AccountState], token_in: bytes, time: ChainTime
    ) -> Moved | None:
        """What it moves for a user whose input account holds `token_in`."""
        state = before[self.pool]
        data = state.data
        if (
            state.owner != meteora_damm_v2.PROGRAM_ID
            or len(data) != damm_v2_accounts.POOL_SIZE
            or data[:8] != damm_v2_accounts.POOL_DISCRIMINATOR
            or data[168:296] != self.named
        ):
            return None
        numbers = damm_v2_accounts.decode_numbers(data)
        point = damm_v2_swap.point_of(numbers, time)
        damm_v2_swap.check_open(numbers, point)
        a_to_b = token_in == data[168:200]
        if numbers.base_fee.rate_limiter_applies(a_to_b, point, numbers.activation_point):
            return None
        swap = damm_v2_swap.swap_in(numbers, _NO_FEES, a_to_b, self.amount_in, point)
        if swap.amount_out < self.minimum_out:
            return None
        after = damm_v2_swap.after_swap(data, numbers, swap, a_to_b, time.unix_timestamp)
        (vault_in, vault_out), (mint_in, mint_out) = self.vaults, self.mints
        if not a_to_b:
            vault_in, vault_out, mint_in, mint_out = vault_out, vault_in, mint_out, mint_in
        return Moved(
            after.pool_data,
            after.into_vault_atoms,
            after.out_of_vault_atoms,
            vault_in,
            vault_out,
            mint_in,
            mint_out,
            None,
        )


class RaydiumLeg(msgspec.Struct, frozen=True, gc=False, eq=False):
    """A `swap_base_input` of Raydium CPMM."""

    pool: int
    config: int
    observation: int
    vaults: tuple[int, int]
    mints: tuple[int, int]
    # Keys: config and observation; pool, vaults and mints.
    config_key: bytes
    observation_key: bytes
    pool_key: bytes
    vault_keys: tuple[bytes, bytes]
    mint_keys: tuple[bytes, bytes]
    amount_in: int
    minimum_out: int

    def moved(
        self, before: Sequence[AccountState], token_in: bytes, time: ChainTime
    ) -> Moved | None:
        """What it moves."""
        state = before[self.pool]
        data = state.data
        vault_in, vault_out = self.vaults
        zero_for_one = self.vault_keys[0] == data[72:104]
        first, second = self.vault_keys if zero_for_one else self.vault_keys[::-1]
        if (
            state.owner != raydium_cpmm.PROGRAM_ID
            or len(data) != cpmm_accounts.POOL_SIZE
            or data[:8] != cpmm_accounts.POOL_DISCRIMINATOR
            or data[72:136] != first + second
            or not self._is_configured(before, data)
        ):
            return None
        numbers = cpmm_accounts.decode_numbers(data)
        rates = cpmm_accounts.decode_rates(before[self.config].data)
        cpmm_swap.check_open(numbers, time.unix_timestamp)
        atoms = (amount_of(before[vault_in].data), amount_of(before[vault_out].data))
        if not zero_for_one:
            atoms = atoms[::-1]
        swap = cpmm_swap.exact_in(numbers, rates, atoms, _NO_FEES, zero_for_one, self.amount_in)
        if swap.amount_out < self.minimum_out:
            return None
        event = raydium_cpmm.event_line(self.pool_key, *self.mint_keys, swap, 0, True)
        after = cpmm_swap.after_swap(data, zero_for_one, swap, time.epoch)
        return Moved(
            after.pool_data,
            after.into_vault_atoms,
            after.out_of_vault_atoms,
            vault_in,
            vault_out,
            *self.mints,
            event,
        )

    def _is_configured(self, before: Sequence[AccountState], pool_data: bytes) -> bool:
        config, observation = before[self.config], before[self.observation]
        return (
            config.owner == observation.owner == raydium_cpmm.PROGRAM_ID
            and len(config.data) == cpmm_accounts.CONFIG_SIZE
            and config.data[:8] == cpmm_accounts.CONFIG_DISCRIMINATOR
            and len(observation.data) == cpmm_accounts.OBSERVATION_SIZE
            and observation.data[:8] == cpmm_accounts.OBSERVATION_DISCRIMINATOR
            and pool_data[8:40] == self.config_key
            and pool_data[296:328] == self.observation_key
        )


Leg = MeteoraLeg | RaydiumLeg


class SwapForm(msgspec.Struct, frozen=True, gc=False, eq=False):
    """How a venue's instruction names its accounts: places among them."""

    count: int
    user: int
    pool: int
    user_in: int
    user_out: int
    vaults: tuple[int, int]
    # Besides the pool and the four token accounts.
    writable: tuple[int, ...]
    # Owner of the vaults.
    authority: bytes
    # What the program logs first.
    line: str
    # From account indexes, the message's keys and the instruction's data; None where in doubt.
    leg: Callable[[Sequence[int], Sequence[bytes], bytes], Leg | None]


def _meteora_leg(at: Sequence[int], keys: Sequence[bytes], data: bytes) -> Leg | None:
    if len(data) != damm_v2.SWAP2_ARGUMENTS.size:
        return None
    kind, amount_in, minimum_out, mode = damm_v2.SWAP2_ARGUMENTS.unpack(data)
    if (
        kind != damm_v2.SWAP2
        or mode != damm_v2_swap.EXACT_IN
        or keys[at[0]] != meteora_damm_v2.POOL_AUTHORITY
        or keys[at[9]] != TOKEN_PROGRAM
        or keys[at[10]] != TOKEN_PROGRAM
        or keys[at[11]] != meteora_damm_v2.PROGRAM_ID
        or keys[at[12]] != meteora_damm_v2.EVENT_AUTHORITY
    ):
        return None
    named = keys[at[6]] + keys[at[7]] + keys[at[4]] + keys[at[5]]
    return MeteoraLeg(at[1], (at[4], at[5]), (at[6], at[7]), named, amount_in, minimum_out)


def _raydium_leg(at: Sequence[int], keys: Sequence[bytes], data: bytes) -> Leg | None:
    if len(data) != cpmm.SWAP_ARGUMENTS.size:
        return None
    kind, amount_in, minimum_out = cpmm.SWAP_ARGUMENTS.unpack(data)
    if (
        kind != cpmm.SWAP_BASE_INPUT
        or keys[at[1]] != raydium_cpmm.AUTHORITY
        or keys[at[8]] != TOKEN_PROGRAM
        or keys[at[9]] != TOKEN_PROGRAM
    ):
        return None
    return RaydiumLeg(
        at[3],
        at[2],
        at[12],
        (at[6], at[7]),
        (at[10], at[11]),
        keys[at[2]],
        keys[at[12]],
        keys[at[3]],
        (keys[at[6]], keys[at[7]]),
        (keys[at[10]], keys[at[11]]),
        amount_in,
        minimum_out,
    )


SWAP_FORMS: Mapping[Process, SwapForm] = {
    meteora_damm_v2.process: SwapForm(
        meteora_damm_v2.ACCOUNTS, 8, 1, 2, 3, (4, 5), (), meteora_damm_v2.POOL_AUTHORITY,
        "Program log: Instruction: Swap2", _meteora_leg,
    ),
    raydium_cpmm.process: SwapForm(
        raydium_cpmm.ACCOUNTS, 0, 3, 4, 5, (6, 7), (12,), raydium_cpmm.AUTHORITY,
        "Program log: Instruction: SwapBaseInput", _raydium_leg,
    ),
}  # fmt: skip
"""By the function that runs the venue's program."""
