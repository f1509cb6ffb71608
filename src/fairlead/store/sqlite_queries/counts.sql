-- name: add_count
INSERT INTO counts VALUES (?, ?, ?)
ON CONFLICT (principal, status) DO UPDATE SET orders = orders + excluded.orders;

-- name: counts_of
SELECT status, orders FROM counts WHERE principal = ?;

-- name: count_of_status
SELECT coalesce(sum(orders), 0) FROM counts WHERE status = ?;

-- name: reserved_of
SELECT atoms FROM reserved WHERE wallet = ? AND asset = ?;

-- name: set_reserved
INSERT INTO reserved VALUES (?, ?, ?)
ON CONFLICT (wallet, asset) DO UPDATE SET atoms = excluded.atoms;

-- name: reserved_of_wallet
SELECT asset, atoms FROM reserved WHERE wallet = ? AND atoms <> '0';
