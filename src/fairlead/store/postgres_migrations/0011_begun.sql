-- An order that is accepted, claimed and given its first attempt in one flush (docs/decisions/0006) is
-- stored as it will be after all three, and the events of a write go in one statement:
-- docs/decisions/0026-a-begun-order.md.
--
-- Otherwise as before. The client says of each write what it will do if nothing refuses it: its place among
-- the events of the flush, and how it moves the counts. Only when a write is refused are places and counts
-- corrected here. A refused write is left out and told apart by its number `n`; it never fails the others.
-- NULL stands for an array of nothing. Locks are taken in one order: wallets, order rows, counts and sums,
-- the feed. The feed's row is the last: whoever holds it waits for nobody.

DROP FUNCTION fairlead.flush;
DROP FUNCTION fairlead.accept_orders;
DROP FUNCTION fairlead.change_orders;
DROP FUNCTION fairlead.move_triggers;
DROP FUNCTION fairlead.sums_of;
DROP TYPE fairlead.accept_in, fairlead.change_in, fairlead.attempt_in;

CREATE TYPE fairlead.attempt_in AS (
    signature text, order_id uuid, round integer, number integer, raw bytea,
    blockhash text, blockhash_slot bigint, blockhash_height bigint, last_valid_block_height bigint,
    compute_unit_limit bigint, compute_unit_price_micro_lamports text, tip_lamports text,
    fee_lamports text, latch_address text, latch_generation integer, minimum_out_atoms text,
    legs json, created_at_ms bigint, state text, slot bigint, error text, evidence text
);
-- `place` counts the events of the flush before its first one.
CREATE TYPE fairlead.change_in AS (
    n integer, place integer, order_id uuid, principal text, owner text, sequence integer,
    status_before text, status text, at_ms bigint, steps integer,
    -- The last of its events, which has its status; the first if it is another; and those between.
    type text, data json, first fairlead.event_in, between fairlead.event_in[],
    round integer, due_at_ms bigint, minimum_out_atoms text, latch_generation integer,
    cancel_requested boolean, signature text, dex text, amount_out_atoms text, failure_code text,
    failure_reason text, finalized_at_ms bigint, clear_fill boolean, release boolean, ends boolean,
    earlier_rounds integer, attempt fairlead.attempt_in
);
CREATE TYPE fairlead.accept_in AS (
    n integer, place integer, order_id uuid, principal text, idempotency_key text, request_hash bytea,
    secret bytea, user_id text, wallet text, wallet_address text, type text, terms json,
    -- [[wallet, asset, atoms, balance], …]
    reservations json,
    created_at_ms bigint, priority integer,
    -- Of the event `accepted`; NULL for {}.
    data json,
    -- Set when it is claimed at once.
    owner text,
    -- Of the event `rested`; NULL when the order does not rest.
    rested json, trigger fairlead.trigger_in,
    -- What its owner writes of it in this flush: of sequence 2, with one event or two. It neither ends nor
    -- lets go of the order.
    begun fairlead.change_in
);

CREATE FUNCTION fairlead.sums_of(accepts fairlead.accept_in[]) RETURNS fairlead.sum_in[]
LANGUAGE sql AS $$
    SELECT array_agg(s::fairlead.sum_in)
    FROM (
        SELECT r.value ->> 0 AS wallet, r.value ->> 1 AS asset, sum((r.value ->> 2)::numeric)::text,
            min((r.value ->> 3)::numeric)::text
        FROM unnest(accepts) a CROSS JOIN LATERAL json_array_elements(a.reservations) r
        WHERE a.reservations IS NOT NULL
        GROUP BY 1, 2 ORDER BY (r.value ->> 0) COLLATE "C", (r.value ->> 1) COLLATE "C"
    ) s
$$;

-- Stores orders as they are after their first change, if it is there, and what they reserve; those that were
-- refused.
CREATE FUNCTION fairlead.accept_orders(
    accepts fairlead.accept_in[], sums fairlead.sum_in[], beginning boolean, my_shard integer
) RETURNS fairlead.accept_out[] LANGUAGE plpgsql AS $$
DECLARE
    size integer := cardinality(accepts);
    stored integer := 0;
    short_of text;
    needed numeric;
    balance numeric;
    held numeric;
    one fairlead.accept_in := accepts[1];
    found_id uuid;
    found_hash bytea;
BEGIN
    IF sums IS NOT NULL THEN
        SELECT w.asset, w.atoms::numeric, w.balance_atoms::numeric, r.atoms
        INTO short_of, needed, balance, held
        FROM unnest(sums) w CROSS JOIN LATERAL (
            SELECT coalesce(sum(s.atoms), 0) AS atoms FROM fairlead.reserved s
            WHERE s.wallet = w.wallet AND s.asset = w.asset
        ) r
        WHERE r.atoms + w.atoms::numeric > w.balance_atoms::numeric
        LIMIT 1;
    END IF;
    IF short_of IS NULL THEN
        INSERT INTO fairlead.terms
        SELECT a.order_id, a.principal, a.idempotency_key, a.request_hash, a.secret, a.user_id,
            a.wallet, a.wallet_address, a.type, a.terms, a.reservations, a.created_at_ms
        FROM unnest(accepts) a
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS stored = ROW_COUNT;
    END IF;
    IF stored = size THEN
        IF sums IS NOT NULL THEN
            INSERT INTO fairlead.reserved AS s (wallet, asset, shard, atoms)
            SELECT w.wallet, w.asset, my_shard, w.atoms::numeric FROM unnest(sums) w
            ON CONFLICT (wallet, asset, shard) DO UPDATE SET atoms = s.atoms + excluded.atoms;
        END IF;
        INSERT INTO fairlead.orders (
            order_id, principal, status, sequence, priority, due_at_ms, created_at_ms, updated_at_ms,
            owner, round, waits_as, listed_as, latch_generation, cancel_requested, minimum_out_atoms,
            signature, dex, amount_out_atoms, failure_code, failure_reason, finalized_at_ms,
            earlier_rounds
        )
        SELECT a.order_id, a.principal,
            CASE
                WHEN (a.begun).n IS NOT NULL THEN (a.begun).status
                WHEN a.owner IS NOT NULL THEN 'routing'
                WHEN a.rested IS NOT NULL THEN 'open'
                ELSE 'pending'
            END,
            CASE WHEN a.owner IS NOT NULL OR a.rested IS NOT NULL THEN 2 ELSE 1 END
                + coalesce((a.begun).steps, 0),
            a.priority,
            CASE
                WHEN a.rested IS NOT NULL THEN 4611686018427387904
                ELSE coalesce((a.begun).due_at_ms, a.created_at_ms)
            END,
            a.created_at_ms, coalesce((a.begun).at_ms, a.created_at_ms), a.owner,
            CASE WHEN a.owner IS NULL THEN 0 ELSE coalesce((a.begun).round, 1) END,
            CASE WHEN a.owner IS NULL AND a.rested IS NULL THEN 'pending' END,
            CASE WHEN a.rested IS NOT NULL THEN 'open' ELSE 'live' END,
            coalesce((a.begun).latch_generation, 0), coalesce((a.begun).cancel_requested, false),
            (a.begun).minimum_out_atoms::numeric, (a.begun).signature, (a.begun).dex,
            (a.begun).amount_out_atoms::numeric, (a.begun).failure_code, (a.begun).failure_reason,
            (a.begun).finalized_at_ms, coalesce((a.begun).earlier_rounds, 0)
        FROM unnest(accepts) a;
        IF beginning THEN
            INSERT INTO fairlead.attempts
            SELECT b.signature, b.order_id, b.round, b.number, b.raw, b.blockhash, b.blockhash_slot,
                b.blockhash_height, b.last_valid_block_height, b.compute_unit_limit,
                b.compute_unit_price_micro_lamports::numeric, b.tip_lamports::numeric,
                b.fee_lamports::numeric, b.latch_address, b.latch_generation,
                b.minimum_out_atoms::numeric, b.legs, b.created_at_ms,
                -- The first of its order: of the order's generation, and beside none.
                CASE WHEN b.state <> 'live' OR b.latch_generation = b.generation THEN b.state END,
                b.slot, b.error, b.evidence
            FROM (
                SELECT ((a.begun).attempt).*, coalesce((a.begun).latch_generation, 0) AS generation
                FROM unnest(accepts) a
            ) b WHERE b.signature IS NOT NULL;
        END IF;
        RETURN NULL;
    END IF;

    IF size > 1 THEN
        -- Some of them are there already, or not all can be paid for: the earlier ones first, in halves.
        -- What has just been stored has no row in `orders` yet.
        DELETE FROM fairlead.terms t
        WHERE t.order_id IN (SELECT a.order_id FROM unnest(accepts) a)
            AND NOT EXISTS (SELECT FROM fairlead.orders o WHERE o.order_id = t.order_id);
        RETURN fairlead.accept_orders(
            accepts[:size / 2], fairlead.sums_of(accepts[:size / 2]), beginning, my_shard
        ) || fairlead.accept_orders(
            accepts[size / 2 + 1:], fairlead.sums_of(accepts[size / 2 + 1:]), beginning, my_shard
        );
    END IF;
    SELECT t.order_id, t.request_hash INTO found_id, found_hash FROM fairlead.terms t
    WHERE t.order_id = one.order_id
        OR (t.principal = one.principal AND t.idempotency_key = one.idempotency_key)
    ORDER BY t.order_id = one.order_id DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN ARRAY[ROW(
            one.n, NULL, NULL, false, short_of, needed, balance, held
        )::fairlead.accept_out];
    END IF;
    RETURN ARRAY[ROW(
        one.n, found_id, found_hash,
        EXISTS (
            SELECT FROM fairlead.orders o
            WHERE o.order_id = one.order_id AND o.owner = one.owner AND o.sequence = 2
        ),
        NULL, NULL, NULL, NULL
    )::fairlead.accept_out];
END $$;

-- Writes what fences let through, and gives back what ended orders had reserved; the numbers of those.
CREATE FUNCTION fairlead.change_orders(
    changes fairlead.change_in[], settled fairlead.settled_in[], trying boolean, ending boolean,
    my_shard integer
) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    done integer[];
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
            latch_generation = CASE
                WHEN c.latch_generation IS NULL OR c.latch_generation = o.latch_generation
                    THEN o.latch_generation
                -- None of the old generation may live on.
                WHEN EXISTS (
                    SELECT FROM fairlead.attempts a
                    WHERE a.order_id = c.order_id AND a.state = 'live' AND NOT EXISTS (
                        SELECT FROM unnest(settled) s WHERE s.n = c.n AND s.signature = a.signature
                    )
                ) THEN NULL
                ELSE c.latch_generation
            END,
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
            earlier_rounds = coalesce(c.earlier_rounds, o.earlier_rounds),
            waits_as = fairlead.waits_as(
                c.status, CASE WHEN c.release OR c.ends THEN NULL ELSE o.owner END, o.ended OR c.ends,
                coalesce(c.due_at_ms, o.due_at_ms)
            ),
            listed_as = fairlead.listed_as(c.status, o.ended OR c.ends)
        FROM unnest(changes) c
        WHERE o.order_id = c.order_id AND o.sequence = c.sequence AND o.status = c.status_before
            AND (c.owner IS NULL OR o.owner = c.owner) AND NOT (o.ended AND c.ends)
        RETURNING c.n
    ) SELECT coalesce(array_agg(n), '{}') INTO done FROM changed;

    IF settled IS NOT NULL THEN
        UPDATE fairlead.attempts a SET
            state = s.state, slot = coalesce(s.slot, a.slot), error = coalesce(s.error, a.error),
            evidence = coalesce(s.evidence, a.evidence)
        FROM unnest(settled) s
        -- By the index on order_id: an order has few attempts, and signatures lie anywhere.
        WHERE a.order_id = s.order_id AND a.signature || '' = s.signature AND s.n = ANY (done);
    END IF;
    IF trying THEN
        INSERT INTO fairlead.attempts
        SELECT a.signature, a.order_id, a.round, a.number, a.raw, a.blockhash, a.blockhash_slot,
            a.blockhash_height, a.last_valid_block_height, a.compute_unit_limit,
            a.compute_unit_price_micro_lamports::numeric, a.tip_lamports::numeric,
            a.fee_lamports::numeric, a.latch_address, a.latch_generation,
            a.minimum_out_atoms::numeric, a.legs, a.created_at_ms,
            -- Of the order's present generation, and beside none that its latch does not exclude.
            CASE
                WHEN a.state <> 'live' THEN a.state
                WHEN a.latch_generation <> (
                    SELECT o.latch_generation FROM fairlead.orders o WHERE o.order_id = a.order_id
                ) THEN NULL
                WHEN EXISTS (
                    SELECT FROM fairlead.attempts b
                    WHERE b.order_id = a.order_id AND b.state = 'live'
                        AND b.latch_address IS DISTINCT FROM a.latch_address
                ) THEN NULL
                ELSE a.state
            END,
            a.slot, a.error, a.evidence
        FROM (
            SELECT (c.attempt).* FROM unnest(changes) c WHERE c.n = ANY (done)
        ) a WHERE a.signature IS NOT NULL;
    END IF;
    IF ending THEN
        INSERT INTO fairlead.reserved AS s (wallet, asset, shard, atoms)
        SELECT r.value ->> 0, r.value ->> 1, my_shard, -sum((r.value ->> 2)::numeric)
        FROM unnest(changes) c
        JOIN fairlead.terms t ON t.order_id = c.order_id
        CROSS JOIN LATERAL json_array_elements(t.reservations) r
        WHERE c.ends AND c.n = ANY (done) AND t.reservations IS NOT NULL
        GROUP BY 1, 2 ORDER BY (r.value ->> 0) COLLATE "C", (r.value ->> 1) COLLATE "C"
        ON CONFLICT (wallet, asset, shard) DO UPDATE SET atoms = s.atoms + excluded.atoms;
    END IF;
    RETURN done;
END $$;

-- Triggers of orders that came to rest or ceased to: by accepts, by changes, or by the entries of `log`,
-- which come after those. `floor` is the position before the first of all.
CREATE FUNCTION fairlead.move_triggers(
    floor bigint, accepts fairlead.accept_in[], changes fairlead.change_in[], log fairlead.entry[],
    placed integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fairlead.triggers
    SELECT a.order_id, (a.trigger).kind, (a.trigger).side, (a.trigger).price_source,
        (a.trigger).priority, (a.trigger).token_in, (a.trigger).token_out,
        (a.trigger).amount_in_atoms::numeric, (a.trigger).threshold_out_atoms::numeric,
        (a.trigger).venues, (a.trigger).max_price_impact_bps, (a.trigger).expires_at_ms,
        floor + a.place + 2, 2, true
    FROM unnest(accepts) a WHERE a.rested IS NOT NULL;
    UPDATE fairlead.triggers t SET
        position = l.position, sequence = l.sequence, resting = l.status = 'open'
    FROM (
        SELECT DISTINCT ON (l.order_id) l.* FROM (
            SELECT c.order_id, c.sequence + c.steps AS sequence, c.status,
                floor + c.place + c.steps AS position
            FROM unnest(changes) c
            WHERE c.steps > 0 AND 'open' IN (c.status_before, c.status)
            UNION ALL
            SELECT l.order_id, l.sequence, l.status, floor + placed + l.ordinality
            FROM unnest(log) WITH ORDINALITY l
            WHERE 'open' IN (l.before, l.status)
        ) l
        ORDER BY l.order_id, l.position DESC
    ) l
    WHERE t.order_id = l.order_id;
END $$;

CREATE FUNCTION fairlead.flush(
    accepts fairlead.accept_in[], sums fairlead.sum_in[], changes fairlead.change_in[],
    settled fairlead.settled_in[], moves fairlead.move[], claims fairlead.claim_in[],
    releases fairlead.release_in[], leases fairlead.lease_in[],
    -- Events of the accepts and changes; whether an accept has its first change with it; whether a change
    -- has an attempt, several events, or ends an order; whether an order comes to rest or ceases to
    -- by any of them; whether there is work if they are done.
    placed integer, beginning boolean, trying boolean, several boolean, ending boolean,
    resting boolean, work boolean,
    my_shard integer, rate_orders integer, rate_window_ms bigint, channel text,
    -- The position before the first event of this flush.
    OUT floor bigint, OUT refused fairlead.accept_out[], OUT fenced integer[],
    OUT claimed fairlead.order_out[], OUT tried fairlead.attempts[], OUT gone fairlead.release_in[],
    OUT freed fairlead.entry[], OUT alive integer[]
) LANGUAGE plpgsql
-- Plans are made once for a session, perhaps while the tables are empty, and for arrays of any length: they
-- must reach rows by index, and match arrays with `= ANY`, not by joins.
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
DECLARE
    done integer[];
    log fairlead.entry[];
    size integer;
    last_position bigint;
    accept fairlead.accept_in;
    change fairlead.change_in;
    claim fairlead.claim_in;
    release fairlead.release_in;
    lease fairlead.lease_in;
    server timestamptz;
BEGIN
    IF accepts IS NOT NULL THEN
        -- The reservations of a wallet are checked by one process at a time, to the commit: no two of
        -- them give out the same balance.
        IF sums IS NOT NULL THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('fairlead/' || w.wallet, 0))
            FROM unnest(sums) w;
        END IF;
        refused := fairlead.accept_orders(accepts, sums, beginning, my_shard);
        IF refused IS NOT NULL AND beginning THEN
            -- Their orders may be there all the same: those changes are fenced like any other.
            trying := true;
            several := true;
            SELECT array_agg(b.begun ORDER BY (b.begun).order_id) INTO changes FROM (
                SELECT c::fairlead.change_in AS begun FROM unnest(changes) c
                UNION ALL
                SELECT a.begun FROM unnest(accepts) a
                WHERE (a.begun).n IS NOT NULL
                    AND a.n = ANY (ARRAY(SELECT r.n FROM unnest(refused) r))
            ) b;
        END IF;
    END IF;
    IF changes IS NOT NULL THEN
        done := fairlead.change_orders(changes, settled, trying, ending, my_shard);
        IF cardinality(done) < cardinality(changes) THEN
            fenced := ARRAY(SELECT c.n FROM unnest(changes) c WHERE c.n <> ALL (done));
        END IF;
    END IF;
    IF refused IS NOT NULL OR fenced IS NOT NULL THEN
        -- What was refused moves no counts, and what was not moves up.
        SELECT moves || coalesce(array_agg(m.move), '{}') INTO moves FROM (
            SELECT ROW(
                a.principal,
                CASE WHEN a.owner IS NOT NULL THEN 'routing' WHEN a.rested IS NOT NULL THEN 'open' ELSE 'pending' END,
                -1
            )::fairlead.move AS move
            FROM unnest(accepts) a WHERE a.n = ANY (ARRAY(SELECT r.n FROM unnest(refused) r))
            UNION ALL
            SELECT ROW(c.principal, v.status, v.orders)::fairlead.move
            FROM unnest(changes) c
            CROSS JOIN LATERAL (VALUES (c.status, -1), (c.status_before, 1)) v (status, orders)
            WHERE c.n = ANY (fenced)
        ) m;
        accepts := ARRAY(
            SELECT a FROM unnest(accepts) a
            WHERE a.n <> ALL (ARRAY(SELECT r.n FROM unnest(refused) r)) ORDER BY a.place
        );
        changes := ARRAY(SELECT c FROM unnest(changes) c WHERE c.n = ANY (done) ORDER BY c.place);
        placed := 0;
        FOR i IN 1 .. cardinality(accepts) LOOP
            accept := accepts[i];
            accept.place := placed;
            accepts[i] := accept;
            placed := placed + coalesce((accept.begun).steps, 0)
                + CASE WHEN accept.owner IS NOT NULL OR accept.rested IS NOT NULL THEN 2 ELSE 1 END;
        END LOOP;
        FOR i IN 1 .. cardinality(changes) LOOP
            change := changes[i];
            change.place := placed;
            changes[i] := change;
            placed := placed + change.steps;
        END LOOP;
    END IF;

    IF claims IS NOT NULL THEN
        FOREACH claim IN ARRAY claims LOOP
            claimed := claimed || fairlead.claim_orders(claim, rate_orders, rate_window_ms);
        END LOOP;
        IF cardinality(claimed) > 0 THEN
            SELECT array_agg(
                ROW(
                    c.order_id::uuid, c.sequence, c.principal, c.updated_at_ms, 'claimed', c.before,
                    c.status, CASE WHEN c.before = 'open' THEN '{"reason":"triggered"}' ELSE '{}' END
                )::fairlead.entry ORDER BY c.ordinality
            ), resting OR coalesce(bool_or(c.before = 'open'), false) INTO log, resting
            FROM unnest(claimed) WITH ORDINALITY c WHERE c.before IS NOT NULL;
            tried := fairlead.attempts_of(ARRAY(
                -- A new order has none.
                SELECT c.order_id::uuid FROM unnest(claimed) c WHERE c.sequence > 2
            ));
        END IF;
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

    IF log IS NOT NULL THEN
        SELECT moves || array_agg(ROW(l.principal, v.status, v.orders)::fairlead.move) INTO moves
        FROM unnest(log) l
        CROSS JOIN LATERAL (VALUES (l.status, 1), (l.before, -1)) v (status, orders);
    END IF;
    IF log IS NOT NULL OR refused IS NOT NULL OR fenced IS NOT NULL THEN
        -- Each count once and in the order in which the client sorts them.
        SELECT array_agg(m::fairlead.move) INTO moves FROM (
            SELECT m.principal, m.status, sum(m.orders)::bigint FROM unnest(moves) m
            GROUP BY m.principal, m.status HAVING sum(m.orders) <> 0
            ORDER BY m.principal COLLATE "C", m.status COLLATE "C"
        ) m;
    END IF;
    IF moves IS NOT NULL THEN
        INSERT INTO fairlead.counts AS k (principal, status, shard, orders)
        SELECT m.principal, m.status, my_shard, m.orders FROM unnest(moves) m
        ON CONFLICT (principal, status, shard) DO UPDATE SET orders = k.orders + excluded.orders;
    END IF;
    size := placed + coalesce(cardinality(log), 0);
    IF size > 0 THEN
        UPDATE fairlead.feed f SET position = f.position + size RETURNING f.position INTO last_position;
        floor := last_position - size;
        IF accepts IS NOT NULL THEN
            INSERT INTO fairlead.events
            SELECT floor + a.place + v.sequence, a.order_id, v.sequence, a.principal,
                coalesce(v.at_ms, a.created_at_ms), v.type, v.status, coalesce(v.data, '{}')
            FROM unnest(accepts) a
            CROSS JOIN LATERAL (
                VALUES (1, 'accepted', 'pending', a.data, NULL::bigint),
                    (2,
                        CASE
                            WHEN a.owner IS NOT NULL THEN 'claimed'
                            WHEN a.rested IS NOT NULL THEN 'rested'
                        END,
                        CASE WHEN a.owner IS NOT NULL THEN 'routing' ELSE 'open' END, a.rested,
                        NULL),
                    (3, ((a.begun).first).type, ((a.begun).first).status, ((a.begun).first).data,
                        (a.begun).at_ms),
                    (2 + (a.begun).steps, (a.begun).type, (a.begun).status, (a.begun).data,
                        (a.begun).at_ms)
            ) v (sequence, type, status, data, at_ms)
            WHERE v.type IS NOT NULL;
        END IF;
        IF changes IS NOT NULL THEN
            INSERT INTO fairlead.events
            SELECT floor + c.place + c.steps, c.order_id, c.sequence + c.steps, c.principal, c.at_ms,
                c.type, c.status, coalesce(c.data, '{}')
            FROM unnest(changes) c WHERE c.steps > 0;
            IF several THEN
                INSERT INTO fairlead.events
                SELECT floor + c.place + e.step, c.order_id, c.sequence + e.step, c.principal, c.at_ms,
                    e.type, e.status, coalesce(e.data, '{}')
                FROM unnest(changes) c
                CROSS JOIN LATERAL (
                    SELECT 1 AS step, (c.first).*
                    UNION ALL
                    SELECT b.ordinality + 1, b.type, b.status, b.data
                    FROM unnest(c.between) WITH ORDINALITY b
                ) e
                WHERE e.type IS NOT NULL;
            END IF;
        END IF;
        IF log IS NOT NULL THEN
            INSERT INTO fairlead.events
            SELECT floor + placed + l.ordinality, l.order_id, l.sequence, l.principal, l.at_ms, l.type,
                l.status, l.data
            FROM unnest(log) WITH ORDINALITY l;
        END IF;
        IF resting THEN
            PERFORM fairlead.move_triggers(floor, accepts, changes, log, placed);
        END IF;
    END IF;
    IF channel IS NOT NULL AND (size > 0 OR work) THEN
        PERFORM pg_notify(
            channel, json_build_object('position', last_position, 'work', work)::text
        );
    END IF;
END $$;
