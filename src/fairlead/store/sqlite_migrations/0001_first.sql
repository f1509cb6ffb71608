-- Tables with rows of more than a few hundred bytes keep their rowid: without it, SQLite moves what exceeds
-- a quarter of a page elsewhere.

-- What was agreed when an order was accepted. Written once.
CREATE TABLE terms (
    order_id TEXT PRIMARY KEY,
    principal TEXT NOT NULL,
    idempotency_key TEXT,
    request_hash BLOB NOT NULL,
    -- The latch addresses derive from it.
    secret BLOB NOT NULL,
    user_id TEXT,
    wallet TEXT NOT NULL,
    wallet_address TEXT NOT NULL,
    type TEXT NOT NULL,
    -- The whole agreement as JSON (orders.model.OrderTerms).
    terms TEXT NOT NULL,
    -- [[wallet, asset, atoms], …], given back when the order ends.
    reservations TEXT,
    created_at_ms INTEGER NOT NULL
);
CREATE UNIQUE INDEX terms_idempotency_key ON terms (principal, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX terms_newest ON terms (principal, order_id);
CREATE INDEX terms_user ON terms (principal, user_id, order_id) WHERE user_id IS NOT NULL;
CREATE INDEX terms_wallet ON terms (principal, wallet, order_id);
CREATE INDEX terms_wallet_address ON terms (principal, wallet_address, order_id)
    WHERE wallet_address <> wallet;

-- The order row, which is also the job: where the order stands, and who works on it.
CREATE TABLE orders (
    order_id TEXT PRIMARY KEY REFERENCES terms,
    principal TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Of the last event, and the version of the row: with the owner the fence of every write.
    sequence INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    due_at_ms INTEGER NOT NULL,
    owner TEXT,
    -- The claim that took it.
    claim INTEGER,
    ended INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL DEFAULT 0,
    latch_generation INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    -- Atoms are u64, which does not fit INTEGER.
    minimum_out_atoms TEXT,
    signature TEXT,
    dex TEXT,
    amount_out_atoms TEXT,
    failure_code TEXT,
    failure_reason TEXT,
    finalized_at_ms INTEGER,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
-- Everything that waits for a worker: claims, adoption, the queue's length and its next due time.
-- Orders that have ended or belong to a worker are not in it.
CREATE INDEX orders_waiting ON orders (status, priority DESC, due_at_ms, order_id)
    WHERE owner IS NULL AND ended = 0;
CREATE INDEX orders_owned ON orders (owner) WHERE owner IS NOT NULL;
CREATE INDEX orders_by_status ON orders (principal, status, order_id);

-- One signed transaction each, stored before its first byte leaves.
CREATE TABLE attempts (
    signature TEXT NOT NULL UNIQUE,
    order_id TEXT NOT NULL REFERENCES orders,
    round INTEGER NOT NULL,
    number INTEGER NOT NULL,
    raw BLOB NOT NULL,
    blockhash TEXT NOT NULL,
    blockhash_slot INTEGER NOT NULL,
    blockhash_height INTEGER NOT NULL,
    last_valid_block_height INTEGER NOT NULL,
    compute_unit_limit INTEGER NOT NULL,
    compute_unit_price_micro_lamports TEXT NOT NULL,
    tip_lamports TEXT NOT NULL,
    fee_lamports TEXT NOT NULL,
    latch_address TEXT,
    latch_generation INTEGER NOT NULL,
    minimum_out_atoms TEXT NOT NULL,
    legs TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'succeeded', 'errored', 'dead')),
    slot INTEGER,
    error TEXT,
    PRIMARY KEY (order_id, number)
);
-- docs/decisions/0003-one-live-attempt.md
CREATE UNIQUE INDEX attempts_one_live ON attempts (order_id) WHERE state = 'live';

-- What happened, in commit order.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    order_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    principal TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE UNIQUE INDEX events_of_order ON events (order_id, sequence);

-- Kept in the commits that change them, never counted by scanning.
CREATE TABLE counts (
    principal TEXT NOT NULL,
    status TEXT NOT NULL,
    orders INTEGER NOT NULL,
    PRIMARY KEY (principal, status)
) WITHOUT ROWID;
CREATE TABLE reserved (
    wallet TEXT NOT NULL,
    asset TEXT NOT NULL,
    atoms TEXT NOT NULL,
    PRIMARY KEY (wallet, asset)
) WITHOUT ROWID;

CREATE TABLE workers (
    owner TEXT PRIMARY KEY,
    lease_until_ms INTEGER NOT NULL,
    -- Which opening of this file it belongs to: one of an earlier opening is gone.
    session INTEGER NOT NULL
) WITHOUT ROWID;

-- How often this file was opened.
CREATE TABLE opening (
    number INTEGER NOT NULL
);
INSERT INTO opening VALUES (0);

-- Claims of new orders within the rate limit's window; empty without a limit.
CREATE TABLE rate_window (
    at_ms INTEGER NOT NULL,
    orders INTEGER NOT NULL
);
CREATE INDEX rate_window_at ON rate_window (at_ms);
