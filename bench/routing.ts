import { planRoute } from '../src/domain/routing.ts';
import type { ActiveRouting, MidCandidate, RouteWanted, Strategy } from '../src/domain/routing.ts';

/**
 * CPU time of one route plan, on one core: `node --import tsx bench/routing.ts`. 50 rules, of which the last matches, over
 * 5, 50 and 200 accounts; and for comparison reading the accounts as PostgreSQL hands them over.
 */

const NOW = Date.parse('2026-03-05T22:30:00Z');

function accounts(n: number): MidCandidate[] {
  return Array.from({ length: n }, (_, i) => ({
    midId: `01980c2e-7d4a-7c3e-9f21-${String(i).padStart(12, '0')}`,
    processor: `processor-${i % 20}`,
    mid: `mid-${i}`,
    kind: 'simulator',
    priority: (i * 7) % 100,
    currencies: ['EUR', 'USD', 'GBP'],
    caps: { EUR: { min: 50, max: 5_000_000 } },
    cost: { basisPoints: 100 + (i % 90), fixedMinor: { EUR: 10 + (i % 20) } },
    enabled: true,
    health: {
      attempted: 500 + i,
      approved: 400 + (i % 90),
      outSinceMs: null,
      probeAtMs: i % 25 === 3 ? NOW + 1 : null,
    },
  }));
}

function rules(strategy: Strategy): ActiveRouting {
  const targets = Array.from({ length: 20 }, (_, i) => ({ processor: `processor-${i}`, weight: 1 + (i % 5) }));
  const others = Array.from({ length: 49 }, (_, i) => ({
    name: `rule ${i}`,
    when: { currencies: ['EUR'], merchants: Array.from({ length: 20 }, (__, n) => `mrc_${i}_${n}`), countries: ['FR'] },
    targets,
    strategy,
    fallback: 'any' as const,
  }));
  const last = { name: 'last', when: { currencies: ['EUR'] }, targets, strategy, fallback: 'any' as const };
  return { id: 'rules', name: 'bench', version: 1, rules: [...others, last] };
}

const want = (i: number): RouteWanted => ({
  paymentId: `01980c2e-7d4a-7c3e-9f21-${String(i).padStart(12, '0')}`,
  currency: 'EUR',
  amountMinor: 12_000 + i,
  method: 'token',
  merchantRef: 'mrc_hotel',
  country: 'DE',
});

/** Milliseconds of this process's CPU that each of `times` runs takes: the best of five rounds. */
function cpuMs(times: number, work: (i: number) => unknown): number {
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) work(i);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / times;
  });
  return Math.min(...rounds);
}

console.log('accounts  strategy      ms/plan   plans/s on one core   reading the accounts, ms');
for (const n of [5, 50, 200]) {
  const mids = accounts(n);
  const text = JSON.stringify(mids);
  const reading = cpuMs(Math.ceil(20_000 / n), () => JSON.parse(text) as unknown).toFixed(3);
  for (const strategy of ['priority', 'split', 'success_rate', 'cost'] as const) {
    const routing = rules(strategy);
    const ms = cpuMs(Math.ceil(100_000 / n), (i) => planRoute(mids, want(i), routing, NOW));
    const perSecond = Math.round(1_000 / ms);
    console.log(
      `${String(n).padStart(8)}  ${strategy.padEnd(12)}  ${ms.toFixed(4).padStart(7)}   ${String(perSecond).padStart(19)}   ${reading.padStart(24)}`,
    );
  }
}
