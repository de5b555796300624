import { DAYS, type Clocks, type Day } from '../../domain/scope/hours.ts';

const formats = new Map<string, Intl.DateTimeFormat>();

/**
 * The local time of an instant in each zone: a fact for the decision, gathered like any other, so that the domain needs
 * no time zone database. A zone that this machine does not know is left out, and hours in it cover nothing.
 */
export function clocksAt(now: Date, zones: string[]): Clocks {
  const clocks: Clocks = {};
  for (const zone of new Set(zones)) {
    try {
      clocks[zone] = clockIn(zone, now);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return clocks;
}

function clockIn(zone: string, now: Date): { day: Day; minute: number } {
  // Making one costs about as much as the rest of a decision's arithmetic.
  let format = formats.get(zone);
  if (!format) {
    const parts = { weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...parts });
    formats.set(zone, format);
  }
  const part = Object.fromEntries(format.formatToParts(now).map(({ type, value }) => [type, value]));
  const day = DAYS.find((name) => name === part['weekday']!.toLowerCase());
  if (!day) throw new Error(`no weekday in ${part['weekday']}`);
  return { day, minute: Number(part['hour']) * 60 + Number(part['minute']) };
}
