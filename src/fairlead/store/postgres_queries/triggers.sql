-- name: triggers
SELECT * FROM fairlead.triggers WHERE position > $1 ORDER BY position LIMIT $2;

-- name: resting_triggers
SELECT * FROM fairlead.triggers WHERE resting AND position > $1 ORDER BY position LIMIT $2;

-- name: take_watch
SELECT fairlead.take_watch($1);
