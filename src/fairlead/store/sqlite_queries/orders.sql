-- name: order_columns
o.order_id, o.principal, t.terms, t.secret, o.status, o.sequence, o.created_at_ms, o.updated_at_ms,
o.owner, o.round, o.due_at_ms, o.minimum_out_atoms, o.latch_generation, o.cancel_requested,
o.signature, o.dex, o.amount_out_atoms, o.failure_code, o.failure_reason, o.finalized_at_ms,
o.earlier_rounds

-- name: insert_terms
INSERT INTO terms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_order
INSERT INTO orders (
    order_id, principal, status, sequence, priority, due_at_ms, created_at_ms, updated_at_ms, owner,
    round
) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9);

-- name: by_idempotency_key
SELECT order_id, request_hash FROM terms WHERE principal = ? AND idempotency_key = ?;

-- name: change_order
-- `columns` are those that the change knows: the others keep what is known.
UPDATE orders SET {columns}
WHERE order_id = ? AND sequence = ? AND status = ? AND owner IS coalesce(?, owner) AND ended <= ?;

-- name: principal_of
SELECT principal FROM orders WHERE order_id = ?;

-- name: reservations_of
SELECT reservations FROM terms WHERE order_id = ?;

-- name: waiting_in
SELECT {order_columns} FROM orders o JOIN terms t ON t.order_id = o.order_id
WHERE o.waits_as = ? AND o.due_at_ms <= ?
ORDER BY o.priority DESC, o.due_at_ms, o.order_id LIMIT ?;

-- name: take_order
UPDATE orders SET
    owner = ?2, claim = ?3, status = ?4, sequence = ?5, round = ?6, updated_at_ms = ?7
WHERE order_id = ?1;

-- name: owned_by
SELECT order_id, principal, status, sequence, due_at_ms FROM orders WHERE owner = ?
ORDER BY order_id;

-- name: free_order
UPDATE orders SET
    owner = NULL, status = ?2, sequence = ?3, due_at_ms = ?4, updated_at_ms = ?5
WHERE order_id = ?1;

-- name: first_waiting
-- The first in line of each priority.
WITH RECURSIVE priorities (priority) AS (
    SELECT 0 UNION ALL SELECT priority + 1 FROM priorities WHERE priority < 9
)
SELECT o.due_at_ms FROM priorities p JOIN orders o ON o.order_id = (
    SELECT w.order_id FROM orders w
    WHERE w.waits_as = ? AND w.priority = p.priority
    ORDER BY w.due_at_ms, w.order_id LIMIT 1
);

-- name: order_by_id
SELECT {order_columns} FROM orders o JOIN terms t ON t.order_id = o.order_id WHERE o.order_id = ?;

-- name: page
-- CROSS JOIN: in this order, so that the index sorts.
SELECT {order_columns} FROM terms t CROSS JOIN orders o ON o.order_id = t.order_id
WHERE {conditions} ORDER BY t.order_id DESC LIMIT ?;

-- name: page_by_status
SELECT {order_columns} FROM orders o CROSS JOIN terms t ON t.order_id = o.order_id
WHERE {conditions} ORDER BY o.order_id DESC LIMIT ?;

-- name: cancelling
SELECT order_id FROM orders WHERE owner = ? AND status = 'cancelling' ORDER BY order_id;

-- name: active_wallets
SELECT DISTINCT t.wallet FROM (
    SELECT order_id FROM orders WHERE owner IS NOT NULL
    UNION ALL
    SELECT order_id FROM orders WHERE waits_as IS NOT NULL
) active CROSS JOIN terms t ON t.order_id = active.order_id;

-- name: unfinished
SELECT {order_columns} FROM (
    SELECT order_id FROM orders WHERE owner IS NOT NULL
    UNION
    SELECT order_id FROM orders WHERE waits_as IS NOT NULL
    UNION
    SELECT order_id FROM triggers WHERE resting = 1 AND position > 0
) u
CROSS JOIN terms t ON t.order_id = u.order_id AND t.wallet = ?
CROSS JOIN orders o ON o.order_id = u.order_id
WHERE o.ended = 0
ORDER BY o.order_id;

-- name: active
SELECT order_id, status FROM orders WHERE owner IS NOT NULL
UNION ALL
SELECT order_id, status FROM orders WHERE waits_as IS NOT NULL AND status <> 'open';
