-- name: known_attempts
SELECT signature FROM fairlead.attempts WHERE signature = ANY ($1::text[])
UNION ALL
SELECT signature FROM fairlead.reclaims WHERE signature = ANY ($1::text[]);

-- name: last_landed
-- Of the newest orders of each principal: older ones landed earlier, or only make the search longer.
SELECT a.signature FROM (SELECT DISTINCT principal FROM fairlead.counts) p
CROSS JOIN LATERAL (
    SELECT t.order_id FROM fairlead.terms t
    WHERE t.principal = p.principal AND t.wallet = $1
    ORDER BY t.order_id DESC LIMIT 1000
) n
JOIN fairlead.attempts a ON a.order_id = n.order_id
WHERE a.state IN ('succeeded', 'errored') AND a.slot IS NOT NULL
ORDER BY a.slot DESC LIMIT 1;

-- name: attempts_of
SELECT * FROM fairlead.attempts WHERE order_id = $1 ORDER BY number;
