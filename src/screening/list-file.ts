import { readFileSync, statSync } from 'node:fs';
import { parsePayeeList, type PayeeList } from './list.ts';
import type { PayeeScreening } from './port.ts';

const LOOK_EVERY_MS = 2_000;

export interface ListFileOptions {
  file: string;
  /** Told of every list that is taken, and of every one that is not. */
  told: (news: { entries: number } | { error: Error }) => void;
  /** Milliseconds between two looks at the file. */
  everyMs?: number;
}

/**
 * Screens by a list in memory. The file is read again when it changes; one that cannot be read or understood is told
 * and not taken, so that the list before stays in force: a slip of an editor must not empty it.
 * @throws ListError, or what reading failed with, when there is no list to begin with
 */
export function screenByFile({ file, told, everyMs = LOOK_EVERY_MS }: ListFileOptions): PayeeScreening {
  // Before it is read: a change in between is seen at the next look.
  let seen = versionOf(file);
  let list: PayeeList = parsePayeeList(readFileSync(file, 'utf8'));
  told({ entries: list.size });
  const look = () => {
    const found = versionOf(file);
    if (found === seen) return;
    seen = found;
    try {
      list = parsePayeeList(readFileSync(file, 'utf8'));
      told({ entries: list.size });
    } catch (error) {
      told({ error: error as Error });
    }
  };
  // Polled: what tells of changes tells nothing of files that are replaced, mounted or linked.
  const looking = setInterval(look, everyMs).unref();
  return {
    screen: (payee) => Promise.resolve(list.screen(payee)),
    close: () => clearInterval(looking),
  };
}

/** Which file is there, and since when it is as it is; `undefined` for none. */
function versionOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
}
