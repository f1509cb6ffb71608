-- name: event_columns
position, order_id::text, sequence, principal, at_ms, type, status, data

-- name: events_of_order
SELECT {event_columns} FROM fairlead.events WHERE order_id = $1 AND sequence > $2
ORDER BY sequence LIMIT $3;

-- name: events_of_orders
SELECT {event_columns} FROM fairlead.events WHERE order_id = ANY ($1::uuid[])
ORDER BY order_id, sequence;

-- name: written_at
-- What stands where an uncertain change would have written its first event.
SELECT at_ms, type, status, data FROM fairlead.events WHERE order_id = $1 AND sequence = $2;

-- name: feed
SELECT {event_columns} FROM fairlead.events WHERE position > $1 ORDER BY position LIMIT $2;

-- name: feed_head
SELECT position FROM fairlead.feed;
