import { describe, expect, it } from 'vitest';
import {
  NotificationFormatError,
  NotificationSignatureError,
  parseNotification,
  SIGNATURE_HEADER,
  signNotification,
} from '../../src/processors/simulator/notification.ts';

const SECRET = 'whsec_of_a_test';
const NOW = new Date('2026-03-01T12:00:00Z');
const SECONDS = NOW.getTime() / 1000;

const line = {
  line_id: 'line_1',
  type: 'capture',
  reference: 'pay_1',
  operation_id: 'op_1',
  amount_minor: 1_000,
  fee_minor: 10,
  currency: 'EUR',
};
const settlement = {
  event_id: 'evt_1',
  processor: 'alpha',
  type: 'settlement',
  settlement: { settlement_id: 'set_1', processor: 'alpha', settled_at: NOW.toISOString(), lines: [line] },
};

function receive(body: unknown, options: { secret?: string; at?: number; sent?: string; header?: string } = {}) {
  const text = JSON.stringify(body);
  const header = options.header ?? signNotification(text, options.secret ?? SECRET, options.at ?? SECONDS);
  return parseNotification(Buffer.from(options.sent ?? text), { [SIGNATURE_HEADER]: header }, SECRET, NOW);
}

function reasonOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof NotificationSignatureError) return error.reason;
    throw error;
  }
  return 'accepted';
}

describe('a notification of the simulator', () => {
  it('is signed over time and body, as anyone can recompute', () => {
    // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
    expect(signNotification('{"a":1}', 'secret', 1_700_000_000)).toMatch(/^t=1700000000,v1=[0-9a-f]{64}$/);
    expect(signNotification('{"a":1}', 'secret', 1_700_000_000)).toBe(
      't=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686',
    );
  });

  it('is read when its signature fits', () => {
    expect(receive(settlement)).toEqual({
      type: 'settlement',
      eventId: 'evt_1',
      processor: 'alpha',
      settlementId: 'set_1',
      settledAt: '2026-03-01T12:00:00.000Z',
      lines: [
        {
          lineId: 'line_1',
          type: 'capture',
          reference: 'pay_1',
          operationId: 'op_1',
          amountMinor: 1_000,
          feeMinor: 10,
          currency: 'EUR',
        },
      ],
    });
  });

  it('is refused with another secret, another body, or another time', () => {
    expect(reasonOf(() => receive(settlement, { secret: 'other' }))).toBe('mismatch');
    expect(reasonOf(() => receive(settlement, { sent: JSON.stringify({ ...settlement, event_id: 'evt_2' }) }))).toBe(
      'mismatch',
    );
    const moved = signNotification(JSON.stringify(settlement), SECRET, SECONDS - 9_000).replace(
      /^t=\d+/,
      `t=${SECONDS}`,
    );
    expect(reasonOf(() => receive(settlement, { header: moved }))).toBe('mismatch');
  });

  it('ages out after 300 seconds, in either direction', () => {
    expect(reasonOf(() => receive(settlement, { at: SECONDS - 300 }))).toBe('accepted');
    expect(reasonOf(() => receive(settlement, { at: SECONDS - 301 }))).toBe('expired');
    expect(reasonOf(() => receive(settlement, { at: SECONDS + 301 }))).toBe('expired');
  });

  it('is refused without a signature, or with half of one', () => {
    expect(reasonOf(() => parseNotification(Buffer.from('{}'), {}, SECRET, NOW))).toBe('missing');
    for (const header of [
      '',
      'v1=ab',
      `t=${SECONDS}`,
      `t=${SECONDS},v1=${'g'.repeat(64)}`,
      `t=x,v1=${'a'.repeat(64)}`,
    ]) {
      expect(reasonOf(() => receive(settlement, { header }))).toBe('malformed');
    }
  });

  it('is refused when signed but not of this format', () => {
    const bodies: unknown[] = [
      null,
      {},
      { ...settlement, type: 'other' },
      { ...settlement, settlement: { ...settlement.settlement, lines: [{ ...line, amount_minor: '1000' }] } },
      { ...settlement, type: 'operation', operation: { operation_id: 'op_1' } },
    ];
    for (const body of bodies) expect(() => receive(body)).toThrow(NotificationFormatError);
  });
});
