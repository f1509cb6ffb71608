-- name: insert_attempt
INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: settle_attempt
-- The plus keeps to the index on order_id: an order has few attempts, and signatures lie anywhere.
UPDATE attempts SET state = ?3, slot = coalesce(?4, slot), error = coalesce(?5, error)
WHERE order_id = ?1 AND +signature = ?2;

-- name: attempts_of
SELECT * FROM attempts WHERE order_id = ? ORDER BY number;
