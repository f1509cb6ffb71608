-- What ended orders have lent to their latches, and what takes it back:
-- docs/decisions/0018-reclaiming-rent.md. Written behind the feed of events, so that no order pays for it.
CREATE TABLE fairlead.latches (
    address text PRIMARY KEY,
    order_id uuid NOT NULL,
    generation integer NOT NULL,
    -- Of the newest blockhash of all attempts of the order, or later: a reclaim of it alone failed.
    due_after_height bigint NOT NULL,
    -- Whether an attempt took it, which then lent it the rent.
    taken boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'reclaiming', 'reclaimed', 'absent')),
    -- Reclaims with it that failed.
    failures integer NOT NULL DEFAULT 0,
    -- Of the last reclaim with it.
    reclaim text
);
CREATE INDEX latches_due ON fairlead.latches (due_after_height, address) WHERE state = 'waiting';

-- One signed transaction each, stored before its first byte leaves.
CREATE TABLE fairlead.reclaims (
    signature text PRIMARY KEY,
    wallet text NOT NULL,
    raw bytea NOT NULL,
    blockhash_slot bigint NOT NULL,
    blockhash_height bigint NOT NULL,
    -- A JSON array of addresses.
    latches json NOT NULL,
    lamports bigint NOT NULL,
    fee_lamports bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('live', 'succeeded', 'errored', 'dead')),
    slot bigint,
    error text
);
CREATE INDEX reclaims_live ON fairlead.reclaims (created_at_ms, signature) WHERE state = 'live';

-- One row: up to which event the latches of ended orders are noted, and sums over `latches` and `reclaims`.
-- Its lock is the turn of each function below. All of them may be called again when an answer was lost.
CREATE TABLE fairlead.lent (
    position bigint NOT NULL,
    latches bigint NOT NULL,
    taken bigint NOT NULL,
    reclaimed_lamports bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO fairlead.lent VALUES (0, 0, 0, 0);

-- Notes the latches of the orders that so many further events ended; whether there are more.
CREATE FUNCTION fairlead.note_latches(event_limit bigint) RETURNS boolean LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    after_position bigint;
    to_position bigint;
    head bigint;
BEGIN
    SELECT l.position INTO after_position FROM fairlead.lent l FOR UPDATE;
    SELECT f.position INTO head FROM fairlead.feed f;
    IF after_position >= head THEN
        RETURN false;
    END IF;
    to_position := least(after_position + event_limit, head);
    WITH noted AS (
        INSERT INTO fairlead.latches
            (address, order_id, generation, due_after_height, taken, state)
        SELECT a.latch_address, a.order_id, a.latch_generation,
            (SELECT max(b.blockhash_height) FROM fairlead.attempts b WHERE b.order_id = a.order_id),
            bool_or(a.state = 'succeeded'), 'waiting'
        FROM fairlead.events e
        JOIN fairlead.orders o ON o.order_id = e.order_id AND o.ended
        JOIN fairlead.attempts a ON a.order_id = e.order_id
        WHERE e.position > after_position AND e.position <= to_position
            AND e.type IN ('finalized', 'cancelled', 'expired', 'failed')
            AND a.latch_address IS NOT NULL
        GROUP BY a.latch_address, a.order_id, a.latch_generation
        ON CONFLICT (address) DO NOTHING
        RETURNING taken
    )
    UPDATE fairlead.lent l SET
        position = to_position,
        latches = l.latches + (SELECT count(*) FROM noted),
        taken = l.taken + (SELECT count(*) FROM noted n WHERE n.taken);
    RETURN to_position < head;
END $$;

-- Stores a reclaim, unless one of its latches is another's; whether it is stored and lives.
CREATE FUNCTION fairlead.begin_reclaim(
    new_signature text, new_wallet text, new_raw bytea, new_slot bigint, new_height bigint,
    new_latches text, new_lamports bigint, new_fee bigint, at_ms bigint
) RETURNS boolean LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    known text;
    addresses text[];
    waiting integer;
BEGIN
    PERFORM FROM fairlead.lent FOR UPDATE;
    SELECT r.state INTO known FROM fairlead.reclaims r WHERE r.signature = new_signature;
    IF known IS NOT NULL THEN
        RETURN known = 'live';
    END IF;
    SELECT array_agg(value) INTO addresses FROM json_array_elements_text(new_latches::json);
    SELECT count(*) INTO waiting FROM fairlead.latches l
    WHERE l.address = ANY (addresses) AND l.state = 'waiting';
    IF waiting <> cardinality(addresses) THEN
        RETURN false;
    END IF;
    INSERT INTO fairlead.reclaims VALUES (new_signature, new_wallet, new_raw, new_slot, new_height,
        new_latches::json, new_lamports, new_fee, at_ms, 'live');
    UPDATE fairlead.latches SET state = 'reclaiming', reclaim = new_signature
    WHERE address = ANY (addresses);
    RETURN true;
END $$;

-- Stores how a live reclaim ended: its latches are empty, or wait again.
CREATE FUNCTION fairlead.settle_reclaim(
    known_signature text, new_state text, new_slot bigint, new_error text, put_off_to bigint
) RETURNS void LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    addresses text[];
    moved bigint;
BEGIN
    PERFORM FROM fairlead.lent FOR UPDATE;
    UPDATE fairlead.reclaims SET state = new_state, slot = new_slot, error = new_error
    WHERE signature = known_signature AND state = 'live'
    RETURNING lamports, ARRAY(SELECT json_array_elements_text(latches)) INTO moved, addresses;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF new_state <> 'succeeded' THEN
        UPDATE fairlead.latches SET
            state = 'waiting', failures = failures + (new_state = 'errored')::integer,
            due_after_height = greatest(due_after_height, put_off_to)
        WHERE address = ANY (addresses) AND reclaim = known_signature AND state = 'reclaiming';
        RETURN;
    END IF;
    WITH back AS (
        UPDATE fairlead.latches SET state = 'reclaimed'
        WHERE address = ANY (addresses) AND reclaim = known_signature AND state = 'reclaiming'
        RETURNING taken
    )
    UPDATE fairlead.lent l SET
        latches = l.latches - (SELECT count(*) FROM back),
        taken = l.taken - (SELECT count(*) FROM back b WHERE b.taken),
        reclaimed_lamports = l.reclaimed_lamports + moved;
END $$;

-- Waiting latches that hold nothing.
CREATE FUNCTION fairlead.absent_latches(addresses text[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
BEGIN
    PERFORM FROM fairlead.lent FOR UPDATE;
    WITH gone AS (
        UPDATE fairlead.latches SET state = 'absent'
        WHERE address = ANY (addresses) AND state = 'waiting'
        RETURNING taken
    )
    UPDATE fairlead.lent l SET
        latches = l.latches - (SELECT count(*) FROM gone),
        taken = l.taken - (SELECT count(*) FROM gone g WHERE g.taken);
END $$;
