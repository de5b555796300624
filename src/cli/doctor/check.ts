import { messageOf } from '../output.ts';

/** What the doctor says of one thing. */
export interface Check {
  name: string;
  status: 'ok' | 'failed' | 'skipped';
  detail: string;
  /** What to do, when it failed. */
  fix?: string;
}

/** Runs one check: `look` returns the detail of a pass, or throws; `fix` is what to do then. */
export async function check(name: string, fix: string, look: () => Promise<string> | string): Promise<Check> {
  try {
    return { name, status: 'ok', detail: await look() };
  } catch (error) {
    return { name, status: 'failed', detail: messageOf(error), fix };
  }
}

export function skipped(name: string, detail: string): Check {
  return { name, status: 'skipped', detail };
}
