-- flush(): many writes of one process in one statement, hence one round trip and one commit. A refused
-- write is left out and told apart by its number `n`; it never fails the others.
--
-- Locks are taken in one order: wallets, order rows, counts and sums, the feed. The feed's row is the
-- last: whoever holds it waits for nobody, so it is held only for the commit.
--
-- NULL stands for an array of nothing.
--
-- The settings of each function pin its plans: made once for a session, perhaps while the tables are
-- empty, and for arrays of any length, they must reach rows by index. Where one may not be hashed, arrays
-- are matched with `= ANY`, not joined.

CREATE TYPE fairlead.accept_in AS (
    n integer, order_id uuid, principal text, idempotency_key text, request_hash bytea, secret bytea,
    user_id text, wallet text, wallet_address text, type text, terms json, reservations json,
    created_at_ms bigint, status text, priority integer, event text, data json,
    -- Set when it is claimed at once.
    owner text
);
CREATE TYPE fairlead.reservation_in AS (
    n integer, wallet text, asset text, atoms text, balance_atoms text
);
CREATE TYPE fairlead.accept_out AS (
    n integer, fresh boolean, order_id uuid, request_hash bytea,
    -- It was stored before and is as the accept left it, claimed for this owner.
    mine boolean,
    -- Set when the funds do not suffice.
    asset text, needed_atoms numeric, balance_atoms numeric, reserved_atoms numeric
);
CREATE TYPE fairlead.change_in AS (
    n integer, order_id uuid, owner text, sequence integer, status_before text, status text,
    at_ms bigint, steps integer, round integer, due_at_ms bigint, minimum_out_atoms text,
    latch_generation integer, cancel_requested boolean, signature text, dex text,
    amount_out_atoms text, failure_code text, failure_reason text, finalized_at_ms bigint,
    clear_fill boolean, release boolean, ends boolean
);
CREATE TYPE fairlead.change_out AS (n integer, principal text);
CREATE TYPE fairlead.event_in AS (n integer, step integer, type text, before text, status text, data json);
CREATE TYPE fairlead.attempt_in AS (
    n integer, signature text, order_id uuid, round integer, number integer, raw bytea,
    blockhash text, blockhash_slot bigint, blockhash_height bigint, last_valid_block_height bigint,
    compute_unit_limit bigint, compute_unit_price_micro_lamports text, tip_lamports text,
    fee_lamports text, latch_address text, latch_generation integer, minimum_out_atoms text,
    legs json, created_at_ms bigint, state text, slot bigint, error text
);
CREATE TYPE fairlead.settled_in AS (
    n integer, order_id uuid, signature text, state text, slot bigint, error text
);
CREATE TYPE fairlead.claim_in AS (
    n integer, owner text, places integer, now_ms bigint, adopt boolean, token bigint,
    -- It was sent before and its answer was lost.
    again boolean
);
CREATE TYPE fairlead.release_in AS (n integer, owner text, lease_until_ms bigint, now_ms bigint);
CREATE TYPE fairlead.lease_in AS (
    n integer, owner text, until_ms bigint, renew boolean, session_key integer
);
CREATE TYPE fairlead.order_out AS (
    n integer, begun boolean,
    order_id text, principal text, terms json, secret bytea, status text, sequence integer,
    created_at_ms bigint, updated_at_ms bigint, owner text, round integer, due_at_ms bigint,
    minimum_out_atoms text, latch_generation integer, cancel_requested boolean, signature text,
    dex text, amount_out_atoms text, failure_code text, failure_reason text, finalized_at_ms bigint
);
-- An event on its way to the table.
CREATE TYPE fairlead.entry AS (
    order_id uuid, sequence integer, principal text, at_ms bigint, type text, before text,
    status text, data json
);

CREATE FUNCTION fairlead.accept_orders(
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
    SELECT a.order_id, a.principal, CASE WHEN a.owner IS NULL THEN a.status ELSE 'routing' END,
        CASE WHEN a.owner IS NULL THEN 1 ELSE 2 END, a.priority, a.created_at_ms, a.created_at_ms,
        a.created_at_ms, a.owner, CASE WHEN a.owner IS NULL THEN 0 ELSE 1 END
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
CREATE FUNCTION fairlead.change_orders(
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
            finalized_at_ms = coalesce(c.finalized_at_ms, o.finalized_at_ms)
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
        SELECT k.order_id, s.status
        FROM unnest(statuses) s (status)
        CROSS JOIN LATERAL (
            SELECT o.order_id, o.priority, o.due_at_ms FROM fairlead.orders o
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
            status = CASE WHEN f.status = 'pending' THEN 'routing' ELSE f.status END,
            sequence = o.sequence + CASE WHEN f.status = 'pending' THEN 1 ELSE 0 END,
            round = CASE WHEN f.status = 'pending' THEN 1 ELSE o.round END,
            updated_at_ms = CASE WHEN f.status = 'pending' THEN claim.now_ms ELSE o.updated_at_ms END
        FROM found f WHERE o.order_id = f.order_id
        RETURNING f.status = 'pending' AS begun, o.*
    ), mine AS (
        SELECT * FROM taken
        UNION ALL
        SELECT false, o.* FROM fairlead.orders o
        WHERE claim.again AND o.owner = claim.owner AND o.claim = claim.token
    )
    SELECT array_agg(
        ROW(
            claim.n, o.begun, o.order_id::text, o.principal, t.terms, t.secret, o.status, o.sequence,
            o.created_at_ms, o.updated_at_ms, o.owner, o.round, o.due_at_ms,
            o.minimum_out_atoms::text, o.latch_generation, o.cancel_requested, o.signature, o.dex,
            o.amount_out_atoms::text, o.failure_code, o.failure_reason, o.finalized_at_ms
        )::fairlead.order_out
        ORDER BY o.priority DESC, o.due_at_ms, o.order_id
    ) INTO result FROM mine o JOIN fairlead.terms t ON t.order_id = o.order_id;

    IF rate_orders IS NOT NULL AND NOT claim.adopt AND result IS NOT NULL THEN
        INSERT INTO fairlead.rate_window
        SELECT claim.now_ms, count(*) FROM unnest(result) r WHERE r.begun HAVING count(*) > 0;
    END IF;
    RETURN coalesce(result, '{}');
END $$;

CREATE FUNCTION fairlead.attempts_of(orders uuid[])
RETURNS fairlead.attempts[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET jit = off SET enable_seqscan = off
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off
AS $$
BEGIN
    RETURN ARRAY(
        SELECT a FROM fairlead.attempts a WHERE a.order_id = ANY (orders)
        ORDER BY a.order_id, a.number
    );
END $$;

-- The orders of a worker that is gone. Those in routing or building are routing again, with an event.
CREATE FUNCTION fairlead.free_orders(gone text, now_ms bigint)
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
            updated_at_ms = now_ms
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

CREATE FUNCTION fairlead.flush(
    accepts fairlead.accept_in[], wanted fairlead.reservation_in[],
    changes fairlead.change_in[], events fairlead.event_in[], attempts fairlead.attempt_in[],
    settled fairlead.settled_in[], claims fairlead.claim_in[], releases fairlead.release_in[],
    leases fairlead.lease_in[], my_shard integer, rate_orders integer, rate_window_ms bigint,
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
                    a.order_id, 2, a.principal, a.created_at_ms, 'claimed', a.status, 'routing', '{}'
                )::fairlead.entry ORDER BY a.n
            ), '{}') INTO log
            FROM unnest(accepts) a JOIN unnest(accepted) b ON a.n = b.n
            WHERE b.fresh AND a.owner IS NOT NULL;
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
                c.order_id::uuid, c.sequence, c.principal, c.updated_at_ms, 'claimed', 'pending',
                c.status, '{}'
            )::fairlead.entry ORDER BY c.ordinality
        ), '{}') INTO log FROM unnest(claimed) WITH ORDINALITY c WHERE c.begun;
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
    END IF;
    IF channel IS NOT NULL AND (size > 0 OR work) THEN
        PERFORM pg_notify(
            channel, json_build_object('position', last_position, 'work', work)::text
        );
    END IF;
END $$;
