-- name: next_opening
UPDATE opening SET number = number + 1 RETURNING number;

-- name: register_worker
INSERT INTO workers VALUES (?, ?, ?)
ON CONFLICT (owner) DO UPDATE
SET lease_until_ms = excluded.lease_until_ms, session = excluded.session;

-- name: renew_lease
UPDATE workers SET lease_until_ms = max(lease_until_ms, ?2) WHERE owner = ?1 AND session = ?3;

-- name: dead_workers
-- The lease ran out; or it belongs to an earlier opening; or orders have an owner that is not
-- registered: it was declared dead, and claimed before it learnt so.
SELECT owner, lease_until_ms FROM workers WHERE lease_until_ms <= ? OR session <> ?
UNION ALL
SELECT DISTINCT o.owner, -1 FROM orders o
WHERE o.owner IS NOT NULL AND NOT EXISTS (SELECT 1 FROM workers w WHERE w.owner = o.owner)
ORDER BY owner;

-- name: is_worker
SELECT 1 FROM workers WHERE owner = ?;

-- name: remove_worker
DELETE FROM workers WHERE owner = ?1 AND (?2 IS NULL OR lease_until_ms = ?2);

-- name: live_workers
SELECT count(*) FROM workers WHERE lease_until_ms > ? AND session = ?;

-- name: claims_in_window
SELECT coalesce(sum(orders), 0), min(at_ms) FROM rate_window WHERE at_ms > ?;

-- name: forget_claims
DELETE FROM rate_window WHERE at_ms <= ?;

-- name: note_claims
INSERT INTO rate_window VALUES (?, ?);
