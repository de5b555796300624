import type { Request, Response } from 'express';
import { strikeAfter, strikeBefore } from '../faults.ts';
import { findPayment, searchPayments } from '../operations.ts';
import type { SimulatorParts } from '../parts.ts';
import { WireProblem } from '../wire-problem.ts';
import { accountOf } from './account.ts';
import { intentOf, paymentOf, REFERENCE, shown } from './intents.ts';
import { renderRefund } from './render.ts';
import { STRIPE_VOICE } from './voice.ts';

export async function retrieve(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const id = req.params.id as string;
  await ask(parts, req, res, [id], async () => shown(await intentOf(parts, req, id), expandOf(req)));
}

/** The one form of search that there is here: `metadata['prokura_payment']:'…'`, and whatever is ANDed to it. */
export async function search(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const clauses = textIn(req, 'query').split(' AND ');
  const wanted = clauses.map((clause) => /^metadata\['([^']+)'\]:'([^']*)'$/.exec(clause));
  const reference = wanted.find((clause) => clause?.[1] === REFERENCE)?.[2];
  if (reference === undefined || wanted.includes(null)) {
    throw new WireProblem(400, 'parameter_invalid', `This search is not known here.`);
  }
  await ask(parts, req, res, [reference], async () => {
    const lagMs = parts.controls.timing.visibility_lag_ms;
    const ids = await searchPayments(parts.pool, { ...accountOf(req), reference, lagMs });
    const intents = await Promise.all(ids.map((id) => intentOf(parts, req, id)));
    const data = intents.filter((intent) =>
      wanted.every((clause) => (intent['metadata'] as Record<string, string>)[clause![1]!] === clause![2]),
    );
    return { object: 'search_result', url: '/v1/payment_intents/search', has_more: false, data };
  });
}

export async function listRefunds(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const id = textIn(req, 'payment_intent');
  await ask(parts, req, res, [id], async () => {
    const { operations } = await paymentOf(parts, req, id);
    const data = operations.filter(({ type, state }) => type === 'refund' && state !== 'refused').map(renderRefund);
    return { object: 'list', url: '/v1/refunds', has_more: false, data: data.toReversed() };
  });
}

/** A question, with the faults of questions. A script may name the payment by either reference. */
async function ask(
  parts: SimulatorParts,
  req: Request,
  res: Response,
  names: string[],
  answer: () => Promise<object>,
): Promise<void> {
  const { processor } = accountOf(req);
  const known = await findPayment(parts.pool, { ...accountOf(req), processorReference: names[0]! });
  const references = [...names, ...(known?.operations.map(({ reference }) => reference) ?? [])];
  const fault = await parts.controls.takeScript(processor, 'query', references);
  if (strikeBefore(fault, res, STRIPE_VOICE)) return;
  const body = await answer();
  if (await strikeAfter(fault, res, parts.controls.timing.slow_ms, STRIPE_VOICE)) return;
  res.json(body);
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
const textIn = (req: Request, name: string) => textOf(req.query[name]);

const expandOf = (req: Request) =>
  Object.entries(req.query).flatMap(([name, value]) =>
    name.startsWith('expand') ? [value].flat().map((one) => textOf(one)) : [],
  );
