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

-- name: last_landed
-- Of orders that had ended before any that goes on was accepted: what a restore lost of those that go on
-- landed later, whatever the store has learnt since. Of each principal the newest of them: older ones
-- landed earlier, or only make the search longer.
WITH going_on AS (
    SELECT min(u.order_id) AS order_id, min(e.position) AS position FROM (
        SELECT order_id FROM orders WHERE owner IS NOT NULL
        UNION
        SELECT order_id FROM orders WHERE waits_as IS NOT NULL
        UNION
        SELECT order_id FROM triggers WHERE resting = 1 AND position > 0
    ) u
    CROSS JOIN terms t ON t.order_id = u.order_id AND t.wallet = ?1
    CROSS JOIN orders o ON o.order_id = u.order_id AND o.ended = 0
    CROSS JOIN events e ON e.order_id = u.order_id AND e.sequence = 1
)
SELECT a.signature FROM going_on g CROSS JOIN (SELECT DISTINCT principal FROM counts) p
CROSS JOIN terms t ON t.order_id IN (
    SELECT n.order_id FROM terms n
    WHERE n.principal = p.principal AND n.wallet = ?1 AND n.order_id < coalesce(g.order_id, 'g')
    ORDER BY n.order_id DESC LIMIT 1000
)
CROSS JOIN orders o ON o.order_id = t.order_id AND o.ended = 1
CROSS JOIN events e ON e.order_id = o.order_id AND e.sequence = o.sequence
CROSS JOIN attempts a ON a.order_id = t.order_id
WHERE a.state IN ('succeeded', 'errored') AND a.slot IS NOT NULL
    AND (g.position IS NULL OR e.position < g.position)
ORDER BY a.slot DESC LIMIT 1;

-- name: attempts_of
SELECT * FROM attempts WHERE order_id = ? ORDER BY number;

-- name: left_live
SELECT signature FROM attempts WHERE order_id = ? AND state = 'live' AND latch_generation <> ?;
