import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  AuthorizeRequest,
  CaptureRequest,
  FailureClass,
  MidAccount,
  ProcessorOutcome,
  ProcessorPort,
  QueryOutcome,
  RefundRequest,
} from '../../src/processors/port.ts';

/** A true movement of money at the processor, as its oracle tells it. */
export interface MoneyEffect {
  type:
    | 'authorize'
    | 'increment'
    | 'capture'
    | 'void'
    | 'refund'
    | 'expire'
    | 'dispute'
    | 'dispute_return'
    | 'refund_return';
  amount_minor: number;
  operation_id: string | null;
}

/** How the next request for a payment goes wrong; `no_op` is what the processor documents as having done nothing. */
export type Strike = 'lost_answer' | 'lost_request' | 'error_after_commit' | 'garbled_answer' | 'no_op' | 'slow';
export type StruckOperation = 'authorize' | 'increment' | 'capture' | 'void' | 'refund' | 'query';

/** Where processors differ, and the suite expects something else of them. Declared by each, and by that tested. */
export interface Capabilities {
  /** Whether a capture, void or refund is decided in its answer, or told afterwards. */
  modifications: 'in the answer' | 'by notification';
  /** Whether it can be asked about a payment. */
  question: 'by reference' | 'none';
  /** Whether it says when a hold ends. */
  tellsExpiry: boolean;
}

/** What an adapter brings to be tested with: itself, an account at a simulated processor, and that one's oracle. */
export interface ContractSubject {
  processor: ProcessorPort;
  account: MidAccount;
  can: Capabilities;
  /** An account whose captures let the rest go when they are final; `account` where that goes by request. */
  accountOfFinalCaptures?: MidAccount;
  /** What the processor notified about an operation, waited for; needed where it tells by notification only. */
  told?(operationId: string): Promise<ProcessorOutcome | undefined>;
  /** A payment token that is approved. */
  approved: string;
  /** Tokens that are not, and the class that each has to come out as. */
  declined: { token: string; class: FailureClass }[];
  effects(reference: string): Promise<MoneyEffect[]>;
  strike(reference: string, operation: StruckOperation, how: Strike): Promise<void>;
  stop(): Promise<void>;
}

/** What is answered about an operation that the processor never saw. */
const NOTHING_KNOWN = {
  'by reference': { status: 'absent' },
  none: { status: 'unanswered', repeat: true },
} as const;

/** An answer that comes in time on a busy machine, and one that `slow` does not meet. */
const PATIENT_MS = 5_000;
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
        const again = await Promise.all([1, 2, 3].map(() => pay.authorize(1_000, { operationId: authorizeId })));
        expect(again).toEqual([first, first, first]);
        const captures = await Promise.all([1, 2, 3].map(() => pay.capture(400, { operationId: captureId })));
        expect(captures).toEqual([succeeded(captures[0]!), captures[0], captures[0]]);
        await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 400 });
      });

      it('make one operation of first attempts that race, and give all the same answer', async () => {
        for (let round = 0; round < 5; round++) {
          const pay = newPayment();
          const [authorizeId, captureId] = [newId('op'), newId('op')];
          const racers = Array.from({ length: 8 });
          const authorized = await Promise.all(racers.map(() => pay.authorize(1_000, { operationId: authorizeId })));
          expect(authorized).toEqual(racers.map(() => succeeded(authorized[0]!)));
          const captured = await Promise.all(racers.map(() => pay.capture(100, { operationId: captureId })));
          expect(captured).toEqual(racers.map(() => succeeded(captured[0]!)));
          await expect(pay.sums()).resolves.toEqual({ authorize: 1_000, capture: 100 });
        }
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
        const repeated = await pay.authorize(1_000, { operationId });
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

type Options<R> = Partial<Omit<R, 'amountMinor' | 'reference'>>;

/** One payment under test: the reference stays, every call is an operation of its own unless it says which. */
function payment(subject: ContractSubject, account: MidAccount = subject.account) {
  const reference = newId('pay');
  const { processor } = subject;
  const call = () => ({ account, reference, operationId: newId('op'), timeoutMs: PATIENT_MS });
  const asked = new Map<string, 'capture' | 'void' | 'refund'>();
  let processorReference = 'none';
  /** How a modification ended: its answer, or what was notified where the answer only says that it was received. */
  const conclude = async (type: 'capture' | 'void' | 'refund', request: CaptureRequest & RefundRequest) => {
    asked.set(request.operationId, type);
    const outcome = await processor[type](request);
    if (subject.can.modifications === 'in the answer' || outcome.status !== 'pending') return outcome;
    return (await subject.told!(request.operationId)) ?? outcome;
  };
  const base = () => ({ ...call(), processorReference, amountMinor: 0, currency: 'EUR', final: false });
  return {
    reference,
    async authorize(amountMinor: number, options: Options<AuthorizeRequest> = {}) {
      const wish = { ...call(), amountMinor, currency: 'EUR', token: subject.approved, capture: 'manual' as const };
      const outcome = await processor.authorize({ ...wish, ...options });
      if (outcome.status === 'succeeded') processorReference = outcome.processorReference;
      return outcome;
    },
    capture: (amountMinor: number, options: Options<CaptureRequest> = {}) =>
      conclude('capture', { ...base(), amountMinor, ...options }),
    void: (options: { operationId?: string } = {}) => conclude('void', { ...base(), ...options }),
    refund: (amountMinor: number, options: Options<RefundRequest> = {}) =>
      conclude('refund', { ...base(), amountMinor, ...options }),
    async query(operationId: string, timeoutMs = PATIENT_MS): Promise<QueryOutcome> {
      const known = processorReference === 'none' ? {} : { processorReference };
      const operation = asked.get(operationId) ?? 'authorize';
      const answer = await processor.query({ account, reference, operationId, timeoutMs, operation, ...known });
      const told = answer.status === 'unanswered' && answer.repeat ? await subject.told!(operationId) : undefined;
      return told ? { status: 'found', outcome: told } : answer;
    },
    /** What truly moved, by type. */
    async sums() {
      const sums: Partial<Record<MoneyEffect['type'], number>> = {};
      for (const { type, amount_minor } of await subject.effects(reference)) {
        sums[type] = (sums[type] ?? 0) + amount_minor;
      }
      return sums;
    },
  };
}

export function succeeded(outcome: ProcessorOutcome) {
  if (outcome.status !== 'succeeded') throw new Error(`expected success, got ${JSON.stringify(outcome)}`);
  return outcome;
}

export function failed(outcome: ProcessorOutcome) {
  if (outcome.status !== 'failed') throw new Error(`expected failure, got ${JSON.stringify(outcome)}`);
  return outcome;
}

export const newId = (prefix: string) => `${prefix}_${randomUUID()}`;

/** A port of this machine that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
