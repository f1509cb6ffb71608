-- name: insert_attempt
INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: settle_attempt
-- The plus keeps to the index on order_id: an order has few attempts, and signatures lie anywhere.
UPDATE attempts SET state = ?3, slot = coalesce(?4, slot), error = coalesce(?5, error),
    evidence = coalesce(?6, evidence)
WHERE order_id = ?1 AND +signature = ?2;

-- name: known_attempts
SELECT a.signature FROM json_each(?1) j CROSS JOIN attempts a ON a.signature = j.value
UNION ALL
SELECT r.signature FROM json_each(?1) j CROSS JOIN reclaims r ON r.signature = j.value;

-- name: known_to_slot
SELECT slot FROM chain_known;

-- name: know_to_slot
INSERT INTO chain_known VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET slot = max(slot, excluded.slot);

-- name: attempts_of
SELECT * FROM attempts WHERE order_id = ? ORDER BY number;

-- name: left_live
SELECT signature FROM attempts WHERE order_id = ? AND state = 'live' AND latch_generation <> ?;
