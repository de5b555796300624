import { hash32 } from './draw.ts';
import { CHECKS } from './eligibility.ts';
import { matchRule, targetOf } from './match.ts';
import { EXPLORE_PERCENT, STRATEGIES, type Entrant, type Ordered } from './strategies.ts';
import type { ActiveRouting, MidCandidate, RoutePlan, RouteWanted, RoutingRule } from './types.ts';

/**
 * Eligibility → rule → strategy → outage, with a reason for each account kept or dropped. Same input, same plan: ties
 * are broken by priority and id, draws come from the payment's id, so that a plan can be stored, replayed and compared.
 * An empty `candidates` is `route_unavailable`. Capture, void, refund and query are never routed: they go to the MID
 * that authorized.
 * @param routing the active rules; without any, or when none matches, all accounts are asked by priority
 */
export function planRoute(
  all: readonly MidCandidate[],
  want: RouteWanted,
  routing: ActiveRouting | null | undefined,
  nowMs: number,
): RoutePlan {
  const rule = routing ? matchRule(routing.rules, want) : undefined;
  const plan: RoutePlan = { candidates: [], dropped: [] };
  if (rule) plan.rule = { rulesId: routing!.id, version: routing!.version, name: rule.name };
  const entrants: Entrant[] = [];
  const others: Entrant[] = [];
  [...all].sort(byPriority).forEach((candidate, i) => {
    const failed = CHECKS.find((check) => !check.eligible(candidate, want));
    if (failed) return drop(plan, candidate, failed.code, failed.sentence(candidate, want));
    if (!rule) return void entrants.push({ candidate, place: i });
    const place = targetOf(rule.targets, candidate);
    if (place >= 0) entrants.push({ candidate, place, target: rule.targets[place] });
    else if (rule.fallback === 'any') others.push({ candidate, place: i });
    else drop(plan, candidate, 'not_a_target', `the rule "${rule.name}" does not name it`);
  });
  if (rule) entrants.sort((a, b) => a.place - b.place || byPriority(a.candidate, b.candidate));
  const strategy = want.strategy ?? rule?.strategy ?? 'priority';
  const ordered = STRATEGIES[strategy](entrants, {
    want,
    payment: hash32(want.paymentId),
    leader: rule && routing?.leaders?.[rule.name],
    explorePercent: rule?.explorePercent ?? EXPLORE_PERCENT,
  });
  for (const entrant of others) {
    const message = `no target of the rule "${rule!.name}"; priority ${entrant.candidate.priority}`;
    ordered.push({ entrant, reason: 'fallback', message });
  }
  plan.candidates = lastWhileOut(ordered, nowMs).map(({ entrant: { candidate }, ...why }, i) => {
    const { midId, processor, mid } = candidate;
    return { midId, processor, mid, position: i + 1, ...reasonOf(why, want, rule) };
  });
  return plan;
}

function byPriority(a: MidCandidate, b: MidCandidate): number {
  return a.priority - b.priority || (a.midId < b.midId ? -1 : 1);
}

function drop(
  plan: RoutePlan,
  { midId, processor, mid }: MidCandidate,
  reason: RoutePlan['dropped'][number]['reason'],
  message: string,
): void {
  plan.dropped.push({ midId, processor, mid, reason, message });
}

/**
 * What is out goes behind what is not, and is kept: the plan may be older than the outage when it is used, and the
 * choice at that moment looks again. One whose pause is over keeps its place: a payment will be its probe.
 */
function lastWhileOut(ordered: Ordered[], nowMs: number): Ordered[] {
  const isOut = ({ entrant }: Ordered) => (entrant.candidate.health?.probeAtMs ?? 0) > nowMs;
  if (!ordered.some(isOut)) return ordered;
  const out = ordered.filter(isOut).map((one): Ordered => ({
    ...one,
    reason: 'outage',
    message: `in an outage; ${one.message}`,
  }));
  return [...ordered.filter((one) => !isOut(one)), ...out];
}

function reasonOf(
  { reason, message }: Omit<Ordered, 'entrant'>,
  { processor }: RouteWanted,
  rule: RoutingRule | undefined,
): Pick<RoutePlan['candidates'][number], 'reason' | 'message'> {
  const named = rule && reason !== 'fallback' ? `rule "${rule.name}": ${message}` : message;
  if (processor === undefined || reason === 'outage') return { reason, message: named };
  return { reason: 'pinned', message: `pinned by the payment token, ${named}` };
}
