-- name: known_attempts
SELECT signature FROM fairlead.attempts WHERE signature = ANY ($1::text[])
UNION ALL
SELECT signature FROM fairlead.reclaims WHERE signature = ANY ($1::text[]);

-- name: known_to_slot
SELECT slot FROM fairlead.chain_known;

-- name: know_to_slot
INSERT INTO fairlead.chain_known AS k VALUES (1, $1)
ON CONFLICT (id) DO UPDATE SET slot = excluded.slot WHERE k.slot < excluded.slot;

-- name: attempts_of
SELECT * FROM fairlead.attempts WHERE order_id = $1 ORDER BY number;
