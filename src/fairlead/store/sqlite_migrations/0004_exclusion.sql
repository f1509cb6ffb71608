-- Several attempts of an order may live at once if one latch lets at most one of them succeed:
-- docs/decisions/0013-several-live-attempts.md. And `excluded`: another one took the latch for good.
-- SQLite changes no CHECK in place: the table is made anew.
CREATE TABLE attempts_anew (
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
    -- Of a cancel, which takes the latch and swaps nothing, [].
    legs TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('live', 'succeeded', 'errored', 'dead', 'excluded')),
    slot INTEGER,
    error TEXT,
    -- The answers that settled it, as JSON.
    evidence TEXT,
    PRIMARY KEY (order_id, number)
);
INSERT INTO attempts_anew SELECT * FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_anew RENAME TO attempts;

-- Without a latch: alone.
CREATE UNIQUE INDEX attempts_unlatched ON attempts (order_id)
    WHERE state = 'live' AND latch_address IS NULL;
-- With one: of the order's present generation, and beside none that it does not exclude.
CREATE TRIGGER attempts_exclusive BEFORE INSERT ON attempts WHEN NEW.state = 'live' AND (
    NEW.latch_generation <> (SELECT latch_generation FROM orders WHERE order_id = NEW.order_id)
    OR EXISTS (
        SELECT 1 FROM attempts a WHERE a.order_id = NEW.order_id AND a.state = 'live'
            AND a.latch_address IS NOT NEW.latch_address
    )
) BEGIN
    SELECT raise(ABORT, 'an attempt beside one that it does not exclude');
END;
