-- An attempt that is found settled on the chain comes with the answers that prove it.

ALTER TYPE fairlead.attempt_in ADD ATTRIBUTE evidence text;

-- As in 0006, and keeps them.
CREATE OR REPLACE FUNCTION fairlead.change_orders(
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
    IF attempts IS NOT NULL THEN
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
