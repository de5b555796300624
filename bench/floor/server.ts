import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import express from 'express';
import { Pool } from 'pg';
import { untilStopped } from '../../src/cli/until-stopped.ts';
import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { createWrites, type Intent } from './writes.ts';

/**
 * The floor: Express and PostgreSQL do the same writes in the same number of transactions and call the same
 * processor, with no durability engine. What a crash between two writes leaves behind, stays behind.
 */
const pool = new Pool({ connectionString: process.env['DATABASE_URL'], max: 20 });
await pool.query(readFileSync(new URL('./schema.sql', import.meta.url), 'utf8'));
const writes = createWrites(pool);
const processor = createSimulatorAdapter();
const account = { processor: 'alpha', mid: 'floor', baseUrl: process.env['PROCESSOR_URL']!, apiKey: 'sk_floor' };
const CALL = { account, timeoutMs: 8_000 };

const app = express().disable('x-powered-by').disable('etag').use(express.json());

app.post('/authorize', async (req, res) => {
  const { key, agent_id, intent } = req.body as { key: string; agent_id: string; intent: Intent };
  await writes.countRecent(agent_id);
  const id = randomUUID();
  await writes.authorize(id, key, agent_id, intent);
  res.json({ decision: 'approved', execution_ref: id });
});

app.post('/pay', async (req, res) => {
  const { key, execution_ref: id } = req.body as { key: string; execution_ref: string };
  const operationId = randomUUID();
  const { amountMinor } = await writes.reservePayment(id, key, operationId);
  const sent = { ...CALL, operationId, reference: id, amountMinor, currency: 'USD' };
  const outcome = await processor.authorize({ ...sent, token: 'tok_approve', capture: 'manual' });
  if (outcome.status !== 'succeeded') throw new Error(outcome.status);
  await writes.recordPayment(id, key, operationId, outcome.processorReference, amountMinor);
  res.status(201).json({ payment_id: id, status: 'authorized' });
});

app.post('/capture', async (req, res) => {
  const { key, payment_id: id } = req.body as { key: string; payment_id: string };
  const operationId = randomUUID();
  const { amountMinor, processorReference } = await writes.reserveCapture(id, key, operationId);
  const sent = { ...CALL, operationId, reference: id, amountMinor, currency: 'USD' };
  const outcome = await processor.capture({ ...sent, processorReference: processorReference!, final: true });
  if (outcome.status !== 'succeeded') throw new Error(outcome.status);
  await writes.recordCapture(id, key, operationId, amountMinor);
  res.json({ payment_id: id, status: 'captured' });
});

const server = app.listen(Number(process.env['PORT']), '127.0.0.1');
server.keepAliveTimeout = 65_000;
untilStopped({
  stop: async () => {
    server.close();
    server.closeAllConnections();
    await pool.end();
  },
});
