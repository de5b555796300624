import { Problem } from '../domain/errors.ts';

/** 404 for a thing that the organization does not have; `path` names the member that was to identify it. */
export function notFound(what: string, path: string): Problem {
  return new Problem('not_found', `Your organization has no such ${what}.`, {
    fields: [{ path, message: `names no ${what} of your organization` }],
  });
}

/** The value, unless it is missing. @throws Problem `not_found` */
export function found<T>(value: T | undefined, what: string, path: string): T {
  if (value === undefined) throw notFound(what, path);
  return value;
}
