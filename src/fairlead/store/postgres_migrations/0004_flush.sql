-- flush() anew: as few statements as there can be, and as little in them. What a small flush costs is
-- starting statements; docs/decisions/0011-cost-of-a-flush.md has the figures.
--
-- The client says of each write what it will do if nothing refuses it: its place among the events of the
-- flush, and how it moves the counts. Only when a write is refused are places and counts corrected here.
--
-- As before: a refused write is left out and told apart by its number `n`; it never fails the others.
-- NULL stands for an array of nothing. Locks are taken in one order: wallets, order rows, counts and sums,
-- the feed. The feed's row is the last: whoever holds it waits for nobody.

-- Ordinary columns from now on: PostgreSQL reads the text of generated ones anew for every statement,
-- which took a tenth of a small flush. Only the functions below write them, always by these two.
ALTER TABLE fairlead.orders ALTER COLUMN waits_as DROP EXPRESSION;
ALTER TABLE fairlead.orders ALTER COLUMN listed_as DROP EXPRESSION;

CREATE FUNCTION fairlead.waits_as(status text, owner text, ended boolean, due_at_ms bigint)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN owner IS NOT NULL OR ended THEN NULL
        WHEN status IN ('pending', 'routing', 'submitted', 'confirmed', 'cancelling') THEN status
        WHEN status = 'open' AND due_at_ms < 4611686018427387904 THEN 'pending'
    END
$$;
CREATE FUNCTION fairlead.listed_as(status text, ended boolean)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN ended OR status = 'open' THEN status ELSE 'live' END
$$;

DROP FUNCTION fairlead.flush;
DROP FUNCTION fairlead.accept_orders;
DROP FUNCTION fairlead.change_orders;
DROP FUNCTION fairlead.move_triggers;
DROP TYPE fairlead.accept_in, fairlead.accept_out, fairlead.reservation_in, fairlead.change_in,
    fairlead.change_out, fairlead.event_in, fairlead.trigger_in;

CREATE TYPE fairlead.trigger_in AS (
    kind text, side text, price_source text, priority integer, token_in text, token_out text,
    amount_in_atoms text, threshold_out_atoms text, venues json, max_price_impact_bps integer,
    expires_at_ms bigint
);
-- `place` counts the events of the flush before its first one.
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
    rested json, trigger fairlead.trigger_in
);
-- What the accepts of a flush reserve together, sorted.
CREATE TYPE fairlead.sum_in AS (wallet text, asset text, atoms text, balance_atoms text);
-- An order that was not stored: it, or its key, is there already; or the funds do not suffice.
CREATE TYPE fairlead.accept_out AS (
    n integer, order_id uuid, request_hash bytea,
    -- It was stored before and is as the accept left it, claimed for this owner.
    mine boolean,
    asset text, needed_atoms numeric, balance_atoms numeric, reserved_atoms numeric
);
CREATE TYPE fairlead.event_in AS (type text, status text, data json);
CREATE TYPE fairlead.change_in AS (
    n integer, place integer, order_id uuid, principal text, owner text, sequence integer,
    status_before text, status text, at_ms bigint, steps integer,
    -- The last of its events, which has its status, and those before it.
    type text, data json, earlier fairlead.event_in[],
    round integer, due_at_ms bigint, minimum_out_atoms text, latch_generation integer,
    cancel_requested boolean, signature text, dex text, amount_out_atoms text, failure_code text,
    failure_reason text, finalized_at_ms bigint, clear_fill boolean, release boolean, ends boolean,
    earlier_rounds integer
);
CREATE TYPE fairlead.move AS (principal text, status text, orders bigint);

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

-- Stores orders and what they reserve; those that were refused.
CREATE FUNCTION fairlead.accept_orders(
    accepts fairlead.accept_in[], sums fairlead.sum_in[], my_shard integer
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
            owner, round, waits_as, listed_as
        )
        SELECT a.order_id, a.principal,
            CASE
                WHEN a.owner IS NOT NULL THEN 'routing'
                WHEN a.rested IS NOT NULL THEN 'open'
                ELSE 'pending'
            END,
            CASE WHEN a.owner IS NOT NULL OR a.rested IS NOT NULL THEN 2 ELSE 1 END, a.priority,
            CASE WHEN a.rested IS NOT NULL THEN 4611686018427387904 ELSE a.created_at_ms END,
            a.created_at_ms, a.created_at_ms, a.owner, CASE WHEN a.owner IS NULL THEN 0 ELSE 1 END,
            CASE WHEN a.owner IS NULL AND a.rested IS NULL THEN 'pending' END,
            CASE WHEN a.rested IS NOT NULL THEN 'open' ELSE 'live' END
        FROM unnest(accepts) a;
        RETURN NULL;
    END IF;

    IF size > 1 THEN
        -- Some of them are there already, or not all can be paid for: the earlier ones first, in halves.
        -- What has just been stored has no row in `orders` yet.
        DELETE FROM fairlead.terms t
        WHERE t.order_id IN (SELECT a.order_id FROM unnest(accepts) a)
            AND NOT EXISTS (SELECT FROM fairlead.orders o WHERE o.order_id = t.order_id);
        RETURN fairlead.accept_orders(
            accepts[:size / 2], fairlead.sums_of(accepts[:size / 2]), my_shard
        ) || fairlead.accept_orders(
            accepts[size / 2 + 1:], fairlead.sums_of(accepts[size / 2 + 1:]), my_shard
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
    changes fairlead.change_in[], attempts fairlead.attempt_in[], settled fairlead.settled_in[],
    ending boolean, my_shard integer
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
            state = s.state, slot = coalesce(s.slot, a.slot), error = coalesce(s.error, a.error)
        FROM unnest(settled) s
        -- By the index on order_id: an order has few attempts, and signatures lie anywhere.
        WHERE a.order_id = s.order_id AND a.signature || '' = s.signature AND s.n = ANY (done);
    END IF;
    IF attempts IS NOT NULL THEN
        INSERT INTO fairlead.attempts
        SELECT a.signature, a.order_id, a.round, a.number, a.raw, a.blockhash, a.blockhash_slot,
            a.blockhash_height, a.last_valid_block_height, a.compute_unit_limit,
            a.compute_unit_price_micro_lamports::numeric, a.tip_lamports::numeric,
            a.fee_lamports::numeric, a.latch_address, a.latch_generation,
            a.minimum_out_atoms::numeric, a.legs, a.created_at_ms, a.state, a.slot, a.error
        FROM unnest(attempts) a WHERE a.n = ANY (done);
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

CREATE OR REPLACE FUNCTION fairlead.claim_orders(
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
            updated_at_ms = CASE WHEN f.waits_as = 'pending' THEN claim.now_ms ELSE o.updated_at_ms END,
            waits_as = NULL,
            listed_as = 'live'
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

CREATE OR REPLACE FUNCTION fairlead.free_orders(gone text, now_ms bigint)
RETURNS fairlead.entry[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
DECLARE
    result fairlead.entry[];
BEGIN
    WITH before AS (
        SELECT order_id, status, status IN ('routing', 'building') AS again
        FROM fairlead.orders WHERE owner = gone ORDER BY order_id FOR UPDATE
    ), freed AS (
        UPDATE fairlead.orders o SET
            owner = NULL,
            status = CASE WHEN b.again THEN 'routing' ELSE o.status END,
            sequence = o.sequence + CASE WHEN b.again THEN 1 ELSE 0 END,
            due_at_ms = least(o.due_at_ms, now_ms),
            updated_at_ms = now_ms,
            waits_as = fairlead.waits_as(
                CASE WHEN b.again THEN 'routing' ELSE o.status END, NULL, o.ended,
                least(o.due_at_ms, now_ms)
            )
        FROM before b WHERE o.order_id = b.order_id
        RETURNING o.order_id, o.sequence, o.principal, b.status AS before, b.again
    )
    SELECT array_agg(
        ROW(
            order_id, sequence, principal, now_ms, 'taken_over', before, 'routing',
            '{"reason":"taken_over"}'
        )::fairlead.entry ORDER BY order_id
    ) FILTER (WHERE again) INTO result FROM freed;
    RETURN coalesce(result, '{}');
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
    attempts fairlead.attempt_in[], settled fairlead.settled_in[], moves fairlead.move[],
    claims fairlead.claim_in[], releases fairlead.release_in[], leases fairlead.lease_in[],
    -- Events of the accepts and changes; whether a change has several, ends an order, or an order comes
    -- to rest or ceases to by any of them; whether there is work if they are done.
    placed integer, several boolean, ending boolean, resting boolean, work boolean,
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
        refused := fairlead.accept_orders(accepts, sums, my_shard);
    END IF;
    IF changes IS NOT NULL THEN
        done := fairlead.change_orders(changes, attempts, settled, ending, my_shard);
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
            placed := placed + CASE WHEN accept.owner IS NOT NULL OR accept.rested IS NOT NULL THEN 2 ELSE 1 END;
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
            SELECT floor + a.place + v.sequence, a.order_id, v.sequence, a.principal, a.created_at_ms,
                v.type, v.status, coalesce(v.data, '{}')
            FROM unnest(accepts) a
            CROSS JOIN LATERAL (
                VALUES (1, 'accepted', 'pending', a.data, true),
                    (2, 'claimed', 'routing', NULL, a.owner IS NOT NULL),
                    (2, 'rested', 'open', a.rested, a.rested IS NOT NULL)
            ) v (sequence, type, status, data, happened)
            WHERE v.happened;
        END IF;
        IF changes IS NOT NULL THEN
            INSERT INTO fairlead.events
            SELECT floor + c.place + c.steps, c.order_id, c.sequence + c.steps, c.principal, c.at_ms,
                c.type, c.status, coalesce(c.data, '{}')
            FROM unnest(changes) c WHERE c.steps > 0;
            IF several THEN
                INSERT INTO fairlead.events
                SELECT floor + c.place + e.ordinality, c.order_id, c.sequence + e.ordinality,
                    c.principal, c.at_ms, e.type, e.status, coalesce(e.data, '{}')
                FROM unnest(changes) c CROSS JOIN LATERAL unnest(c.earlier) WITH ORDINALITY e;
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
