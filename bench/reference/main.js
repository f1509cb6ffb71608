// Wires one process: API and worker. Settings come from the environment.

import { Queue } from "bullmq";
import Redis from "ioredis";

import { buildApi } from "./api.js";
import { openStore } from "./store.js";
import { QUEUE, startWorker } from "./worker.js";

const HOST = process.env.HOST ?? "127.0.0.1";
const PORT = Number(process.env.PORT ?? 3000);
const DATABASE_URL = process.env.DATABASE_URL;
const REDIS_URL = process.env.REDIS_URL;
// Orders executed at once; 0: orders are accepted and none is executed.
const CONCURRENCY = Number(process.env.WORKER_CONCURRENCY ?? 10);
// Connections to PostgreSQL of the API.
const API_CONNECTIONS = Number(process.env.API_CONNECTIONS ?? 20);
const STOP_TIMEOUT_MS = 15_000;

if (!DATABASE_URL || !REDIS_URL) throw new Error("set DATABASE_URL and REDIS_URL");

// null is what BullMQ asks for: a worker waits for Redis for as long as it takes.
const redis = new Redis(REDIS_URL, { maxRetriesPerRequest: null });
const subscriber = new Redis(REDIS_URL, { lazyConnect: true });
for (const one of [redis, subscriber]) one.on("error", (e) => console.error("redis:", e.message));
// Ready before it subscribes: a SUBSCRIBE amid ioredis's own check of the server can get lost.
await subscriber.connect();

// The worker has connections of its own, so that no order waits for a flood of new ones.
const store = openStore(DATABASE_URL, API_CONNECTIONS);
const workerStore = openStore(DATABASE_URL, Math.max(1, CONCURRENCY));
await store.migrate();

const queue = new Queue(QUEUE, { connection: redis });
queue.on("error", (error) => console.error("queue:", error.message));
const worker =
  CONCURRENCY > 0 ? startWorker({ redis, store: workerStore, concurrency: CONCURRENCY }) : null;

const ready = async () => {
  await Promise.all([store.ping(), redis.ping(), queue.waitUntilReady(), worker?.waitUntilReady()]);
};
const api = await buildApi({ store, queue, subscriber, ready });
await api.listen({ host: HOST, port: PORT });

let isStopping = false;
async function stop() {
  if (isStopping) return;
  isStopping = true;
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  // No new orders; the jobs in hand are ended; then what they need is closed.
  await api.close();
  await worker?.close();
  await queue.close();
  await Promise.all([store.close(), workerStore.close(), redis.quit(), subscriber.quit()]);
}
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
