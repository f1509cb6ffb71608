-- Orders that rest until a trigger fires. The functions below are those of 0002 with what is new marked
-- by its comments.

-- Rounds that earlier firings used up.
ALTER TABLE fairlead.orders ADD COLUMN earlier_rounds integer NOT NULL DEFAULT 0;

-- A resting order (open) waits for no worker, and its due time is never (2^62); once it has fired it waits
-- to be begun, in line with the pending ones. Resting ones are in no index that a claim looks at, and what
-- a worker does with an order it owns still touches none (see 0001).
ALTER TABLE fairlead.orders DROP COLUMN waits_as;
ALTER TABLE fairlead.orders ADD COLUMN waits_as text GENERATED ALWAYS AS (
    CASE
        WHEN owner IS NOT NULL OR ended THEN NULL
        WHEN status IN ('pending', 'routing', 'submitted', 'confirmed', 'cancelling') THEN status
        WHEN status = 'open' AND due_at_ms < 4611686018427387904 THEN 'pending'
    END
) STORED;
CREATE INDEX orders_waiting ON fairlead.orders (waits_as, priority DESC, due_at_ms, order_id)
    WHERE waits_as IS NOT NULL;

-- What resting orders wait for. The columns up to `expires_at_ms` never change.
CREATE TABLE fairlead.triggers (
    order_id uuid PRIMARY KEY,
    kind text NOT NULL,
    side text NOT NULL,
    price_source text NOT NULL,
    priority integer NOT NULL,
    token_in text NOT NULL,
    token_out text NOT NULL,
    amount_in_atoms numeric(20) NOT NULL,
    threshold_out_atoms numeric(20) NOT NULL,
    -- NULL allows all.
    venues json,
    max_price_impact_bps integer,
    expires_at_ms bigint,
    -- Position and sequence of the event that last made the order rest or took it from its rest. Written
    -- when the feed's row is held: a reader that goes on from a position skips nothing.
    position bigint NOT NULL,
    sequence integer NOT NULL,
    resting boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
CREATE INDEX triggers_position ON fairlead.triggers (position);
CREATE INDEX triggers_resting ON fairlead.triggers (position) WHERE resting;

-- The worker that watches them: one row.
CREATE TABLE fairlead.watch (
    owner text
);
INSERT INTO fairlead.watch VALUES (NULL);

CREATE TYPE fairlead.trigger_in AS (
    n integer, order_id uuid, kind text, side text, price_source text, priority integer, token_in text,
    token_out text, amount_in_atoms text, threshold_out_atoms text, venues json,
    max_price_impact_bps integer, expires_at_ms bigint
);

-- Whether the worker has the watch from now on. It is asked often and hardly ever given away: as long as
-- nothing changes, nothing is written or locked.
CREATE FUNCTION fairlead.take_watch(asking text) RETURNS boolean LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    holder text;
BEGIN
    IF NOT EXISTS (SELECT FROM fairlead.workers w WHERE w.owner = asking) THEN
        RETURN false;
    END IF;
    SELECT owner INTO holder FROM fairlead.watch;
    IF holder = asking THEN
        RETURN true;
    END IF;
    IF EXISTS (SELECT FROM fairlead.workers w WHERE w.owner = holder) THEN
        RETURN false;
    END IF;
    -- Looked at again under the lock, by statements that see who took it meanwhile.
    SELECT owner INTO holder FROM fairlead.watch FOR UPDATE;
    IF EXISTS (SELECT FROM fairlead.workers w WHERE w.owner = holder) THEN
        RETURN holder = asking;
    END IF;
    UPDATE fairlead.watch SET owner = asking;
    RETURN true;
END $$;

-- Several events may accept an order: the first is in the row, further ones are in `events`. `status` is
-- that of the first, `last_status` the order's.
ALTER TYPE fairlead.accept_in
    ADD ATTRIBUTE steps integer, ADD ATTRIBUTE last_status text, ADD ATTRIBUTE due_at_ms bigint;
ALTER TYPE fairlead.change_in ADD ATTRIBUTE earlier_rounds integer;

DROP FUNCTION fairlead.flush;
DROP FUNCTION fairlead.claim_orders;
DROP TYPE fairlead.order_out;
CREATE TYPE fairlead.order_out AS (
    n integer,
    -- The status before, when the claim begins the order.
    before text,
    order_id text, principal text, terms json, secret bytea, status text, sequence integer,
    created_at_ms bigint, updated_at_ms bigint, owner text, round integer, due_at_ms bigint,
    minimum_out_atoms text, latch_generation integer, cancel_requested boolean, signature text,
    dex text, amount_out_atoms text, failure_code text, failure_reason text, finalized_at_ms bigint,
    earlier_rounds integer
);

CREATE OR REPLACE FUNCTION fairlead.accept_orders(
    accepts fairlead.accept_in[], wanted fairlead.reservation_in[], my_shard integer
) RETURNS fairlead.accept_out[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
DECLARE
    fresh uuid[];
    fresh_n integer[];
    short fairlead.accept_out;
    result fairlead.accept_out[];
BEGIN
    -- The reservations of a wallet are checked by one process at a time, to the commit: no two of them
    -- give out the same balance.
    PERFORM pg_advisory_xact_lock(hashtextextended('fairlead/' || w.wallet, 0))
    FROM (SELECT DISTINCT wallet FROM unnest(wanted) ORDER BY wallet) w;

    WITH inserted AS (
        INSERT INTO fairlead.terms
        SELECT a.order_id, a.principal, a.idempotency_key, a.request_hash, a.secret, a.user_id,
            a.wallet, a.wallet_address, a.type, a.terms, a.reservations, a.created_at_ms
        FROM unnest(accepts) a
        ON CONFLICT DO NOTHING
        RETURNING order_id
    ) SELECT coalesce(array_agg(order_id), '{}') INTO fresh FROM inserted;
    SELECT coalesce(array_agg(a.n), '{}') INTO fresh_n
    FROM unnest(accepts) a WHERE a.order_id = ANY (fresh);

    IF cardinality(wanted) > 0 AND cardinality(fresh) > 0 THEN
        SELECT a.n, false, a.order_id, a.request_hash, false, w.asset, w.atoms, w.balance, r.atoms
        INTO short
        FROM (
            SELECT min(w.n) AS n, w.wallet, w.asset, sum(w.atoms::numeric) AS atoms,
                min(w.balance_atoms::numeric) AS balance
            FROM unnest(wanted) w
            WHERE w.n = ANY (fresh_n)
            GROUP BY w.wallet, w.asset
        ) w
        JOIN unnest(accepts) a ON a.n = w.n
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.atoms), 0) AS atoms FROM fairlead.reserved s
            WHERE s.wallet = w.wallet AND s.asset = w.asset
        ) r
        WHERE r.atoms + w.atoms > w.balance
        ORDER BY w.wallet, w.asset
        LIMIT 1;
        IF FOUND THEN
            DELETE FROM fairlead.terms WHERE order_id = ANY (fresh);
            IF cardinality(accepts) = 1 THEN
                RETURN ARRAY[short];
            END IF;
            -- Not all of them can be paid for: the earlier ones first, one by one.
            FOR i IN 1 .. cardinality(accepts) LOOP
                result := result || fairlead.accept_orders(
                    accepts[i:i],
                    ARRAY(SELECT w FROM unnest(wanted) w WHERE w.n = (accepts[i]).n),
                    my_shard
                );
            END LOOP;
            RETURN result;
        END IF;
        INSERT INTO fairlead.reserved AS s (wallet, asset, shard, atoms)
        SELECT w.wallet, w.asset, my_shard, sum(w.atoms::numeric)
        FROM unnest(wanted) w
        WHERE w.n = ANY (fresh_n)
        GROUP BY w.wallet, w.asset
        ORDER BY w.wallet, w.asset
        ON CONFLICT (wallet, asset, shard) DO UPDATE SET atoms = s.atoms + excluded.atoms;
    END IF;

    INSERT INTO fairlead.orders (
        order_id, principal, status, sequence, priority, due_at_ms, created_at_ms, updated_at_ms,
        owner, round
    )
    -- At its last status, after all its events.
    SELECT a.order_id, a.principal, CASE WHEN a.owner IS NULL THEN a.last_status ELSE 'routing' END,
        a.steps + CASE WHEN a.owner IS NULL THEN 0 ELSE 1 END, a.priority, a.due_at_ms,
        a.created_at_ms, a.created_at_ms, a.owner, CASE WHEN a.owner IS NULL THEN 0 ELSE 1 END
    FROM unnest(accepts) a WHERE a.n = ANY (fresh_n);

    SELECT array_agg(ROW(n, true, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::fairlead.accept_out)
    INTO result FROM unnest(fresh_n) n;
    IF cardinality(fresh) < cardinality(accepts) THEN
        -- The key, or this very order, is there already.
        SELECT result || array_agg(
            ROW(
                a.n, false, t.order_id, t.request_hash,
                EXISTS (
                    SELECT FROM fairlead.orders o
                    WHERE o.order_id = a.order_id AND o.owner = a.owner AND o.sequence = 2
                ),
                NULL, NULL, NULL, NULL
            )::fairlead.accept_out
        ) INTO result
        FROM unnest(accepts) a
        CROSS JOIN LATERAL (
            SELECT t.order_id, t.request_hash FROM fairlead.terms t
            WHERE t.order_id = a.order_id
                OR (t.principal = a.principal AND t.idempotency_key = a.idempotency_key)
            ORDER BY t.order_id = a.order_id DESC LIMIT 1
        ) t
        WHERE a.n <> ALL (fresh_n);
    END IF;
    RETURN result;
END $$;

-- Also gives back what ended orders had reserved.
CREATE OR REPLACE FUNCTION fairlead.change_orders(
    changes fairlead.change_in[], attempts fairlead.attempt_in[], settled fairlead.settled_in[],
    my_shard integer
) RETURNS fairlead.change_out[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
DECLARE
    done fairlead.change_out[];
    done_n integer[];
    ended uuid[];
BEGIN
    -- What is NULL here is unknown and leaves what is known.
    WITH changed AS (
        UPDATE fairlead.orders o SET
            status = c.status,
            sequence = o.sequence + c.steps,
            updated_at_ms = c.at_ms,
            owner = CASE WHEN c.release OR c.ends THEN NULL ELSE o.owner END,
            ended = o.ended OR c.ends,
            round = coalesce(c.round, o.round),
            due_at_ms = coalesce(c.due_at_ms, o.due_at_ms),
            minimum_out_atoms = coalesce(c.minimum_out_atoms::numeric, o.minimum_out_atoms),
            latch_generation = coalesce(c.latch_generation, o.latch_generation),
            cancel_requested = o.cancel_requested OR c.cancel_requested,
            signature = coalesce(c.signature, o.signature),
            dex = coalesce(c.dex, o.dex),
            amount_out_atoms = CASE
                WHEN c.clear_fill THEN c.amount_out_atoms::numeric
                ELSE coalesce(c.amount_out_atoms::numeric, o.amount_out_atoms)
            END,
            failure_code = coalesce(c.failure_code, o.failure_code),
            failure_reason = coalesce(c.failure_reason, o.failure_reason),
            finalized_at_ms = coalesce(c.finalized_at_ms, o.finalized_at_ms),
            earlier_rounds = coalesce(c.earlier_rounds, o.earlier_rounds)
        FROM unnest(changes) c
        WHERE o.order_id = c.order_id AND o.sequence = c.sequence AND o.status = c.status_before
            AND (c.owner IS NULL OR o.owner = c.owner) AND NOT (o.ended AND c.ends)
        RETURNING c.n, o.principal, CASE WHEN c.ends THEN o.order_id END AS ended_id
    )
    SELECT array_agg(ROW(n, principal)::fairlead.change_out ORDER BY n), array_agg(n),
        array_agg(ended_id) FILTER (WHERE ended_id IS NOT NULL)
    INTO done, done_n, ended FROM changed;
    IF done IS NULL THEN
        RETURN '{}';
    END IF;

    IF cardinality(settled) > 0 THEN
        UPDATE fairlead.attempts a SET
            state = s.state, slot = coalesce(s.slot, a.slot), error = coalesce(s.error, a.error)
        FROM unnest(settled) s
        -- By the index on order_id: an order has few attempts, and signatures lie anywhere.
        WHERE a.order_id = s.order_id AND a.signature || '' = s.signature
            AND s.n = ANY (done_n);
    END IF;
    IF cardinality(attempts) > 0 THEN
        INSERT INTO fairlead.attempts
        SELECT a.signature, a.order_id, a.round, a.number, a.raw, a.blockhash, a.blockhash_slot,
            a.blockhash_height, a.last_valid_block_height, a.compute_unit_limit,
            a.compute_unit_price_micro_lamports::numeric, a.tip_lamports::numeric,
            a.fee_lamports::numeric, a.latch_address, a.latch_generation,
            a.minimum_out_atoms::numeric, a.legs, a.created_at_ms, a.state, a.slot, a.error
        FROM unnest(attempts) a WHERE a.n = ANY (done_n);
    END IF;
    IF ended IS NOT NULL THEN
        INSERT INTO fairlead.reserved AS s (wallet, asset, shard, atoms)
        SELECT r.value ->> 0, r.value ->> 1, my_shard, -sum((r.value ->> 2)::numeric)
        FROM fairlead.terms t CROSS JOIN LATERAL json_array_elements(t.reservations) r
        WHERE t.order_id = ANY (ended) AND t.reservations IS NOT NULL
        GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (wallet, asset, shard) DO UPDATE SET atoms = s.atoms + excluded.atoms;
    END IF;
    RETURN done;
END $$;

CREATE FUNCTION fairlead.claim_orders(
    claim fairlead.claim_in, rate_orders integer, rate_window_ms bigint
) RETURNS fairlead.order_out[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
DECLARE
    new_places integer := claim.places;
    statuses text[] := '{pending,routing}';
    result fairlead.order_out[];
BEGIN
    IF claim.adopt THEN
        statuses := '{submitted,confirmed,cancelling}';
    ELSIF rate_orders IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('fairlead/rate', 0));
        DELETE FROM fairlead.rate_window WHERE at_ms <= claim.now_ms - rate_window_ms;
        SELECT least(new_places, greatest(0, rate_orders - coalesce(sum(orders), 0)))
        INTO new_places FROM fairlead.rate_window;
    END IF;

    WITH found AS (
        -- `waits_as` is what it waits as, `before` what it is: an open order that fired waits as pending.
        SELECT k.order_id, s.status AS waits_as, k.before
        FROM unnest(statuses) s (status)
        CROSS JOIN LATERAL (
            SELECT o.order_id, o.priority, o.due_at_ms, o.status AS before FROM fairlead.orders o
            WHERE o.waits_as = s.status AND o.due_at_ms <= claim.now_ms AND NOT claim.again
            ORDER BY o.priority DESC, o.due_at_ms, o.order_id
            LIMIT CASE WHEN s.status = 'pending' THEN new_places ELSE claim.places END
            FOR UPDATE SKIP LOCKED
        ) k
        ORDER BY k.priority DESC, k.due_at_ms, k.order_id
        LIMIT claim.places
    ), taken AS (
        UPDATE fairlead.orders o SET
            owner = claim.owner,
            claim = claim.token,
            status = CASE WHEN f.waits_as = 'pending' THEN 'routing' ELSE o.status END,
            sequence = o.sequence + CASE WHEN f.waits_as = 'pending' THEN 1 ELSE 0 END,
            round = o.round + CASE WHEN f.waits_as = 'pending' THEN 1 ELSE 0 END,
            updated_at_ms = CASE WHEN f.waits_as = 'pending' THEN claim.now_ms ELSE o.updated_at_ms END
        FROM found f WHERE o.order_id = f.order_id
        RETURNING CASE WHEN f.waits_as = 'pending' THEN f.before END AS before, o.*
    ), mine AS (
        SELECT * FROM taken
        UNION ALL
        SELECT NULL, o.* FROM fairlead.orders o
        WHERE claim.again AND o.owner = claim.owner AND o.claim = claim.token
    )
    SELECT array_agg(
        ROW(
            claim.n, o.before, o.order_id::text, o.principal, t.terms, t.secret, o.status, o.sequence,
            o.created_at_ms, o.updated_at_ms, o.owner, o.round, o.due_at_ms,
            o.minimum_out_atoms::text, o.latch_generation, o.cancel_requested, o.signature, o.dex,
            o.amount_out_atoms::text, o.failure_code, o.failure_reason, o.finalized_at_ms,
            o.earlier_rounds
        )::fairlead.order_out
        ORDER BY o.priority DESC, o.due_at_ms, o.order_id
    ) INTO result FROM mine o JOIN fairlead.terms t ON t.order_id = o.order_id;

    IF rate_orders IS NOT NULL AND NOT claim.adopt AND result IS NOT NULL THEN
        INSERT INTO fairlead.rate_window
        SELECT claim.now_ms, count(*) FROM unnest(result) r WHERE r.before IS NOT NULL HAVING count(*) > 0;
    END IF;
    RETURN coalesce(result, '{}');
END $$;

-- Triggers of orders that came to rest or ceased to, by the events of this flush; `floor` is the position
-- before the first of them.
CREATE FUNCTION fairlead.move_triggers(
    log fairlead.entry[], floor bigint, triggers fairlead.trigger_in[]
) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
BEGIN
    -- Only an accept lets an order rest for the first time.
    IF triggers IS NOT NULL THEN
        INSERT INTO fairlead.triggers
        SELECT t.order_id, t.kind, t.side, t.price_source, t.priority, t.token_in, t.token_out,
            t.amount_in_atoms::numeric, t.threshold_out_atoms::numeric, t.venues,
            t.max_price_impact_bps, t.expires_at_ms, floor + l.position, l.sequence, true
        FROM (
            SELECT l.order_id, l.sequence, l.ordinality AS position
            FROM unnest(log) WITH ORDINALITY l WHERE l.type = 'rested' ORDER BY l.order_id
        ) l
        JOIN (SELECT * FROM unnest(triggers) ORDER BY order_id) t ON t.order_id = l.order_id;
    END IF;
    UPDATE fairlead.triggers t SET
        position = floor + l.position, sequence = l.sequence, resting = l.status = 'open'
    FROM (
        SELECT DISTINCT ON (l.order_id) l.order_id, l.sequence, l.status, l.ordinality AS position
        FROM unnest(log) WITH ORDINALITY l
        WHERE 'open' IN (l.status, l.before) AND l.type <> 'rested'
        ORDER BY l.order_id, l.ordinality DESC
    ) l
    WHERE t.order_id = l.order_id;
END $$;

CREATE FUNCTION fairlead.flush(
    accepts fairlead.accept_in[], wanted fairlead.reservation_in[],
    changes fairlead.change_in[], events fairlead.event_in[], attempts fairlead.attempt_in[],
    settled fairlead.settled_in[], claims fairlead.claim_in[], releases fairlead.release_in[],
    leases fairlead.lease_in[], triggers fairlead.trigger_in[], my_shard integer, rate_orders integer, rate_window_ms bigint,
    channel text, work boolean,
    OUT last_position bigint, OUT accepted fairlead.accept_out[], OUT changed fairlead.change_out[],
    OUT claimed fairlead.order_out[], OUT tried fairlead.attempts[], OUT gone fairlead.release_in[],
    OUT freed fairlead.entry[], OUT alive integer[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off
AS $$
DECLARE
    log fairlead.entry[] := '{}';
    size integer;
    claim fairlead.claim_in;
    release fairlead.release_in;
    lease fairlead.lease_in;
    server timestamptz;
BEGIN
    IF cardinality(accepts) > 0 THEN
        accepted := fairlead.accept_orders(accepts, wanted, my_shard);
        SELECT coalesce(array_agg(
            ROW(
                a.order_id, 1, a.principal, a.created_at_ms, a.event, NULL, a.status, a.data
            )::fairlead.entry ORDER BY a.n
        ), '{}') INTO log
        FROM unnest(accepts) a JOIN unnest(accepted) b ON a.n = b.n WHERE b.fresh;
        IF EXISTS (SELECT FROM unnest(accepts) a WHERE a.owner IS NOT NULL) THEN
            SELECT log || coalesce(array_agg(
                ROW(
                    a.order_id, a.steps + 1, a.principal, a.created_at_ms, 'claimed', a.last_status, 'routing', '{}'
                )::fairlead.entry ORDER BY a.n
            ), '{}') INTO log
            FROM unnest(accepts) a JOIN unnest(accepted) b ON a.n = b.n
            WHERE b.fresh AND a.owner IS NOT NULL;
        END IF;
        IF triggers IS NOT NULL THEN
            SELECT log || coalesce(array_agg(
                ROW(
                    a.order_id, e.step, a.principal, a.created_at_ms, e.type, e.before, e.status, e.data
                )::fairlead.entry ORDER BY a.n, e.step
            ), '{}') INTO log
            FROM unnest(accepts) a JOIN unnest(accepted) b ON a.n = b.n
            JOIN unnest(events) e ON e.n = a.n
            WHERE b.fresh;
        END IF;
    END IF;

    IF cardinality(changes) > 0 THEN
        changed := fairlead.change_orders(changes, attempts, settled, my_shard);
        SELECT log || coalesce(array_agg(
            ROW(
                c.order_id, c.sequence + e.step, d.principal, c.at_ms, e.type, e.before, e.status,
                e.data
            )::fairlead.entry ORDER BY e.n, e.step
        ), '{}') INTO log
        FROM unnest(changed) d JOIN unnest(changes) c ON c.n = d.n JOIN unnest(events) e ON e.n = d.n;
    END IF;

    IF claims IS NOT NULL THEN
        FOREACH claim IN ARRAY claims LOOP
            claimed := claimed || fairlead.claim_orders(claim, rate_orders, rate_window_ms);
        END LOOP;
    END IF;
    IF cardinality(claimed) > 0 THEN
        SELECT log || coalesce(array_agg(
            ROW(
                c.order_id::uuid, c.sequence, c.principal, c.updated_at_ms, 'claimed', c.before,
                c.status, CASE WHEN c.before = 'open' THEN '{"reason":"triggered"}' ELSE '{}' END
            )::fairlead.entry ORDER BY c.ordinality
        ), '{}') INTO log FROM unnest(claimed) WITH ORDINALITY c WHERE c.before IS NOT NULL;
        tried := fairlead.attempts_of(ARRAY(
            -- A new order has none.
            SELECT c.order_id::uuid FROM unnest(claimed) c WHERE c.sequence > 2
        ));
    END IF;

    IF releases IS NOT NULL THEN
        FOREACH release IN ARRAY releases LOOP
            DELETE FROM fairlead.workers w WHERE w.owner = release.owner
                AND (release.lease_until_ms IS NULL OR w.lease_until_ms = release.lease_until_ms);
            IF NOT EXISTS (SELECT FROM fairlead.workers w WHERE w.owner = release.owner) THEN
                gone := gone || release;
                freed := freed || fairlead.free_orders(release.owner, release.now_ms);
            END IF;
        END LOOP;
        log := log || freed;
    END IF;

    IF leases IS NOT NULL THEN
        FOREACH lease IN ARRAY leases LOOP
            server := CASE WHEN lease.session_key IS NOT NULL THEN pg_postmaster_start_time() END;
            IF lease.renew THEN
                UPDATE fairlead.workers w SET
                    lease_until_ms = greatest(w.lease_until_ms, lease.until_ms),
                    session_key = lease.session_key, session_server = server
                WHERE w.owner = lease.owner;
            ELSE
                INSERT INTO fairlead.workers
                VALUES (lease.owner, lease.until_ms, lease.session_key, server)
                ON CONFLICT (owner) DO UPDATE SET
                    lease_until_ms = excluded.lease_until_ms, session_key = excluded.session_key,
                    session_server = excluded.session_server;
            END IF;
            IF FOUND THEN
                alive := alive || lease.n;
            END IF;
        END LOOP;
    END IF;

    size := cardinality(log);
    IF size > 0 THEN
        INSERT INTO fairlead.counts AS k (principal, status, shard, orders)
        SELECT m.principal, m.status, my_shard, sum(m.moved)
        FROM (
            SELECT l.principal, l.status, 1 AS moved FROM unnest(log) l
            UNION ALL
            SELECT l.principal, l.before, -1 FROM unnest(log) l WHERE l.before IS NOT NULL
        ) m
        GROUP BY m.principal, m.status HAVING sum(m.moved) <> 0
        ORDER BY m.principal, m.status
        ON CONFLICT (principal, status, shard) DO UPDATE SET orders = k.orders + excluded.orders;

        UPDATE fairlead.feed f SET position = f.position + size RETURNING f.position INTO last_position;
        INSERT INTO fairlead.events
        SELECT last_position - size + l.ordinality, l.order_id, l.sequence, l.principal, l.at_ms,
            l.type, l.status, l.data
        FROM unnest(log) WITH ORDINALITY l;

        IF EXISTS (SELECT FROM unnest(log) l WHERE 'open' IN (l.status, l.before)) THEN
            PERFORM fairlead.move_triggers(log, last_position - size, triggers);
        END IF;
    END IF;
    IF channel IS NOT NULL AND (size > 0 OR work) THEN
        PERFORM pg_notify(
            channel, json_build_object('position', last_position, 'work', work)::text
        );
    END IF;
END $$;
