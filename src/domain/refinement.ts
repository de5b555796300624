import { hourRarity, markovSurprise, median, robustZ } from './refinement/statistics.ts';

/** Changes with every change of a weight or a statistic. */
export const REFINEMENT_MODEL = 'history-1';

/** One earlier action of the agent, denials left out. */
export interface EarlierAction {
  atMs: number;
  action: string;
  merchantRef: string;
  amountMinor: number;
  currency: string;
}

/** What a refinement looks at: the thing under review, and what was before it. */
export interface RefinementFacts {
  atMs: number;
  action: string;
  merchantRef: string | null;
  amountMinor: number | null;
  currency: string | null;
  /** Of the agent, oldest first. */
  earlier: readonly EarlierAction[];
  /** Amounts that any agent of the organization paid this merchant, in this currency, minor units. */
  merchantAmounts: readonly number[];
}

/** One thing that was looked at. `strength` is from 0 (usual) to 1. */
export interface Finding {
  type: 'amount_for_agent' | 'amount_for_merchant' | 'sequence' | 'time_of_day';
  strength: number;
  points: number;
  /** How many earlier values it rests on; with too few it says nothing, and has no points. */
  samples: number;
  detail: string;
}

export interface Refined {
  /** 0 (usual) to 100, the sum of the points, capped. */
  score: number;
  findings: Finding[];
  model: string;
}

/** With fewer values a statistic says nothing. */
const ENOUGH = 8;
const WEIGHTS: Record<Finding['type'], number> = {
  amount_for_agent: 45,
  amount_for_merchant: 25,
  sequence: 30,
  time_of_day: 15,
};
/** Robust deviations from which an amount is noticed, and where it is as unusual as can be. */
const Z_NOTICED = 2;
const Z_FULL = 6;
/** Bits above the usual surprise at which a step is as unexpected as can be. */
const BITS_FULL = 4;
/** Rarity below which an hour is usual enough. */
const RARITY_NOTICED = 0.8;

/**
 * A second look by the organization's own history: is the amount unusual for the agent and for the merchant, is the step
 * one that the agent takes, is the hour one that it acts in. Additive like the first score, so that it can be checked by
 * adding up. Only more than usual counts: a small amount is no sign of anything.
 */
export function refineByHistory(facts: RefinementFacts): Refined {
  const findings = [amountForAgent(facts), amountForMerchant(facts), sequence(facts), timeOfDay(facts)].filter(
    (finding) => finding !== undefined,
  );
  const score = Math.min(
    100,
    findings.reduce((sum, { points }) => sum + points, 0),
  );
  return { score, findings, model: REFINEMENT_MODEL };
}

function amountForAgent({ amountMinor, currency, earlier }: RefinementFacts): Finding | undefined {
  if (amountMinor === null) return undefined;
  const amounts = earlier.filter((one) => one.currency === currency).map((one) => one.amountMinor);
  return amountFinding('amount_for_agent', amountMinor, amounts, 'of this agent');
}

function amountForMerchant({ amountMinor, merchantRef, merchantAmounts }: RefinementFacts): Finding | undefined {
  if (amountMinor === null || merchantRef === null) return undefined;
  return amountFinding('amount_for_merchant', amountMinor, merchantAmounts, 'at this merchant');
}

/** On logarithms: amounts differ by factors, not by differences. */
function amountFinding(
  type: 'amount_for_agent' | 'amount_for_merchant',
  amountMinor: number,
  amounts: readonly number[],
  whose: string,
): Finding {
  if (amounts.length < ENOUGH) return nothing(type, amounts.length);
  const logarithm = (amount: number) => Math.log(Math.max(1, amount));
  const z = robustZ(logarithm(amountMinor), amounts.map(logarithm));
  const times = amountMinor / Math.max(1, median(amounts));
  return finding(type, (z - Z_NOTICED) / (Z_FULL - Z_NOTICED), amounts.length, {
    detail: `${round(times)} times the median ${whose}, ${Number.isFinite(z) ? `${round(z)} robust deviations` : 'where all were equal'}`,
  });
}

function sequence({ action, merchantRef, earlier }: RefinementFacts): Finding | undefined {
  if (merchantRef === null) return undefined;
  if (earlier.length < ENOUGH) return nothing('sequence', earlier.length);
  const states = earlier.map((one) => `${one.action} ${one.merchantRef}`);
  const { bits, expected } = markovSurprise(states, `${action} ${merchantRef}`);
  return finding('sequence', (bits - expected) / BITS_FULL, earlier.length, {
    detail: `The step to ${action} at ${merchantRef} surprises by ${round(bits)} bits, where ${round(expected)} are usual`,
  });
}

function timeOfDay({ atMs, earlier }: RefinementFacts): Finding {
  if (earlier.length < ENOUGH) return nothing('time_of_day', earlier.length);
  const hourOf = (ms: number) => (ms / 3_600_000) % 24;
  const rarity = hourRarity(
    hourOf(atMs),
    earlier.map((one) => hourOf(one.atMs)),
  );
  return finding('time_of_day', (rarity - RARITY_NOTICED) / (1 - RARITY_NOTICED), earlier.length, {
    detail: `${Math.round(rarity * 100)} % less activity around this hour (UTC) than in the busiest`,
  });
}

function finding(type: Finding['type'], raw: number, samples: number, { detail }: { detail: string }): Finding {
  const strength = Math.min(1, Math.max(0, raw));
  return { type, strength: round(strength), points: Math.round(WEIGHTS[type] * strength), samples, detail };
}

function nothing(type: Finding['type'], samples: number): Finding {
  return { type, strength: 0, points: 0, samples, detail: `Too little history: ${samples} of ${ENOUGH} values` };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
