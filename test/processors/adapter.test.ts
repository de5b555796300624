import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProcessorOutcome } from '../../src/processors/port.ts';
import { createSimulatorAdapter } from '../../src/processors/simulator/adapter.ts';
import { classOfCode, DECLINE_CLASSES } from '../../src/processors/simulator/decline-codes.ts';
import { TOKENS } from '../../src/processors/simulator/server/tokens.ts';
import { newId } from './contract-payment.ts';

/** What a processor may send back, byte by byte: the adapter's reading of it, apart from any simulator. */
let server: Server | undefined;
afterEach(() => new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve())));

/** Listens, and lets `reply` act on each request that arrived, `nth` counting from 1. */
async function processor(reply: (socket: Socket, nth: number) => void) {
  const seen = { requests: 0, connections: 0 };
  server = createServer((socket) => {
    seen.connections += 1;
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (!text.endsWith('}')) return;
      text = '';
      reply(socket, ++seen.requests);
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { seen, baseUrl };
}

const adapter = createSimulatorAdapter();
const operationId = newId('op');
const reference = newId('pay');

function authorize(baseUrl: string, timeoutMs = 2_000): Promise<ProcessorOutcome> {
  return adapter.authorize({
    account: { processor: 'alpha', mid: 'm', baseUrl, apiKey: 'k' },
    operationId,
    reference,
    timeoutMs,
    amountMinor: 500,
    currency: 'EUR',
    token: 'tok_approve',
    capture: 'manual',
  });
}

function http(status: number, body: string | object, headers = ''): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `HTTP/1.1 ${status} X\r\ncontent-length: ${Buffer.byteLength(text)}\r\n${headers}\r\n${text}`;
}

const approval = {
  operation_id: operationId,
  type: 'authorize',
  reference,
  state: 'succeeded',
  amount_minor: 500,
  currency: 'EUR',
  processor_reference: 'alpha_1',
  at: '2026-01-01T00:00:00.000Z',
};

const definite: [string, string, object][] = [
  ['an approval', http(200, approval), { status: 'succeeded', processorReference: 'alpha_1', amountMinor: 500 }],
  ['an asynchronous acceptance', http(202, { ...approval, state: 'pending' }), { status: 'pending' }],
  ['a 402 with a known code', http(402, { code: 'lost_card', message: 'm' }), { class: 'hard_decline', message: 'm' }],
  ['a 402 with an unmapped code', http(402, { code: 'brand_new' }), { class: 'hard_decline', code: 'brand_new' }],
  ['a 401', http(401, { code: 'unauthorized' }), { class: 'configuration' }],
  ['the documented 503', http(503, { code: 'unavailable' }, 'retry-after: 1\r\n'), { class: 'throttled' }],
  ['a 429', http(429, 'slow down'), { class: 'throttled' }],
];

const unknown: [string, string][] = [
  ['a 503 of someone else', http(503, '<h1>upstream</h1>')],
  ['a 503 with another code', http(503, { code: 'overloaded' })],
  ['a 500', http(500, { code: 'lost_card' })],
  ['a 502', http(502, '')],
  ['a 408', http(408, { code: 'timeout' })],
  ['a 404 without a code', http(404, '<h1>no such host</h1>')],
  ['a redirect', http(302, '', 'location: /elsewhere\r\n')],
  ['an empty 200', http(200, '')],
  ['a 200 that is null', http(200, 'null')],
  ['a 200 cut in the middle', http(200, JSON.stringify(approval).slice(0, 40))],
  ['a 200 that speaks of another operation', http(200, { ...approval, operation_id: 'op_other' })],
  ['a 200 that speaks of another payment', http(200, { ...approval, reference: 'pay_other' })],
  ['a 200 with a fractional amount', http(200, { ...approval, amount_minor: 5.5 })],
  ['a 200 with a negative amount', http(200, { ...approval, amount_minor: -500 })],
  ['a 200 that declines', http(200, { ...approval, state: 'declined', code: 'lost_card' })],
  ['a 402 that approves', http(402, approval)],
  ['something that is not HTTP', 'hello\r\n\r\n'],
];

describe('an answer of the processor', () => {
  it.each(definite)('%s is definite', async (_name, bytes, expected) => {
    const { baseUrl, seen } = await processor((socket) => socket.end(bytes));
    expect(await authorize(baseUrl)).toMatchObject(expected);
    expect(seen.requests).toBe(1);
  });

  it.each(unknown)('%s leaves the outcome unknown, and is not repeated', async (_name, bytes) => {
    const { baseUrl, seen } = await processor((socket) => socket.end(bytes));
    expect(await authorize(baseUrl)).toMatchObject({ status: 'unknown' });
    expect(seen.requests).toBe(1);
  });
});

describe('a connection that fails after the request was written', () => {
  it('by a reset: unknown', async () => {
    const { baseUrl, seen } = await processor((socket) => socket.resetAndDestroy());
    expect(await authorize(baseUrl)).toEqual({ status: 'unknown', reason: 'ECONNRESET' });
    expect(seen.requests).toBe(1);
  });

  it('by a close within the announced body: unknown', async () => {
    const { baseUrl } = await processor((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"a":'));
    expect(await authorize(baseUrl)).toMatchObject({ status: 'unknown' });
  });

  it.each([
    ['before the status line', ''],
    ['between headers', 'HTTP/1.1 200 OK\r\n'],
    ['within the body', 'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"a":'],
  ])('by silence %s: unknown, after the time given', async (_name, bytes) => {
    const open: Socket[] = [];
    const { baseUrl } = await processor((socket) => {
      open.push(socket);
      socket.write(bytes);
    });
    const started = performance.now();
    expect(await authorize(baseUrl, 120)).toEqual({ status: 'unknown', reason: 'ETIMEDOUT' });
    expect(performance.now() - started).toBeLessThan(1_000);
    for (const socket of open) socket.destroy();
  });

  it('on a kept connection gone stale: unknown, and not repeated on a new one', async () => {
    const { baseUrl, seen } = await processor((socket, nth) => {
      if (nth === 1) socket.write(http(200, approval));
      else socket.resetAndDestroy();
    });
    expect(await authorize(baseUrl)).toMatchObject({ status: 'succeeded' });
    expect(await authorize(baseUrl)).toEqual({ status: 'unknown', reason: 'ECONNRESET' });
    expect(seen).toEqual({ requests: 2, connections: 1 });
  });
});

describe('decline codes', () => {
  it('of every token of the simulator are mapped', () => {
    const codes = Object.values(TOKENS).flatMap((token) => token.declineCode ?? []);
    expect(codes).toHaveLength(4);
    for (const code of codes) expect(DECLINE_CLASSES).toHaveProperty(code);
  });

  it('that are not mapped, names of Object.prototype among them, are never retried', () => {
    expect(classOfCode('something_new')).toBe('hard_decline');
    expect(classOfCode('constructor')).toBe('hard_decline');
  });
});
