// Takes jobs from BullMQ and brings each order through its statuses.

import { randomBytes } from "node:crypto";

import { Worker } from "bullmq";

export const QUEUE = "orders";
export const CHANNEL = "order:status";

// Two pools of the pair: reserves in whole tokens and the fee. Fixed, as in a mock router.
const POOLS = [
  { venue: "raydium", reserveIn: 1_000_000, reserveOut: 146_000_000, fee: 0.0025 },
  { venue: "meteora", reserveIn: 500_000, reserveOut: 73_500_000, fee: 0.002 },
];

/** The pool that pays most for this amount, and how much. */
function route(amountIn) {
  let best = { venue: "", amountOut: -1 };
  for (const pool of POOLS) {
    const paid = amountIn * (1 - pool.fee);
    const amountOut = (pool.reserveOut * paid) / (pool.reserveIn + paid);
    if (amountOut > best.amountOut) best = { venue: pool.venue, amountOut };
  }
  return best;
}

/** Tells of what is durable already. Nobody waits for it: the row is the truth. */
export function teller(redis) {
  return (orderId, status, more = {}) => {
    const update = JSON.stringify({ orderId, status, event: status, at: Date.now(), ...more });
    redis.publish(CHANNEL, update).catch((error) => console.error("redis:", error.message));
  };
}

export function startWorker({ redis, store, concurrency }) {
  const tell = teller(redis);

  async function execute(job) {
    const { orderId, amountIn } = job.data;
    await store.routing(orderId);
    tell(orderId, "routing");
    const { venue, amountOut } = route(Number(amountIn));
    await store.building(orderId, venue);
    tell(orderId, "building", { venue });
    const txHash = randomBytes(32).toString("hex");
    await store.submitted(orderId, txHash);
    tell(orderId, "submitted", { txHash });
    await store.confirmed(orderId, amountOut.toFixed(6));
    tell(orderId, "confirmed", { txHash, amountOut });
  }

  const worker = new Worker(QUEUE, execute, {
    connection: redis,
    concurrency,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 1_000 },
  });
  worker.on("error", (error) => console.error("worker:", error.message));
  worker.on("failed", async (job, error) => {
    if (job === undefined || job.attemptsMade < job.opts.attempts) return;
    const { orderId } = job.data;
    try {
      await store.failed(orderId, error.message);
      tell(orderId, "failed", { error: error.message });
    } catch (also) {
      console.error("order", orderId, "failed and cannot be marked so:", also.message);
    }
  });
  return worker;
}
