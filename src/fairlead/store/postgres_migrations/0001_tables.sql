-- A schema of our own: the names below are common ones, and the database may be shared.
-- No foreign keys: flush() alone writes here, parent and child in one transaction, and a check of each
-- row would cost as much as the row.

-- What was agreed when an order was accepted. Written once.
CREATE TABLE fairlead.terms (
    order_id uuid PRIMARY KEY,
    principal text NOT NULL,
    idempotency_key text,
    request_hash bytea NOT NULL,
    -- The latch addresses derive from it.
    secret bytea NOT NULL,
    user_id text,
    wallet text NOT NULL,
    wallet_address text NOT NULL,
    type text NOT NULL,
    -- The whole agreement (orders.model.OrderTerms).
    terms json NOT NULL,
    -- [[wallet, asset, atoms], …], given back when the order ends.
    reservations json,
    created_at_ms bigint NOT NULL
);
CREATE UNIQUE INDEX terms_idempotency_key ON fairlead.terms (principal, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX terms_newest ON fairlead.terms (principal, order_id);
CREATE INDEX terms_user ON fairlead.terms (principal, user_id, order_id) WHERE user_id IS NOT NULL;
CREATE INDEX terms_wallet ON fairlead.terms (principal, wallet, order_id);
CREATE INDEX terms_wallet_address ON fairlead.terms (principal, wallet_address, order_id)
    WHERE wallet_address <> wallet;

-- The order row, which is also the job: where the order stands, and who works on it. Narrow, and apart
-- from what never changes, because every status change writes it anew.
CREATE TABLE fairlead.orders (
    order_id uuid PRIMARY KEY,
    principal text NOT NULL,
    status text NOT NULL,
    -- Of the last event, and the version of the row: with the owner the fence of every write.
    sequence integer NOT NULL,
    priority integer NOT NULL,
    due_at_ms bigint NOT NULL,
    owner text,
    -- The claim that took it: one whose answer was lost finds its orders again.
    claim bigint,
    ended boolean NOT NULL DEFAULT false,
    round integer NOT NULL DEFAULT 0,
    latch_generation integer NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    -- Atoms are u64, which does not fit bigint.
    minimum_out_atoms numeric(20),
    signature text,
    dex text,
    amount_out_atoms numeric(20),
    failure_code text,
    failure_reason text,
    finalized_at_ms bigint,
    created_at_ms bigint NOT NULL,
    updated_at_ms bigint NOT NULL,
    -- The indexes below look at these two, not at the status: what a worker does with an order it owns
    -- then touches no index (a HOT update).
    -- Its status while it waits for a worker: to be begun, to be gone on with, or to be adopted.
    waits_as text GENERATED ALWAYS AS (
        CASE
            WHEN owner IS NULL AND NOT ended
                AND status IN ('pending', 'routing', 'submitted', 'confirmed', 'cancelling')
            THEN status
        END
    ) STORED,
    -- Its status, except that orders under way are all "live".
    listed_as text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN ended OR status = 'open' THEN status ELSE 'live' END
    ) STORED
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02
);
-- Claims, adoption, the queue's next due time and age: never a look at an owned or ended order.
CREATE INDEX orders_waiting ON fairlead.orders (waits_as, priority DESC, due_at_ms, order_id)
    WHERE waits_as IS NOT NULL;
CREATE INDEX orders_owned ON fairlead.orders (owner) WHERE owner IS NOT NULL;
CREATE INDEX orders_listed ON fairlead.orders (principal, listed_as, order_id);

-- One signed transaction each, stored before its first byte leaves.
CREATE TABLE fairlead.attempts (
    signature text NOT NULL UNIQUE,
    order_id uuid NOT NULL,
    round integer NOT NULL,
    number integer NOT NULL,
    raw bytea NOT NULL,
    blockhash text NOT NULL,
    blockhash_slot bigint NOT NULL,
    blockhash_height bigint NOT NULL,
    last_valid_block_height bigint NOT NULL,
    compute_unit_limit bigint NOT NULL,
    compute_unit_price_micro_lamports numeric(20) NOT NULL,
    tip_lamports numeric(20) NOT NULL,
    fee_lamports numeric(20) NOT NULL,
    latch_address text,
    latch_generation integer NOT NULL,
    minimum_out_atoms numeric(20) NOT NULL,
    legs json NOT NULL,
    created_at_ms bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('live', 'succeeded', 'errored', 'dead')),
    slot bigint,
    error text,
    PRIMARY KEY (order_id, number)
);
-- docs/decisions/0003-one-live-attempt.md
CREATE UNIQUE INDEX attempts_one_live ON fairlead.attempts (order_id) WHERE state = 'live';

-- What happened. `position` is gapless in commit order: docs/decisions/0002-feed-position.md
CREATE TABLE fairlead.events (
    position bigint PRIMARY KEY,
    order_id uuid NOT NULL,
    sequence integer NOT NULL,
    principal text NOT NULL,
    at_ms bigint NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    data json NOT NULL
);
CREATE UNIQUE INDEX events_of_order ON fairlead.events (order_id, sequence);

-- The position of the last event; its row lock is the turn to commit.
CREATE TABLE fairlead.feed (
    position bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO fairlead.feed VALUES (0);

-- Kept in the commits that change them, never counted by scanning. Each process writes a shard of its
-- own, so that processes do not wait for each other; readers add the shards up.
CREATE TABLE fairlead.counts (
    principal text NOT NULL,
    status text NOT NULL,
    shard integer NOT NULL,
    orders bigint NOT NULL,
    PRIMARY KEY (principal, status, shard)
) WITH (fillfactor = 50);
CREATE TABLE fairlead.reserved (
    wallet text NOT NULL,
    asset text NOT NULL,
    shard integer NOT NULL,
    -- May be negative: what one shard reserved another may give back.
    atoms numeric NOT NULL,
    PRIMARY KEY (wallet, asset, shard)
) WITH (fillfactor = 50);

CREATE TABLE fairlead.workers (
    owner text PRIMARY KEY,
    lease_until_ms bigint NOT NULL,
    -- The advisory lock that its session holds, and since when the server ran that granted it: a restart
    -- of the server ends every session, which then says nothing about the worker.
    session_key integer,
    session_server timestamptz
);

-- Claims of new orders within the rate limit's window; empty without a limit.
CREATE TABLE fairlead.rate_window (
    at_ms bigint NOT NULL,
    orders integer NOT NULL
);
CREATE INDEX rate_window_at ON fairlead.rate_window (at_ms);
