-- name: noted_position
SELECT position FROM lent;

-- name: note_latches
-- Of the orders that an event from ?1 to ?2 ended. The plus keeps to the range of positions.
INSERT INTO latches (address, order_id, generation, due_after_height, taken, state)
SELECT a.latch_address, a.order_id, a.latch_generation,
    (SELECT max(b.blockhash_height) FROM attempts b WHERE b.order_id = a.order_id),
    max(a.state = 'succeeded'), 'waiting'
FROM events e
CROSS JOIN orders o ON o.order_id = e.order_id AND o.ended = 1
CROSS JOIN attempts a ON a.order_id = e.order_id
WHERE e.position > ?1 AND e.position <= ?2
    AND +e.type IN ('finalized', 'cancelled', 'expired', 'failed') AND a.latch_address IS NOT NULL
GROUP BY a.latch_address
ON CONFLICT (address) DO NOTHING
RETURNING taken;

-- name: noted
UPDATE lent SET position = ?1, latches = latches + ?2, taken = taken + ?3;

-- name: due_latches
SELECT l.address, l.order_id, l.generation, t.wallet, t.wallet_address, t.secret,
    l.due_after_height, l.failures
FROM latches l CROSS JOIN terms t ON t.order_id = l.order_id
WHERE l.state = 'waiting' AND l.due_after_height <= ?
ORDER BY l.due_after_height, l.address LIMIT ?;

-- name: live_reclaims
SELECT signature, wallet, raw, blockhash_slot, blockhash_height, latches, lamports, fee_lamports,
    created_at_ms
FROM reclaims WHERE state = 'live' ORDER BY created_at_ms, signature LIMIT ?;

-- name: reclaim_state
SELECT state FROM reclaims WHERE signature = ?;

-- name: insert_reclaim
INSERT INTO reclaims VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'live', NULL, NULL);

-- name: waiting_latches
SELECT count(*) FROM latches
WHERE address IN (SELECT value FROM json_each(?)) AND state = 'waiting';

-- name: take_latches
UPDATE latches SET state = 'reclaiming', reclaim = ?2
WHERE address IN (SELECT value FROM json_each(?1)) AND state = 'waiting';

-- name: settle_reclaim
UPDATE reclaims SET state = ?2, slot = ?3, error = ?4 WHERE signature = ?1 AND state = 'live'
RETURNING latches, lamports;

-- name: latches_reclaimed
UPDATE latches SET state = 'reclaimed'
WHERE address IN (SELECT value FROM json_each(?1)) AND reclaim = ?2 AND state = 'reclaiming'
RETURNING taken;

-- name: latches_wait_again
UPDATE latches SET state = 'waiting', failures = failures + ?3,
    due_after_height = max(due_after_height, ?4)
WHERE address IN (SELECT value FROM json_each(?1)) AND reclaim = ?2 AND state = 'reclaiming';

-- name: latches_absent
UPDATE latches SET state = 'absent'
WHERE address IN (SELECT value FROM json_each(?)) AND state = 'waiting' RETURNING taken;

-- name: given_back
UPDATE lent SET latches = latches - ?1, taken = taken - ?2,
    reclaimed_lamports = reclaimed_lamports + ?3;

-- name: lent
SELECT latches, taken, reclaimed_lamports FROM lent;

-- name: lent_by
SELECT wallet, taken FROM lent_by WHERE wallet IN (SELECT value FROM json_each(?));
