-- name: attempts_of
SELECT * FROM fairlead.attempts WHERE order_id = $1 ORDER BY number;
