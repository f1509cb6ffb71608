-- name: insert_trigger
INSERT INTO triggers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1);

-- name: move_trigger
UPDATE triggers SET position = ?2, sequence = ?3, resting = ?4 WHERE order_id = ?1;

-- name: triggers
SELECT * FROM triggers WHERE position > ? ORDER BY position LIMIT ?;

-- name: resting_triggers
SELECT * FROM triggers WHERE resting = 1 AND position > ? ORDER BY position LIMIT ?;

-- name: resting_wallets
SELECT r.position, t.wallet FROM triggers r CROSS JOIN terms t ON t.order_id = r.order_id
WHERE r.resting = 1 AND r.position > ? ORDER BY r.position LIMIT ?;

-- name: watcher
-- Who has the watch; whether that is a worker still; whether the one that asks is a worker.
SELECT owner, EXISTS (SELECT 1 FROM workers k WHERE k.owner = watch.owner),
    EXISTS (SELECT 1 FROM workers k WHERE k.owner = ?)
FROM watch;

-- name: set_watch
UPDATE watch SET owner = ?;
