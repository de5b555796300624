import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as fc from 'fast-check';
import { createSender } from '../../src/activities/webhooks/send.ts';
import { headerRefusal, refusalOf } from '../../src/domain/webhooks/address.ts';
import { afterFailure, attemptsAtOnce, CLOSED, OPENS_AFTER } from '../../src/domain/webhooks/circuit.ts';
import { secondsOf } from '../../src/activities/webhooks/retry-after.ts';
import { retryIn, RETRY_SECONDS } from '../../src/domain/webhooks/retries.ts';
import { startFarm, type Farm } from './farm.ts';

let farm: Farm;
beforeAll(async () => {
  farm = await startFarm();
});
afterAll(() => farm.close());
const message = { body: '{}', headers: { 'content-type': 'application/json' } };

describe('outside development', () => {
  const sender = createSender({ allowPrivate: false });
  const port = () => new URL(farm.url('/')).port;

  it.each([
    '127.0.0.1',
    'localhost',
    '0.0.0.0',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[64:ff9b::7f00:1]',
    '10.0.0.1',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '[fd00::1]',
    '[fe80::1]',
  ])('%s is not sent to', async (host) => {
    const { status, error } = await sender.send(`http://${host}:${port()}/inside`, message, {});
    expect([status, error]).toEqual([null, expect.stringMatching(/not allowed|blocked|denied|invalid/i)]);
    expect(farm.received('/inside')).toEqual([]);
  });

  it('control: in development loopback is', async () => {
    const open = createSender({ allowPrivate: true });
    expect((await open.send(farm.url('/open'), message, {})).status).toBe(200);
    open.close();
  });
});

describe('an attempt', () => {
  it('that hangs ends after its time', async () => {
    const sender = createSender({ allowPrivate: true, timeoutMs: 200 });
    farm.script('/hang', 'hang');
    expect(await sender.send(farm.url('/hang'), message, {})).toMatchObject({
      status: null,
      error: 'no answer within 200 ms',
    });
    sender.close();
  });

  it('cannot be given headers that change what is sent', async () => {
    const sender = createSender({ allowPrivate: true });
    await sender.send(farm.url('/custom'), message, { 'content-type': 'text/plain', 'x-own': '1' });
    expect(farm.received('/custom')[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'x-own': '1' });
    sender.close();
  });
});

describe('what may be an endpoint', () => {
  it.each(['https://a.example', 'https://a.example:8443/x?y=z', 'https://[2001:db8::1]/'])('%s may', (url) => {
    expect(refusalOf(url, false)).toBeUndefined();
  });

  it('no header of any form ends in another one', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (value) => {
        const control = /[^ -~]/.test(value);
        return !control || headerRefusal('x-a', value) !== undefined;
      }),
    );
  });
});

describe('the table of retries', () => {
  it('is that of Standard Webhooks, up to a tenth longer, and ends', () => {
    expect(RETRY_SECONDS.map((_, i) => retryIn(i + 1, 0))).toEqual(RETRY_SECONDS);
    expect(retryIn(1, 1)).toBeCloseTo(5.5);
    expect(retryIn(RETRY_SECONDS.length + 1, 0)).toBeNull();
  });

  it('waits for a Retry-After, never shorter, and not for ever', () => {
    expect([retryIn(1, 0, 60), retryIn(2, 0, 60), retryIn(1, 0, 1e9)]).toEqual([60, 300, 86_400]);
    const now = Date.parse('2026-11-23T06:00:00Z');
    expect(secondsOf('Mon, 23 Nov 2026 06:01:00 GMT', now)).toBe(60);
    expect([secondsOf('90', now), secondsOf('soon', now), secondsOf(undefined, now)]).toEqual([
      90,
      undefined,
      undefined,
    ]);
  });
});

describe('a circuit', () => {
  it('opens after some failures, for longer each time, lets one attempt try, and is never open without end', () => {
    let circuit = CLOSED;
    for (let i = 1; i < OPENS_AFTER; i++) circuit = afterFailure(circuit, 0);
    expect([circuit.openUntil, attemptsAtOnce(circuit, 0, 10)]).toEqual([null, 2]);
    let now = 0;
    const waits = Array.from({ length: 9 }, () => {
      circuit = afterFailure(circuit, now);
      const wait = circuit.openUntil! - now;
      expect(attemptsAtOnce(circuit, now, 10)).toBe(0);
      now = circuit.openUntil!;
      expect(attemptsAtOnce(circuit, now, 10)).toBe(1);
      return wait / 1_000;
    });
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300]);
  });

  it('is not opened further by what was under way when it opened', () => {
    let circuit = CLOSED;
    for (let i = 0; i < 12; i++) circuit = afterFailure(circuit, 0);
    expect(circuit).toMatchObject({ failures: 12, openings: 1, openUntil: 5_000 });
  });
});
