-- name: dead_workers
-- The lease ran out; or the session is gone, unless it went with the server it was on; or orders have an
-- owner that is not registered: it was declared dead, and claimed before it learnt so. 24,940 is the class
-- of the workers' advisory locks.
SELECT owner, lease_until_ms FROM fairlead.workers w
WHERE lease_until_ms <= $1
    OR (
        session_key IS NOT NULL AND session_server = pg_postmaster_start_time()
        AND NOT EXISTS (
            SELECT FROM pg_locks l
            WHERE l.locktype = 'advisory' AND l.classid = 24940 AND l.objid = w.session_key::oid
                AND l.objsubid = 2 AND l.granted
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
    )
UNION ALL
SELECT DISTINCT o.owner, -1 FROM fairlead.orders o
WHERE o.owner IS NOT NULL
    AND NOT EXISTS (SELECT FROM fairlead.workers w WHERE w.owner = o.owner)
ORDER BY owner;

-- name: hold_session
SELECT pg_try_advisory_lock(24940, $1);

-- name: let_session_go
SELECT pg_advisory_unlock(24940, $1);

-- name: live_workers
SELECT count(*) FROM fairlead.workers WHERE lease_until_ms > $1;

-- name: claims_in_window
SELECT coalesce(sum(orders), 0)::bigint, min(at_ms) FROM fairlead.rate_window WHERE at_ms > $1;
