import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  Worker,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { shared } from '../setup/harness/client.ts';
import type { StoredHistory } from './neutral.ts';
import { ALONE, BACKTEST, COMPACTOR, LISTS, PATHS, SEALER, SUPERVISOR } from './paths.ts';

// A replay that must fail is told by its result; the logs would tell it at length.
Runtime.install({
  logger: new DefaultLogger('ERROR'),
  telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
});

const FOLDER = new URL('./', import.meta.url);
const FILES = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));

const LIFECYCLES = PATHS.filter(({ workflow }) => workflow === 'executionLifecycle').map(({ name }) => `${name}.json`);

const textOf = (file: string) => readFileSync(new URL(file, FOLDER), 'utf8');
const historyOf = (file: string) => JSON.parse(textOf(file)) as StoredHistory;

let code: string;
beforeAll(async () => {
  code = await readFile((await shared('workflowBundle')).codePath, 'utf8');
});

/** What replaying says against each history, by its name; nothing where the code still does what was recorded. */
async function faults(
  workflowBundle: WorkflowBundleOption,
  histories: { workflowId: string; history: StoredHistory }[],
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle }, histories)) {
    if (error) found[workflowId] = error.name;
  }
  return found;
}

/** Every stored history. */
const stored = () => FILES.map((file) => ({ workflowId: file, history: historyOf(file) }));

describe('the workflow code', () => {
  it('does with every recorded history what it did then', async () => {
    expect(await faults({ code }, stored())).toEqual({});
  });

  it.each([
    ['another first step', '.assessRisk(input)', '.findDecision(input)', LIFECYCLES],
    [
      'no second look at what is in review',
      "(0,_temporalio_workflow__WEBPACK_IMPORTED_MODULE_0__.patched)('review-refined')",
      'false',
      ['reviewed.json'],
    ],
    [
      'another first step of an assessment’s review',
      '.standingOfReview(ref)',
      '.expireAssessmentReview(ref)',
      ['assessment-reviewed.json'],
    ],
    ['another first step of a freeze', '.closeStopped(ref)', '.reviewStop(ref, [])', ['freeze.json']],
    [
      'another way to refund',
      '.refundPayment(input)',
      '.capturePayment(input)',
      ['refund-challenged.json', 'refund-returned.json', 'refund-reviewed.json', 'refund-stopped.json', 'refund.json'],
    ],
    ['another way to raise a hold', '.incrementPayment(input)', '.refundPayment(input)', ['increment.json']],
    [
      'another way to make a pass',
      'await replayBacktest(work)',
      'await giveUpBacktest(work, { cancelled: true })',
      [`${BACKTEST}.json`],
    ],
    [
      'no look at an agent before it acts',
      'await reviewWatch(input.ref)',
      'await haltForBehaviour(input.ref)',
      ['agent-watch.json'],
    ],
    ['another pass of the compaction', 'await compactBehaviour()', '{ nextInMs: 1 }', [`${COMPACTOR}.json`]],
    [
      'no wait between passes',
      '(0,_temporalio_workflow__WEBPACK_IMPORTED_MODULE_0__.sleep)(result.nextInMs)',
      'undefined',
      [`${SEALER}.json`],
    ],
    ['no pass over the lists', 'await refreshLists()', '{ signed: [], failed: [], nextInMs: 1 }', [`${LISTS}.json`]],
    ['no look at an endpoint', 'await superviseEndpoint(ref)', '{}', [`${SUPERVISOR}.json`]],
  ])('fails the replay when it does %s', async (_, now, then, expected) => {
    expect(code).toContain(now);
    const found = await faults({ code: code.replaceAll(now, then) }, stored());
    expect(Object.keys(found).sort()).toEqual([...expected].sort());
  });

  it('fails the replay of a history that took its steps in another order', async () => {
    const history = historyOf('denied.json');
    const markers = history.events.filter((event) => event.eventType === 'EVENT_TYPE_MARKER_RECORDED');
    expect(markers).toHaveLength(2);
    const attributes = markers.map((event) => event['markerRecordedEventAttributes']);
    for (const [index, event] of markers.entries()) event['markerRecordedEventAttributes'] = attributes[1 - index];
    expect(await faults({ code }, [{ workflowId: 'swapped', history }])).toHaveProperty('swapped');
  });
});

describe('the stored histories', () => {
  it('are one for each path', () => {
    expect(FILES.sort()).toEqual([...ALONE, ...PATHS.map(({ name }) => name)].map((name) => `${name}.json`).sort());
  });

  it('tell of every message', () => {
    const names = new Set<string | undefined>();
    for (const { history } of stored()) {
      for (const event of history.events) {
        const signal = event['workflowExecutionSignaledEventAttributes'] as { signalName: string } | undefined;
        const update = event['workflowExecutionUpdateAcceptedEventAttributes'] as
          { acceptedRequest: { input: { name: string } } } | undefined;
        names.add(signal?.signalName).add(update?.acceptedRequest.input.name);
      }
    }
    names.delete(undefined);
    expect([...names].map(String).sort()).toEqual([
      'capture',
      'certificateRevoked',
      'dispute-changed',
      'evidence',
      'look',
      'look-at-agent',
      'news',
      'pay',
      'respond',
      'review',
      'revoked',
      'settled',
      'void',
    ]);
  });

  it.each(FILES)('%s names no machine and holds no credential', (file) => {
    const text = textOf(file);
    const words = text + payloadsIn(JSON.parse(text)).join('\n');
    for (const pattern of [
      /\/node_modules\//,
      /file:\/\//,
      /\d+@[\w-]+/,
      /prk_(?:test|live)_/,
      /exec_[\w-]{40,}/,
      /tok_\w+/,
    ]) {
      expect(words).not.toMatch(pattern);
    }
    const identities = [...text.matchAll(/"identity": "([^"]*)"/g)].map(([, identity]) => identity);
    expect(new Set(identities)).toEqual(new Set(['recorder']));
  });
});

/** Every payload in clear. */
function payloadsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(payloadsIn);
  if (typeof value !== 'object' || value === null) return [];
  const { data, metadata, ...rest } = value as { data?: unknown; metadata?: unknown };
  const own = typeof data === 'string' && metadata ? [Buffer.from(data, 'base64').toString()] : payloadsIn(data);
  return [...own, ...Object.values(rest).flatMap(payloadsIn)];
}
