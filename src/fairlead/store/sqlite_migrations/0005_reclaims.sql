-- What ended orders have lent to their latches, and what takes it back:
-- docs/decisions/0018-reclaiming-rent.md. Written behind the feed of events, so that no order pays for it.
CREATE TABLE latches (
    address TEXT PRIMARY KEY,
    order_id TEXT NOT NULL REFERENCES orders,
    generation INTEGER NOT NULL,
    -- Of the newest blockhash of all attempts of the order, or later: a reclaim of it alone failed.
    due_after_height INTEGER NOT NULL,
    -- Whether an attempt took it, which then lent it the rent.
    taken INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'reclaiming', 'reclaimed', 'absent')),
    -- Reclaims with it that failed.
    failures INTEGER NOT NULL DEFAULT 0,
    -- Of the last reclaim with it.
    reclaim TEXT
);
CREATE INDEX latches_due ON latches (due_after_height, address) WHERE state = 'waiting';

-- One signed transaction each, stored before its first byte leaves.
CREATE TABLE reclaims (
    signature TEXT PRIMARY KEY,
    wallet TEXT NOT NULL,
    raw BLOB NOT NULL,
    blockhash_slot INTEGER NOT NULL,
    blockhash_height INTEGER NOT NULL,
    -- A JSON array of addresses.
    latches TEXT NOT NULL,
    lamports INTEGER NOT NULL,
    fee_lamports INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'succeeded', 'errored', 'dead')),
    slot INTEGER,
    error TEXT
);
CREATE INDEX reclaims_live ON reclaims (created_at_ms, signature) WHERE state = 'live';

-- One row: up to which event the latches of ended orders are noted, and sums over `latches` and `reclaims`.
CREATE TABLE lent (
    position INTEGER NOT NULL,
    latches INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    reclaimed_lamports INTEGER NOT NULL
);
INSERT INTO lent VALUES (0, 0, 0, 0);
