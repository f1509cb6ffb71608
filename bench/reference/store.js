// Orders in PostgreSQL. Every statement is one transaction of its own, durable when it is answered.

import pg from "pg";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS orders (
    id uuid PRIMARY KEY,
    type text NOT NULL,
    token_in text NOT NULL,
    token_out text NOT NULL,
    amount_in numeric NOT NULL,
    slippage_bps integer NOT NULL,
    wallet text,
    status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    venue text,
    amount_out numeric,
    tx_hash text,
    error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
  )
  -- Room on the page for the next versions of a row, and no index on status: a change of status
  -- touches no index (a heap-only update).
  WITH (fillfactor = 40)`;

// A name makes a prepared statement: PostgreSQL parses and plans it once on each connection.
const INSERT = {
  name: "insert",
  text: `INSERT INTO orders (id, type, token_in, token_out, amount_in, slippage_bps, wallet, status)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending')`,
};
const ROUTING = {
  name: "routing",
  text: `UPDATE orders SET status = 'routing', attempts = attempts + 1, updated_at = now()
         WHERE id = $1`,
};
const BUILDING = {
  name: "building",
  text: `UPDATE orders SET status = 'building', venue = $2, updated_at = now() WHERE id = $1`,
};
const SUBMITTED = {
  name: "submitted",
  text: `UPDATE orders SET status = 'submitted', tx_hash = $2, updated_at = now() WHERE id = $1`,
};
const CONFIRMED = {
  name: "confirmed",
  text: `UPDATE orders SET status = 'confirmed', amount_out = $2, updated_at = now()
         WHERE id = $1`,
};
const FAILED = {
  name: "failed",
  text: `UPDATE orders SET status = 'failed', error = $2, updated_at = now() WHERE id = $1`,
};
const ONE = {
  name: "one",
  text: `SELECT id AS "orderId", type, token_in AS "tokenIn", token_out AS "tokenOut",
                amount_in::text AS "amountIn", slippage_bps AS "slippageBps", wallet, status,
                attempts, venue, amount_out::text AS "amountOut", tx_hash AS "txHash", error,
                created_at AS "createdAt", updated_at AS "updatedAt"
         FROM orders WHERE id = $1`,
};
const COUNTS = {
  name: "counts",
  text: `SELECT count(*)::int AS total,
                count(*) FILTER (WHERE status = 'confirmed')::int AS completed,
                count(*) FILTER (WHERE status = 'failed')::int AS failed
         FROM orders`,
};

/** @param {string} url @param {number} connections most of them at once */
export function openStore(url, connections) {
  const pool = new pg.Pool({
    connectionString: url,
    max: connections,
    // Connections are kept: making one costs more than a query.
    min: connections,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  // An idle connection that the server cuts is replaced at the next query.
  pool.on("error", (error) => console.error("postgres:", error.message));
  const run = (statement, values) => pool.query({ ...statement, values });
  return {
    migrate: () => pool.query(SCHEMA),
    ping: () => pool.query("SELECT 1"),
    insert: (id, order) =>
      run(INSERT, [
        id,
        order.type,
        order.tokenIn,
        order.tokenOut,
        order.amountIn,
        order.slippageBps,
        order.wallet ?? null,
      ]),
    routing: (id) => run(ROUTING, [id]),
    building: (id, venue) => run(BUILDING, [id, venue]),
    submitted: (id, txHash) => run(SUBMITTED, [id, txHash]),
    confirmed: (id, amountOut) => run(CONFIRMED, [id, amountOut]),
    failed: (id, error) => run(FAILED, [id, error]),
    one: async (id) => (await run(ONE, [id])).rows[0],
    counts: async () => (await run(COUNTS, [])).rows[0],
    close: () => pool.end(),
  };
}
