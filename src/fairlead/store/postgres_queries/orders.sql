-- name: order_columns
o.order_id::text, o.principal, t.terms, t.secret, o.status, o.sequence, o.created_at_ms,
o.updated_at_ms, o.owner, o.round, o.due_at_ms, o.minimum_out_atoms::text, o.latch_generation,
o.cancel_requested, o.signature, o.dex, o.amount_out_atoms::text, o.failure_code, o.failure_reason,
o.finalized_at_ms, o.earlier_rounds

-- name: by_idempotency_key
SELECT order_id::text, request_hash FROM fairlead.terms WHERE principal = $1 AND idempotency_key = $2;

-- name: first_waiting
-- The first in line of each `waits_as` and priority.
SELECT s.status, w.due_at_ms
FROM unnest($1::text[]) s (status) CROSS JOIN generate_series(0, 9) p
CROSS JOIN LATERAL (
    SELECT o.due_at_ms FROM fairlead.orders o
    WHERE o.waits_as = s.status AND o.priority = p
    ORDER BY o.due_at_ms, o.order_id LIMIT 1
) w;

-- name: principals_of
SELECT order_id::text, principal FROM fairlead.orders WHERE order_id = ANY ($1::uuid[]);

-- name: order_by_id
SELECT {order_columns} FROM fairlead.orders o JOIN fairlead.terms t ON t.order_id = o.order_id
WHERE o.order_id = $1;

-- name: page
SELECT {order_columns} FROM fairlead.terms t JOIN fairlead.orders o ON o.order_id = t.order_id
WHERE {conditions} ORDER BY t.order_id DESC LIMIT {limit};

-- name: page_by_status
-- Of the orders of one status those that have ended, then those among the live.
SELECT {order_columns} FROM (
    (
        SELECT o.* FROM fairlead.orders o JOIN fairlead.terms t ON t.order_id = o.order_id
        WHERE o.listed_as = o.status AND o.listed_as = {status} AND {conditions}
        ORDER BY o.order_id DESC LIMIT {limit}
    )
    UNION ALL
    (
        SELECT o.* FROM fairlead.orders o JOIN fairlead.terms t ON t.order_id = o.order_id
        WHERE o.listed_as = 'live' AND {conditions}
        ORDER BY o.order_id DESC LIMIT {limit}
    )
) o JOIN fairlead.terms t ON t.order_id = o.order_id
ORDER BY o.order_id DESC LIMIT {limit};

-- name: cancelling
SELECT order_id::text FROM fairlead.orders WHERE owner = $1 AND status = 'cancelling'
ORDER BY order_id;

-- name: active_wallets
SELECT DISTINCT t.wallet FROM (
    SELECT order_id FROM fairlead.orders WHERE owner IS NOT NULL
    UNION ALL
    SELECT order_id FROM fairlead.orders WHERE waits_as IS NOT NULL
) active JOIN fairlead.terms t ON t.order_id = active.order_id;

-- name: unfinished
SELECT {order_columns} FROM (
    SELECT order_id FROM fairlead.orders WHERE owner IS NOT NULL
    UNION
    SELECT order_id FROM fairlead.orders WHERE waits_as IS NOT NULL
    UNION
    SELECT order_id FROM fairlead.triggers WHERE resting
) u
JOIN fairlead.terms t ON t.order_id = u.order_id AND t.wallet = $1
JOIN fairlead.orders o ON o.order_id = u.order_id
WHERE NOT o.ended
ORDER BY o.order_id;

-- name: active
SELECT order_id::text, status FROM fairlead.orders WHERE owner IS NOT NULL
UNION ALL
SELECT order_id::text, status FROM fairlead.orders WHERE waits_as IS NOT NULL AND status <> 'open';
