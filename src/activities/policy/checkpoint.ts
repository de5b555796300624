import { promisify } from 'node:util';
import { constants, deflateRaw, inflateRaw } from 'node:zlib';
import type { BacktestState } from '../../domain/backtest.ts';
import { slices } from './slices.ts';

const compress = promisify(deflateRaw);
const expand = promisify(inflateRaw);

type Windows = BacktestState['replay']['counters'][number];
type Part = [counter: number, windows: Windows];

/** Occurrences in one part, about. */
const PART = 5_000;

/**
 * The state of a backtest as it is stored: lines of JSON, deflated. The first line is the state without its windows, each
 * other one some windows of a counter; a state may hold millions of occurrences, and one `JSON.stringify` over them
 * would stand still for all others.
 */
export async function packState({ replay, tally }: BacktestState): Promise<Buffer> {
  const pause = slices();
  const rest: BacktestState = { replay: { ...replay, counters: replay.counters.map(() => []) }, tally };
  const lines = [JSON.stringify(rest)];
  for (const [counter, windows] of replay.counters.entries()) {
    for (const part of partsOf(windows)) {
      lines.push(JSON.stringify([counter, part] satisfies Part));
      await pause();
    }
  }
  return compress(lines.join('\n'), { level: constants.Z_BEST_SPEED });
}

export async function unpackState(packed: Buffer): Promise<BacktestState> {
  const pause = slices();
  const [first, ...lines] = (await expand(packed)).toString('utf8').split('\n');
  const state = JSON.parse(first!) as BacktestState;
  for (const line of lines) {
    const [counter, windows] = JSON.parse(line) as Part;
    for (const window of windows) state.replay.counters[counter]!.push(window);
    await pause();
  }
  return state;
}

function* partsOf(windows: Windows): Generator<Windows> {
  let part: Windows = [];
  let size = 0;
  for (const window of windows) {
    part.push(window);
    size += 1 + window[1][0].length;
    if (size < PART) continue;
    yield part;
    part = [];
    size = 0;
  }
  if (part.length > 0) yield part;
}
