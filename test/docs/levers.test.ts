import { describe, expect, it } from 'vitest';
import { controlRoutes } from '../../src/processors/simulator/server/control-routes.ts';
import { FAULTS } from '../../src/processors/simulator/server/faults.ts';
import type { SimulatorParts } from '../../src/processors/simulator/server/parts.ts';
import * as bodies from '../../src/processors/simulator/server/schemas.ts';
import { pageOf, rowsOf, sectionOf } from './tables.ts';

const section = sectionOf(pageOf('docs/processors.md'), '### Levers');
const rows = rowsOf(section).map(([lever, body, does]) => ({ lever: lever!, body: body!, does: does! }));

/** `POST /control/settle` and so on, as the simulator serves them. */
function served(): string[] {
  const { stack } = controlRoutes({} as SimulatorParts) as unknown as {
    stack: { route?: { path: string; methods: Record<string, boolean> } }[];
  };
  return stack.flatMap(({ route }) =>
    route
      ? Object.keys(route.methods).map(
          (method) => `${method.toUpperCase()} /control${route.path.replace(/:(\w+)/, '{$1}')}`,
        )
      : [],
  );
}

describe('the levers of docs/processors.md', () => {
  it('are those of the simulator', () => {
    const listed = rows.flatMap(({ lever }) => {
      const [method] = /GET|POST/.exec(lever)!;
      return [...lever.matchAll(/\/control\/[\w{}/]+/g)].map(([path]) => `${method} ${path}`);
    });
    expect(listed.toSorted()).toEqual(served().toSorted());
    expect(listed.length).toBeGreaterThan(10);
  });

  it.each([
    ['settle', bodies.SettleBody],
    ['disputes', bodies.DisputeBody],
    ['disputes/{id}', bodies.DisputeChangeBody],
    ['returns', bodies.ReturnBody],
    ['outage', bodies.OutageBody],
    ['script', bodies.ScriptBody],
    ['timing', bodies.TimingBody],
    ['endpoints', bodies.EndpointBody],
  ])('take the members that are listed: %s', (name, { shape }) => {
    const { body } = rows.find(({ lever }) => lever === `\`POST /control/${name}\``)!;
    const told = [...body.matchAll(/(\w+)(\??)/g)].map((match) => ({ member: match[1]!, optional: match[2] === '?' }));
    const taken = Object.entries(shape).map(([member, type]) => ({
      member,
      optional: (type as { safeParse(value: unknown): { success: boolean } }).safeParse(undefined).success,
    }));
    const byName = (a: { member: string }, b: { member: string }) => a.member.localeCompare(b.member);
    expect(told.toSorted(byName)).toEqual(taken.toSorted(byName));
  });

  it('name every fault, and make calls that are taken', () => {
    const { does } = rows.find(({ lever }) => lever.includes('/script'))!;
    const named = new Set([...does.matchAll(/`(\w+)`/g)].map((match) => match[1]!));
    expect(named).toEqual(new Set(FAULTS));
    const [settle, dispute] = [...section.matchAll(/-d '([^']*)'/g)].map((match) => JSON.parse(match[1]!) as unknown);
    expect(bodies.SettleBody.safeParse(settle).success).toBe(true);
    expect(bodies.DisputeBody.safeParse(dispute).success).toBe(true);
  });
});
