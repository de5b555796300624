import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MidAccount } from '../../src/processors/port.ts';
import {
  atOnce,
  closedPort,
  eventually,
  failed,
  known,
  newId,
  PATIENT_MS,
  payment,
  succeeded,
} from './contract-payment.ts';
import type { ContractSubject, Strike } from './contract-subject.ts';

/** What is answered about an operation that the processor never saw. */
const NOTHING_KNOWN = {
  'by reference': { status: 'absent' },
  none: { status: 'unanswered', repeat: true },
} as const;

/** An answer that `slow` does not meet. */
const IMPATIENT_MS = 150;

/** What every adapter must do, whatever the processor behind it; see `src/processors/port.ts`. */
export function processorContract(name: string, setup: () => Promise<ContractSubject>): void {
  describe(`${name} at the processor port`, () => {
    let subject: ContractSubject;
    beforeAll(async () => {
      subject = await setup();
    });
    afterAll(() => subject.stop());

    const newPayment = (account?: MidAccount) => payment(subject, account);

    describe('money', () => {
      it('authorizes, captures in parts and refunds in parts, each for the amount asked', async () => {
        const pay = newPayment();
        const authorized = succeeded(await pay.authorize(10_000));
        expect(authorized.amountMinor).toBe(10_000);
        expect(Date.parse(authorized.expiresAt ?? '') > Date.now()).toBe(subject.can.tellsExpiry);
        expect(succeeded(await pay.capture(3_000)).amountMinor).toBe(3_000);
        expect(succeeded(await pay.capture(7_000)).amountMinor).toBe(7_000);
        expect(succeeded(await pay.refund(4_000)).amountMinor).toBe(4_000);
        expect(succeeded(await pay.refund(6_000)).amountMinor).toBe(6_000);
        await expect(pay.sums()).resolves.toEqual({ authorize: 10_000, capture: 10_000, refund: 10_000 });
      });

      it('captures at once when asked to', async () => {
        const pay = newPayment();
        expect(succeeded(await pay.authorize(900, { capture: 'automatic' })).captured).toBe(true);
        await expect(pay.sums()).resolves.toEqual({ authorize: 900, capture: 900 });
      });

      it('does not capture at once when not asked to', async () => {
        const pay = newPayment();
        expect(succeeded(await pay.authorize(900)).captured).toBeUndefined();
        await expect(pay.sums()).resolves.toEqual({ authorize: 900 });
      });

      it('voids what is not captured, and says how much', async () => {
        const pay = newPayment();
        await pay.authorize(5_000);
        await pay.capture(2_000);
        expect(succeeded(await pay.void()).amountMinor).toBe(3_000);
        expect(failed(await pay.capture(1)).class).toBe('invalid_data');
        await expect(pay.sums()).resolves.toEqual({ authorize: 5_000, capture: 2_000, void: 3_000 });
      });

      it('lets the rest of the hold go with a final capture', async () => {
        const pay = newPayment(subject.accountOfFinalCaptures);
        await pay.authorize(5_000);
        await pay.capture(2_000, { final: true });
        expect(failed(await pay.capture(1, { final: true })).class).toBe('invalid_data');
        await expect(pay.sums()).resolves.toEqual({ authorize: 5_000, capture: 2_000 });
      });

      it('lets the rest go after several captures, by itself or by the void that has to follow', async () => {
        const pay = newPayment();
        await pay.authorize(5_000);
        await pay.capture(2_000);
        await pay.capture(1_000, { final: true });
        const keeps = subject.can.finalCapture === 'keeps the rest';
        const rest = keeps ? { status: 'succeeded', amountMinor: 2_000 } : { status: 'failed', class: 'invalid_data' };
        expect(await pay.void()).toMatchObject(rest);
        const voided = keeps ? { void: 2_000 } : {};
        await expect(pay.sums()).resolves.toEqual({ authorize: 5_000, capture: 3_000, ...voided });
        expect(subject.processor.keepsRest?.(subject.account) ?? false).toBe(keeps);
        expect(failed(await pay.capture(1)).class).toBe('invalid_data');
      });

      it('keeps the rest of the hold without one', async () => {
        const pay = newPayment();
        await pay.authorize(5_000);
        await pay.capture(2_000, { final: false });
        expect(succeeded(await pay.capture(1)).amountMinor).toBe(1);
      });

      it('never moves more than there is, and says so without an invitation to retry', async () => {
        const pay = newPayment();
        await pay.authorize(1_000);
        expect(failed(await pay.capture(1_001)).class).toBe('invalid_data');
        expect(failed(await pay.refund(1)).class).toBe('invalid_data');
        await pay.capture(600);
        expect(failed(await pay.refund(601)).class).toBe('invalid_data');
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 600 });
      });

      it('holds the limits when requests race', async () => {
        const pay = newPayment();
        await pay.authorize(1_000);
        const captures = await Promise.all(Array.from({ length: 10 }, () => pay.capture(300)));
        expect(captures.filter((outcome) => outcome.status === 'succeeded')).toHaveLength(3);
        const refunds = await Promise.all(Array.from({ length: 10 }, () => pay.refund(200)));
        expect(refunds.filter((outcome) => outcome.status === 'succeeded')).toHaveLength(4);
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 900, refund: 800 });
      });
    });

    describe('more than was authorized at first', () => {
      it('is held once, however often it is asked for, and captured with the rest', async () => {
        const pay = newPayment(subject.accountOfMore);
        const operationId = newId('op');
        await pay.authorize(1_000);
        succeeded(await pay.increment(300, 1_000, { operationId }));
        succeeded(await pay.increment(300, 1_000, { operationId }));
        succeeded(await pay.increment(50, 1_300));
        expect(succeeded(await pay.capture(1_350, { authorizedMinor: 1_350 })).amountMinor).toBe(1_350);
        expect(failed(await pay.increment(1, 1_350)).class).toBe('invalid_data');
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, increment: 350, capture: 1_350 });
      });

      it('whose answer was lost is unknown, then found', async () => {
        const pay = newPayment(subject.accountOfMore);
        const operationId = newId('op');
        await pay.authorize(1_000);
        await subject.strike(pay.reference, 'increment', 'lost_answer');
        expect(await pay.increment(300, 1_000, { operationId })).toMatchObject({ status: 'unknown' });
        await expect(pay.query(operationId)).resolves.toMatchObject({
          status: 'found',
          outcome: { status: 'succeeded' },
        });
        succeeded(await pay.increment(300, 1_000, { operationId }));
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, increment: 300 });
      });

      it('is captured beyond the hold, within the ceiling, and refunded', async () => {
        const pay = newPayment(subject.accountOfMore);
        await pay.authorize(1_000);
        const beyond = (beyondMinor: number) =>
          pay.capture(1_000 + beyondMinor, { final: true, beyondMinor, authorizedMinor: 1_000 + beyondMinor });
        expect(failed(await beyond(501))).toMatchObject(subject.can.beyondCeiling);
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000 });
        expect(succeeded(await beyond(150)).amountMinor).toBe(1_150);
        succeeded(await pay.refund(1_150));
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 1_150, refund: 1_150 });
      });

      it('is refused where it is not agreed on, and nothing moves', async () => {
        const { notAgreed } = subject.can;
        const pay = newPayment();
        await pay.authorize(1_000);
        const raised = await pay.increment(300, 1_000);
        const held = notAgreed ? 1_000 : 1_300;
        const captured = await pay.capture(held + 150, { final: true, beyondMinor: 150, authorizedMinor: held + 150 });
        const expected = notAgreed
          ? [{ ...notAgreed.increment }, { ...notAgreed.beyond }, { authorize: 1_000 }]
          : [{ status: 'succeeded' }, { status: 'succeeded' }, { authorize: 1_000, increment: 300, capture: 1_450 }];
        expect([raised, captured, await pay.sums()]).toMatchObject(expected);
      });
    });

    it('names the class of every decline, moves nothing and remembers the no', async () => {
      for (const { token, class: expected } of subject.declined) {
        const pay = newPayment();
        const operationId = newId('op');
        const outcome = failed(await pay.authorize(1_000, { token, operationId }));
        expect({ token, class: outcome.class }).toEqual({ token, class: expected });
        expect(outcome.code.length).toBeGreaterThan(0);
        await expect(pay.query(operationId)).resolves.toMatchObject({ status: 'found', outcome: { status: 'failed' } });
        await expect(pay.sums()).resolves.toEqual({});
      }
    });

    describe('operation ids', () => {
      it('make a repetition the same operation, in turn and at once', async () => {
        const pay = newPayment();
        const authorizeId = newId('op');
        const captureId = newId('op');
        const first = await pay.authorize(1_000, { operationId: authorizeId });
        const again = await atOnce(subject, 3, () => pay.authorize(1_000, { operationId: authorizeId }));
        expect(again).toEqual(first);
        await atOnce(subject, 3, () => pay.capture(400, { operationId: captureId }));
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 400 });
      });

      it('make one operation of first attempts that race, and give all the same answer', async () => {
        for (let round = 0; round < 5; round++) {
          const pay = newPayment();
          const [authorizeId, captureId] = [newId('op'), newId('op')];
          await atOnce(subject, 8, () => pay.authorize(1_000, { operationId: authorizeId }));
          await atOnce(subject, 8, () => pay.capture(100, { operationId: captureId }));
          await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 100 });
        }
      });

      it('under which a first request still runs leave the second unknown, or let it wait; either way nothing more is done', async () => {
        const pay = newPayment();
        const operationId = newId('op');
        await subject.strike(pay.reference, 'authorize', 'slow');
        const first = pay.authorize(1_000, { operationId });
        await eventually(async () => (await pay.sums()).authorize === 1_000);
        const second = await pay.authorize(1_000, { operationId });
        const expected = { waits: { status: 'succeeded' }, refused: { status: 'unknown' } }[subject.can.keyInUse];
        expect(second).toMatchObject(expected);
        expect(succeeded(await first).amountMinor).toBe(1_000);
        expect(await pay.authorize(1_000, { operationId })).toEqual(await first);
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000 });
      });

      it('make two operations when they differ (so that the test above can fail)', async () => {
        const pay = newPayment();
        await pay.authorize(1_000);
        await Promise.all([1, 2].map(() => pay.capture(400)));
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 800 });
      });

      it('are refused with other content, without a second effect', async () => {
        const pay = newPayment();
        const operationId = newId('op');
        await pay.authorize(1_000, { operationId });
        expect(failed(await pay.authorize(2_000, { operationId })).class).toBe('duplicate');
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000 });
      });
    });

    describe('unknown outcomes', () => {
      const moved: Strike[] = ['lost_answer', 'error_after_commit', 'garbled_answer', 'slow'];

      it.each(moved)('%s: an authorization is unknown; the query finds it, and so does a repetition', async (how) => {
        const pay = newPayment();
        const operationId = newId('op');
        await subject.strike(pay.reference, 'authorize', how);
        const timeoutMs = how === 'slow' ? IMPATIENT_MS : PATIENT_MS;
        const outcome = await pay.authorize(1_000, { operationId, timeoutMs });
        expect(outcome).toMatchObject({ status: 'unknown' });
        const found = await pay.query(operationId);
        expect(found).toMatchObject({ status: 'found', outcome: { status: 'succeeded', amountMinor: 1_000 } });
        const repeated = await known(() => pay.authorize(1_000, { operationId }));
        expect(found).toEqual({ status: 'found', outcome: repeated });
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000 });
      });

      it.each(['capture', 'void', 'refund'] as const)('a lost answer to a %s is unknown, then found', async (type) => {
        const pay = newPayment();
        const operationId = newId('op');
        await pay.authorize(1_000);
        if (type === 'refund') await pay.capture(1_000);
        await subject.strike(pay.reference, type, 'lost_answer');
        const attempt = () => (type === 'void' ? pay.void({ operationId }) : pay[type](1_000, { operationId }));
        expect(await attempt()).toMatchObject({ status: 'unknown' });
        await expect(pay.query(operationId)).resolves.toMatchObject({
          status: 'found',
          outcome: { status: 'succeeded', amountMinor: 1_000 },
        });
        expect(await attempt()).toMatchObject({ status: 'succeeded', amountMinor: 1_000 });
        expect((await pay.sums())[type]).toBe(1_000);
      });

      it('a lost request is unknown too, and the query finds nothing', async () => {
        const pay = newPayment();
        const operationId = newId('op');
        await subject.strike(pay.reference, 'authorize', 'lost_request');
        expect(await pay.authorize(1_000, { operationId })).toMatchObject({ status: 'unknown' });
        await expect(pay.query(operationId)).resolves.toMatchObject(NOTHING_KNOWN[subject.can.question]);
        await expect(pay.sums()).resolves.toEqual({});
        expect(await pay.authorize(1_000, { operationId })).toMatchObject({ status: 'succeeded' });
      });

      it('a query tells one operation from another of the same payment', async () => {
        const pay = newPayment();
        const operationId = newId('op');
        await pay.authorize(1_000, { operationId });
        await expect(pay.query(newId('op'))).resolves.toMatchObject(NOTHING_KNOWN[subject.can.question]);
        await expect(pay.query(operationId)).resolves.toMatchObject({ status: 'found' });
      });

      it.each(['lost_answer', 'error_after_commit', 'garbled_answer', 'slow', 'no_op'] as const)(
        'a query that ends in %s is unanswered, never absent',
        async (how) => {
          const pay = newPayment();
          await subject.strike(pay.reference, 'query', how);
          const answer = await pay.query(newId('op'), how === 'slow' ? IMPATIENT_MS : PATIENT_MS);
          expect(answer).toMatchObject({ status: 'unanswered' });
        },
      );
    });

    describe('nothing done', () => {
      it('is what a documented no-op answer means', async () => {
        const pay = newPayment();
        await subject.strike(pay.reference, 'authorize', 'no_op');
        expect(failed(await pay.authorize(1_000)).class).toBe('throttled');
        await expect(pay.sums()).resolves.toEqual({});
      });

      it('is what a refused connection means', async () => {
        const pay = newPayment({ ...subject.account, baseUrl: `http://127.0.0.1:${await closedPort()}` });
        expect(failed(await pay.authorize(1_000))).toMatchObject({ class: 'not_sent', code: 'ECONNREFUSED' });
        await expect(pay.query(newId('op'))).resolves.toMatchObject({ status: 'unanswered' });
      });

      it('is what a failed TLS handshake means', async () => {
        const baseUrl = subject.account.baseUrl.replace(/^http:/, 'https:');
        const pay = newPayment({ ...subject.account, baseUrl });
        expect(failed(await pay.authorize(1_000)).class).toBe('not_sent');
        await expect(pay.sums()).resolves.toEqual({});
      });
    });
  });
}
