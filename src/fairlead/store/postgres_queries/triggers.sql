-- name: triggers
SELECT * FROM fairlead.triggers WHERE position > $1 ORDER BY position LIMIT $2;

-- name: resting_triggers
SELECT * FROM fairlead.triggers WHERE resting AND position > $1 ORDER BY position LIMIT $2;

-- name: take_watch
SELECT fairlead.take_watch($1);

-- name: resting_wallets
SELECT r.position, t.wallet
FROM fairlead.triggers r JOIN fairlead.terms t ON t.order_id = r.order_id
WHERE r.resting AND r.position > $1 ORDER BY r.position LIMIT $2;
