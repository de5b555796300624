import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type {
  AuthorizeRequest,
  CaptureRequest,
  IncrementRequest,
  MidAccount,
  ProcessorOutcome,
  QueryOutcome,
  RefundRequest,
} from '../../src/processors/port.ts';
import type { ContractSubject, MoneyEffect } from './contract-subject.ts';

/** An answer that comes in time on a busy machine. */
export const PATIENT_MS = 5_000;

type Modification = 'increment' | 'capture' | 'void' | 'refund';

/**
 * The same operation several times at once. All are told the same, but those that came while the first ran and are not
 * waited for: they are unknown, and told the same when they ask again. @returns what they are told
 */
export async function atOnce(
  { can }: ContractSubject,
  times: number,
  attempt: () => Promise<ProcessorOutcome>,
): Promise<ProcessorOutcome> {
  const outcomes = await Promise.all(Array.from({ length: times }, attempt));
  const told = outcomes.filter(({ status }) => status !== 'unknown').map(succeeded);
  expect(told.length).toBeGreaterThanOrEqual(can.keyInUse === 'waits' ? times : 1);
  expect(told).toEqual(told.map(() => told[0]));
  expect(await attempt()).toEqual(told[0]);
  return told[0]!;
}

/** Asks again while the answer is unknown: the first request under the key may still run. */
export async function known(attempt: () => Promise<ProcessorOutcome>): Promise<ProcessorOutcome> {
  for (const deadline = Date.now() + PATIENT_MS; ; await sleep(50)) {
    const outcome = await attempt();
    if (outcome.status !== 'unknown' || Date.now() > deadline) return outcome;
  }
}

export async function eventually(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + PATIENT_MS; !(await holds()); await sleep(10)) {
    if (Date.now() > deadline) throw new Error('it did not come about');
  }
}

type Options<R> = Partial<Omit<R, 'amountMinor' | 'reference'>>;

/** One payment under test: the reference stays, every call is an operation of its own unless it says which. */
export function payment(subject: ContractSubject, account: MidAccount = subject.account) {
  const reference = newId('pay');
  const { processor } = subject;
  const call = () => ({ account, reference, operationId: newId('op'), timeoutMs: PATIENT_MS });
  const asked = new Map<string, Modification>();
  let processorReference = 'none';
  /** How a modification ended: its answer, or what was notified where the answer only says that it was received. */
  const conclude = async (type: Modification, request: CaptureRequest & RefundRequest & IncrementRequest) => {
    asked.set(request.operationId, type);
    const outcome = await processor[type]!(request);
    if (subject.can.modifications === 'in the answer' || outcome.status !== 'pending') return outcome;
    return (await subject.told!(request.operationId)) ?? outcome;
  };
  const base = () => ({
    ...call(),
    processorReference,
    amountMinor: 0,
    authorizedMinor: 0,
    currency: 'EUR',
    final: false,
  });
  return {
    reference,
    async authorize(amountMinor: number, options: Options<AuthorizeRequest> = {}) {
      const wish = { ...call(), amountMinor, currency: 'EUR', token: subject.approved, capture: 'manual' as const };
      const outcome = await processor.authorize({ ...wish, ...options });
      if (outcome.status === 'succeeded') processorReference = outcome.processorReference;
      return outcome;
    },
    increment: (amountMinor: number, authorizedMinor: number, options: Options<IncrementRequest> = {}) =>
      conclude('increment', { ...base(), amountMinor, authorizedMinor, ...options }),
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
