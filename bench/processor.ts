import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { untilStopped } from '../src/cli/until-stopped.ts';
import type { OperationType, OperationView } from '../src/processors/simulator/wire.ts';

/**
 * A processor that approves everything, keeps it in memory only and speaks the simulator's wire format: the same small
 * cost for every target. It can be asked what it did, as after a crash it must be. The simulator itself writes each operation to PostgreSQL, which would be measured along.
 * `GET /counts` tells how many requests came, and how many different operations they were.
 */
const TYPES: Record<string, OperationType> = { captures: 'capture', voids: 'void', refunds: 'refund' };
const HOLD_MS = 7 * 86_400_000;

const calls: Partial<Record<OperationType, number>> = {};
const operations: Partial<Record<OperationType, Set<string>>> = {};
const done = new Map<string, OperationView[]>();

const server = createServer((request, response) => void answer(request, response));

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, , , resource, authorization, action] = (request.url ?? '').split('/');
  if (resource?.startsWith('payments?')) {
    const reference = new URLSearchParams(resource.slice('payments?'.length)).get('reference') ?? '';
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ reference, operations: done.get(reference) ?? [] }));
    return;
  }
  if (request.method !== 'POST' || resource !== 'authorizations') {
    const counts = Object.entries(operations).map(([type, ids]) => [
      type,
      { calls: calls[type as OperationType], operations: ids.size },
    ]);
    response.setHeader('content-type', 'application/json').end(JSON.stringify(Object.fromEntries(counts)));
    return;
  }
  const body = JSON.parse(await read(request)) as { reference: string; amount_minor?: number; currency?: string };
  const operationId = String(request.headers['idempotency-key']);
  const type = action === undefined ? 'authorize' : TYPES[action]!;
  calls[type] = (calls[type] ?? 0) + 1;
  (operations[type] ??= new Set()).add(operationId);
  const now = Date.now();
  const view: OperationView = {
    operation_id: operationId,
    type,
    reference: body.reference,
    state: 'succeeded',
    amount_minor: body.amount_minor ?? 0,
    currency: body.currency ?? 'USD',
    processor_reference: authorization ?? `bench_${operationId}`,
    at: new Date(now).toISOString(),
    ...(type === 'authorize' ? { expires_at: new Date(now + HOLD_MS).toISOString() } : {}),
  };
  done.set(view.reference, [...(done.get(view.reference) ?? []), view]);
  response.setHeader('content-type', 'application/json').end(JSON.stringify(view));
}
server.keepAliveTimeout = 65_000;
server.listen(Number(process.env['PORT']), '127.0.0.1');
untilStopped({
  stop: () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
});

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  request.setEncoding('utf8');
  for await (const chunk of request) text += chunk as string;
  return text;
}
