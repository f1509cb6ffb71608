-- name: counts_of
SELECT status, sum(orders)::bigint FROM fairlead.counts WHERE principal = $1 GROUP BY status;

-- name: count_of_status
SELECT coalesce(sum(orders), 0)::bigint FROM fairlead.counts WHERE status = $1;

-- name: reserved_of_wallet
SELECT asset, sum(atoms)::text FROM fairlead.reserved WHERE wallet = $1
GROUP BY asset HAVING sum(atoms) <> 0;
