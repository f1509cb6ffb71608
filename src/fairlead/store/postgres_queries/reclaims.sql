-- name: note_latches
SELECT fairlead.note_latches($1);

-- name: due_latches
SELECT l.address, l.order_id::text, l.generation, t.wallet, t.wallet_address, t.secret,
    l.due_after_height, l.failures
FROM fairlead.latches l JOIN fairlead.terms t ON t.order_id = l.order_id
WHERE l.state = 'waiting' AND l.due_after_height <= $1
ORDER BY l.due_after_height, l.address LIMIT $2;

-- name: begin_reclaim
SELECT fairlead.begin_reclaim($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: live_reclaims
SELECT signature, wallet, raw, blockhash_slot, blockhash_height, latches::text, lamports,
    fee_lamports, created_at_ms
FROM fairlead.reclaims WHERE state = 'live' ORDER BY created_at_ms, signature LIMIT $1;

-- name: settle_reclaim
SELECT fairlead.settle_reclaim($1, $2, $3, $4, $5);

-- name: absent_latches
SELECT fairlead.absent_latches($1);

-- name: lent
SELECT latches, taken, reclaimed_lamports FROM fairlead.lent;

-- name: lent_by
SELECT wallet, taken FROM fairlead.lent_by WHERE wallet = ANY ($1::text[]);
