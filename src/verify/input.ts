import { Misuse } from './result.ts';

export type Members = Record<string, unknown>;

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws Misuse when the input is no object, or lacks one of `required` */
export function membersOf(input: unknown, required: readonly string[]): Members {
  if (!isObject(input)) throw new Misuse('the input must be one JSON object');
  const missing = required.filter((name) => input[name] === undefined);
  if (missing.length > 0) throw new Misuse(`the input lacks ${missing.map((name) => `"${name}"`).join(' and ')}`);
  return input;
}

/** Member `now`: epoch seconds or RFC 3339; the clock of the machine when absent. @throws Misuse */
export function nowOf({ now }: Members): Date {
  if (now === undefined) return new Date();
  const date = instantOf(now);
  if (!date) throw new Misuse('"now" must be epoch seconds or an RFC 3339 date-time');
  return date;
}

const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** A moment given as epoch seconds or RFC 3339. */
export function instantOf(value: unknown): Date | undefined {
  if (typeof value === 'number') {
    const date = new Date(value * 1000);
    return Number.isNaN(date.getTime()) ? undefined : date;
  }
  if (typeof value !== 'string' || !RFC3339.test(value)) return undefined;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

/** An optional member that must be a text. @throws Misuse */
export function textMember(members: Members, name: string): string | undefined {
  const value = members[name];
  if (value !== undefined && typeof value !== 'string') throw new Misuse(`"${name}" must be a text`);
  return value;
}

/** An optional member that must be an object. @throws Misuse */
export function objectMember(members: Members, name: string): Members | undefined {
  const value = members[name];
  if (value !== undefined && !isObject(value)) throw new Misuse(`"${name}" must be an object`);
  return value;
}

/** An optional member that must be a number, not negative. @throws Misuse */
export function numberMember(members: Members, name: string): number | undefined {
  const value = members[name];
  if (value !== undefined && !(typeof value === 'number' && value >= 0)) {
    throw new Misuse(`"${name}" must be a number, not negative`);
  }
  return value;
}
