import { expect, it } from 'vitest';
import { total } from '../../chaos/disorder.ts';
import { runChaos } from '../../chaos/run.ts';

it('journeys while workers, API, Temporal and PostgreSQL are killed leave every property intact', async () => {
  const lines: string[] = [];
  const options = {
    seed: 20_261_123,
    minutes: 4,
    enough: { lifecycles: 60, kills: 4 },
    inFlight: 6,
    every: 4,
    json: false,
    keep: false,
  };
  const report = await runChaos(options, (line) => lines.push(line));
  const broken = report.properties.filter(({ ok }) => !ok);
  expect({ broken, errors: report.journey_errors, history: report.history }).toEqual({ broken: [], errors: [] });
  // The controls: something was killed, something was asked again, and money moved.
  expect(total(report.kills)).toBeGreaterThan(1);
  expect(report.insisted).toBeGreaterThan(0);
  expect(report.lifecycles).toBeGreaterThan(20);
}, 540_000);
