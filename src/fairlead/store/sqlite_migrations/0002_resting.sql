-- Rounds that earlier firings used up.
ALTER TABLE orders ADD COLUMN earlier_rounds INTEGER NOT NULL DEFAULT 0;

-- As what it waits for a worker: to be begun ('pending'), to be gone on with, or to be adopted. A resting
-- order (open) waits for none, and its due time is never (2^62); once it has fired it is to be begun, in
-- line with the pending ones.
ALTER TABLE orders ADD COLUMN waits_as TEXT GENERATED ALWAYS AS (
    CASE
        WHEN owner IS NOT NULL OR ended = 1 THEN NULL
        WHEN status IN ('pending', 'routing', 'submitted', 'confirmed', 'cancelling') THEN status
        WHEN status = 'open' AND due_at_ms < 4611686018427387904 THEN 'pending'
    END
) VIRTUAL;
-- Claims, adoption and the queue's next due time look at no order that rests, has ended or belongs to a
-- worker: such ones are not in it.
DROP INDEX orders_waiting;
CREATE INDEX orders_waiting ON orders (waits_as, priority DESC, due_at_ms, order_id)
    WHERE waits_as IS NOT NULL;

-- What resting orders wait for. The columns up to `expires_at_ms` never change.
CREATE TABLE triggers (
    order_id TEXT PRIMARY KEY REFERENCES orders,
    kind TEXT NOT NULL,
    side TEXT NOT NULL,
    price_source TEXT NOT NULL,
    priority INTEGER NOT NULL,
    token_in TEXT NOT NULL,
    token_out TEXT NOT NULL,
    -- Atoms are u64, which does not fit INTEGER.
    amount_in_atoms TEXT NOT NULL,
    threshold_out_atoms TEXT NOT NULL,
    -- A JSON array; NULL allows all.
    venues TEXT,
    max_price_impact_bps INTEGER,
    expires_at_ms INTEGER,
    -- Position and sequence of the event that last made the order rest or took it from its rest.
    position INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    resting INTEGER NOT NULL
);
CREATE UNIQUE INDEX triggers_position ON triggers (position);
CREATE UNIQUE INDEX triggers_resting ON triggers (position) WHERE resting = 1;

-- The worker that watches them: one row.
CREATE TABLE watch (
    owner TEXT
);
INSERT INTO watch VALUES (NULL);
