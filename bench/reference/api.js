// The HTTP side: accept an order, show it, stream what becomes of all of them.

import { randomUUID } from "node:crypto";

import websocket from "@fastify/websocket";
import Fastify from "fastify";

import { CHANNEL } from "./worker.js";

const MAX_BODY_BYTES = 16_384;

// Both are compiled once: validation by Ajv, the answer by fast-json-stringify.
const EXECUTE = {
  body: {
    type: "object",
    required: ["type", "tokenIn", "tokenOut", "amountIn"],
    properties: {
      type: { type: "string", enum: ["market"] },
      tokenIn: { type: "string", minLength: 1, maxLength: 64 },
      tokenOut: { type: "string", minLength: 1, maxLength: 64 },
      amountIn: { type: "string", pattern: "^(?=.*[1-9])\\d{1,20}(\\.\\d{1,18})?$" },
      slippageBps: { type: "integer", minimum: 0, maximum: 10_000, default: 50 },
      wallet: { type: "string", minLength: 32, maxLength: 44 },
    },
  },
  response: {
    202: {
      type: "object",
      properties: {
        success: { type: "boolean" },
        orderId: { type: "string" },
        status: { type: "string" },
        message: { type: "string" },
      },
    },
  },
};

const ONE = {
  params: { type: "object", properties: { orderId: { type: "string", format: "uuid" } } },
};

// Tried again after 1, 2 s; an order that is done leaves nothing in Redis.
const JOB = {
  attempts: 3,
  backoff: { type: "exponential", delay: 1_000 },
  removeOnComplete: true,
  removeOnFail: 1_000,
};

export async function buildApi({ store, queue, subscriber, ready }) {
  const api = Fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    keepAliveTimeout: 72_000,
    // Ends idle keep-alive connections at a stop, which would wait for them otherwise.
    forceCloseConnections: true,
    return503OnClosing: true,
  });
  await api.register(websocket);

  const readers = new Set();
  subscriber.on("message", (_channel, update) => {
    for (const reader of readers) reader.send(update);
  });
  await subscriber.subscribe(CHANNEL);

  api.post("/api/orders/execute", { schema: EXECUTE }, async (request, reply) => {
    const order = request.body;
    if (order.tokenIn === order.tokenOut) {
      return reply.code(400).send({ error: "tokenIn and tokenOut are the same" });
    }
    const orderId = randomUUID();
    await store.insert(orderId, order);
    await queue.add("execute", { orderId, ...order }, JOB);
    return reply
      .code(202)
      .send({ success: true, orderId, status: "pending", message: "Order accepted" });
  });

  api.get("/api/orders/:orderId", { schema: ONE }, async (request, reply) => {
    const order = await store.one(request.params.orderId);
    return order ?? reply.code(404).send({ error: "no such order" });
  });

  // Under the names that the measuring tools ask for.
  api.get("/api/orders", async () => ({ cancelled: 0, expired: 0, ...(await store.counts()) }));

  api.get("/ws", { websocket: true }, (socket) => {
    socket.on("close", () => readers.delete(socket));
    socket.on("error", () => socket.terminate());
    socket.send('{"type":"connected"}');
    readers.add(socket);
  });

  api.get("/health", async () => ({ status: "ok" }));
  api.get("/ready", async (_request, reply) => {
    try {
      await ready();
      return { status: "ready" };
    } catch (error) {
      return reply.code(503).send({ status: "not ready", error: error.message });
    }
  });
  return api;
}
