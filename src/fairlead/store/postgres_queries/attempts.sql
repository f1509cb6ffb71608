-- name: known_attempts
SELECT signature FROM fairlead.attempts WHERE signature = ANY ($1::text[])
UNION ALL
SELECT signature FROM fairlead.reclaims WHERE signature = ANY ($1::text[]);

-- name: last_landed
-- Of orders that had ended before any that goes on was accepted: what a restore lost of those that go on
-- landed later, whatever the store has learnt since. Of each principal the newest of them: older ones
-- landed earlier, or only make the search longer.
WITH going_on AS (
    SELECT u.order_id, e.position FROM (
        SELECT order_id FROM fairlead.orders WHERE owner IS NOT NULL
        UNION
        SELECT order_id FROM fairlead.orders WHERE waits_as IS NOT NULL
        UNION
        SELECT order_id FROM fairlead.triggers WHERE resting
    ) u
    JOIN fairlead.terms t ON t.order_id = u.order_id AND t.wallet = $1
    JOIN fairlead.orders o ON o.order_id = u.order_id AND NOT o.ended
    JOIN fairlead.events e ON e.order_id = u.order_id AND e.sequence = 1
), first AS (
    SELECT (SELECT order_id FROM going_on ORDER BY order_id LIMIT 1) AS order_id,
        (SELECT min(position) FROM going_on) AS position
)
SELECT a.signature FROM first f CROSS JOIN (SELECT DISTINCT principal FROM fairlead.counts) p
CROSS JOIN LATERAL (
    SELECT t.order_id FROM fairlead.terms t
    WHERE t.principal = p.principal AND t.wallet = $1
        AND (f.order_id IS NULL OR t.order_id < f.order_id)
    ORDER BY t.order_id DESC LIMIT 1000
) n
JOIN fairlead.orders o ON o.order_id = n.order_id AND o.ended
JOIN fairlead.events e ON e.order_id = o.order_id AND e.sequence = o.sequence
JOIN fairlead.attempts a ON a.order_id = n.order_id
WHERE a.state IN ('succeeded', 'errored') AND a.slot IS NOT NULL
    AND (f.position IS NULL OR e.position < f.position)
ORDER BY a.slot DESC LIMIT 1;

-- name: attempts_of
SELECT * FROM fairlead.attempts WHERE order_id = $1 ORDER BY number;
