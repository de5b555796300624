import { createBacktest, type RecordedDecision } from '../src/domain/backtest.ts';
import type { PolicyFacts } from '../src/domain/policy.ts';
import { evaluateRules } from '../src/domain/policy.ts';
import { askingOf, draftProblems } from '../src/policy-language/draft.ts';
import { TOOLS } from '../src/policy-language/pipeline.ts';
import { BUILT_IN, someRules } from './backtest/rules.ts';

/**
 * CPU time of the policy language, on one core: `node --import tsx bench/policy.ts`. Prints milliseconds per decision
 * for policies of 10, 100 and 1,000 expressions over a context with history, and decisions per second of a backtest.
 */

const NOW = Date.parse('2026-03-05T22:30:00Z');
const AGENT = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10';

function factsAt(atMs: number): PolicyFacts {
  return {
    intent: {
      action: 'payment.authorize',
      amountMinor: 12_000,
      currency: 'EUR',
      merchantRef: 'mrc_hotel',
      channel: 'chatpay',
      country: 'DE',
    },
    said: { session_id: 'sess', risk_signals: ['velocity_ok'] },
    nowMs: atMs,
    agent: { id: AGENT, ageMs: 90 * 86_400_000 },
    principal: { id: AGENT, kind: 'principal' },
    merchantSeen: true,
    velocityCount: 3,
    history: {
      'merchant.paid': true,
      'count approvals merchant 24h': 2,
      'sum payments agent 1d': 250_000,
      'count capture_failures session 1h': 0,
    },
  };
}

/** Milliseconds of this process's CPU that `times` runs take, each: the best of five. */
function cpuMs(times: number, work: () => unknown): number {
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / times;
  });
  return Math.min(...rounds);
}

function recorded(i: number): RecordedDecision {
  const { intent, said, agent, principal } = factsAt(NOW);
  return {
    id: `exec_${i}`,
    atMs: NOW + i * 700,
    intent: { ...intent, amountMinor: 1_000 + ((i * 7_919) % 400_000), merchantRef: `mrc_${i % 500}` },
    context: { ...said, session_id: `sess_${i % 5_000}` },
    agent: { ...agent!, id: `agent-${i % 300}` },
    principal: { ...principal!, id: `principal-${i % 200}` },
    decision: 'approved',
    reasons: [],
    risk: { score: 10, level: 'normal', signals: [], modelVersion: 'bench' },
    paid: i % 10 !== 0,
    occurrences: i % 50 === 0 ? [{ kind: 'capture_failures', atMs: NOW + i * 700 + 5_000, amountMinor: 1_000 }] : [],
    truth: i % 400 === 0 ? 'disputed' : 'captured',
  };
}

for (const n of [10, 100, 1_000]) {
  const cel = someRules(n);
  const problems = draftProblems({ cel });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  const started = process.cpuUsage();
  TOOLS.expressions(cel, factsAt(NOW), `bench-${n}`);
  const first = process.cpuUsage(started);
  const ms = cpuMs(Math.ceil(20_000 / n), () => evaluateRules({ cel }, factsAt(NOW), TOOLS, `bench-${n}`));
  const document = JSON.stringify({ cel });
  const parse = cpuMs(Math.ceil(20_000 / n), () => JSON.parse(document) as unknown);
  const compile = ((first.user + first.system) / 1_000).toFixed(0);
  console.log(`${n} expressions: ${ms.toFixed(3)} ms CPU per decision; ${compile} ms the first time, to compile`);
  console.log(`  its document: ${Math.round(document.length / 1_000)} KB, ${parse.toFixed(3)} ms to read`);
}

const DECISIONS = 100_000;
const stream = Array.from({ length: DECISIONS }, (_, i) => recorded(i));
for (const [name, rules] of [
  ['the published example', BUILT_IN],
  ['the published example and 5 expressions', { ...BUILT_IN, cel: someRules(5) }],
  ['the published example and 20 expressions', { ...BUILT_IN, cel: someRules(20) }],
] as const) {
  const ms = cpuMs(1, () => {
    const backtest = createBacktest({ candidate: askingOf(rules) }, TOOLS);
    for (const decision of stream) backtest.add(decision);
    if (backtest.report().decisions !== DECISIONS) throw new Error('decisions were lost');
  });
  console.log(`backtest of ${name}: ${Math.round(DECISIONS / (ms / 1_000))} decisions per second and core`);
}
