import { z } from 'zod';
import { DAYS, minuteOf, type Hours, type HoursWindow } from '../../domain/scope/hours.ts';

const time = (pattern: RegExp, example: string) =>
  z.string().regex(pattern, { error: 'must be a time of the day, HH:MM' }).meta({ example });

/** The name that the time zone database prefers: equal zones get equal names, whatever the caller wrote. */
const timeZone = z
  .string()
  .max(64)
  .transform((name, ctx) => {
    try {
      return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone;
    } catch {
      ctx.addIssue({ code: 'custom', message: 'must be an IANA time zone, such as Europe/Berlin' });
      return z.NEVER;
    }
  })
  .meta({ example: 'Europe/Berlin', description: 'IANA name; UTC when absent' });

const HoursWindowIn = z
  .strictObject({
    days: z.array(z.enum(DAYS)).min(1).max(7).optional(),
    from: time(/^(?:[01]\d|2[0-3]):[0-5]\d$/, '09:00'),
    to: time(/^(?:(?:[01]\d|2[0-3]):[0-5]\d|24:00)$/, '17:30'),
    time_zone: timeZone.optional(),
  })
  .refine(({ from, to }) => minuteOf(from) !== minuteOf(to), {
    error: 'must differ from `from`; a whole day is 00:00 to 24:00',
    path: ['to'],
  });

/** When the agent may act. */
export const HoursIn = z
  .array(HoursWindowIn)
  .min(1)
  .max(50)
  .meta({
    description:
      'Windows of local time in any of which an action must fall: from `from` to before `to`. A `to` before `from` passes ' +
      'midnight and belongs to the day on which it begins.',
  });

const HoursList = z.array(
  z.object({ days: z.array(z.enum(DAYS)).optional(), from: z.string(), to: z.string(), time_zone: z.string() }),
);

/** Members of a scope, as output. */
export const HoursOut = {
  hours: HoursList.optional(),
  hours_also: z
    .array(HoursList)
    .optional()
    .meta({ description: 'Of an effective scope: an action must fall into each of these lists as well' }),
};

export function hoursOf(input: z.output<typeof HoursIn>): HoursWindow[] {
  return input.map(({ days, from, to, time_zone }) => ({
    ...(days ? { days: DAYS.filter((day) => days.includes(day)) } : {}),
    from,
    to,
    timeZone: time_zone ?? 'UTC',
  }));
}

export function printHours(hours: Hours | undefined): z.input<z.ZodObject<typeof HoursOut>> {
  if (!hours) return {};
  const [last, ...others] = hours
    .map((list) => list.map(({ timeZone, ...window }) => ({ ...window, time_zone: timeZone })))
    .toReversed();
  return { hours: last, ...(others.length > 0 ? { hours_also: others } : {}) };
}
