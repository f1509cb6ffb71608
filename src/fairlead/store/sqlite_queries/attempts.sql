-- name: insert_attempt
INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL);

-- name: settle_attempt
-- The plus keeps to the index on order_id: an order has few attempts, and signatures lie anywhere.
UPDATE attempts SET state = ?3, slot = coalesce(?4, slot), error = coalesce(?5, error),
    evidence = coalesce(?6, evidence)
WHERE order_id = ?1 AND +signature = ?2;

-- name: known_attempts
SELECT a.signature FROM json_each(?1) j CROSS JOIN attempts a ON a.signature = j.value
UNION ALL
SELECT r.signature FROM json_each(?1) j CROSS JOIN reclaims r ON r.signature = j.value;

-- name: last_landed
-- Of the newest orders of each principal: older ones landed earlier, or only make the search longer.
SELECT a.signature FROM (SELECT DISTINCT principal FROM counts) p
CROSS JOIN terms t ON t.order_id IN (
    SELECT n.order_id FROM terms n WHERE n.principal = p.principal AND n.wallet = ?
    ORDER BY n.order_id DESC LIMIT 1000
)
CROSS JOIN attempts a ON a.order_id = t.order_id
WHERE a.state IN ('succeeded', 'errored') AND a.slot IS NOT NULL
ORDER BY a.slot DESC LIMIT 1;

-- name: attempts_of
SELECT * FROM attempts WHERE order_id = ? ORDER BY number;

-- name: left_live
SELECT signature FROM attempts WHERE order_id = ? AND state = 'live' AND latch_generation <> ?;
