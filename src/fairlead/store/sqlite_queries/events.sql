-- name: insert_event
INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: events_of_order
SELECT * FROM events WHERE order_id = ? AND sequence > ? ORDER BY sequence LIMIT ?;

-- name: events_of_orders
SELECT e.* FROM json_each(?) j CROSS JOIN events e ON e.order_id = j.value
ORDER BY e.order_id, e.sequence;

-- name: feed
SELECT * FROM events WHERE position > ? ORDER BY position LIMIT ?;

-- name: feed_head
SELECT coalesce(max(position), 0) FROM events;
