import type { WriteStream } from 'node:tty';

const WIDTH = 30;
/** Where nobody looks on, a line for each tenth. */
const LINE_EVERY = 10;

export interface Progress {
  show(progress: { done: number; total: number | null; percent: number }): void;
  /** The next line of output begins on one of its own. */
  end(): void;
}

/** A bar that is drawn over itself on a terminal, and lines elsewhere. */
export function progressTo(stream: Pick<WriteStream, 'write'> & { isTTY?: boolean }): Progress {
  let shown = -LINE_EVERY;
  return {
    show({ done, total, percent }) {
      if (total === null) return;
      const text = `${Math.floor(percent)} % — ${done} of ${total} decisions read`;
      if (stream.isTTY) {
        const full = Math.round((percent / 100) * WIDTH);
        stream.write(`\r${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${text}`);
        shown = percent;
      } else if (percent >= shown + LINE_EVERY || (percent === 100 && shown < 100)) {
        stream.write(`${text}\n`);
        shown = percent;
      }
    },
    end() {
      if (stream.isTTY && shown >= 0) stream.write('\n');
    },
  };
}
