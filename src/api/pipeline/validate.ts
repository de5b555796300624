import type { RequestHandler } from 'express';
import type { z } from 'zod';
import { Problem, type FieldError } from '../../domain/errors.ts';
import type { AnyRoute } from '../route.ts';
import { findBadText } from './bad-text.ts';
import { findCardNumber, refuseCardNumber } from './card-numbers.ts';
import { invalidFields, invalidRequest } from './invalid-request.ts';
import { stateOf } from './state.ts';

/** Checks path, query and body against the route's schemas; handlers see only what these let through. */
export function validateRequest(route: AnyRoute): RequestHandler {
  return (req, _res, next) => {
    const state = stateOf(req);
    const query = { ...(req.query as Record<string, unknown>) };
    const bad = findBadText(req.params) ?? findBadText(query);
    if (bad) throw invalidRequest(bad.path, bad.message);
    refuseCardNumber(findCardNumber(req.params) ?? findCardNumber(query, 'query'));
    if (route.params) state.params = parsePath(route.params, req.params);
    if (route.query) state.query = parse(route.query, query, 'query');
    if (route.body) {
      if (state.json === undefined && !route.body.safeParse(undefined).success) {
        // An empty body is judged as an empty object, so that the missing members are named.
        const asEmpty = route.body.safeParse({}, { reportInput: true });
        if (!asEmpty.success) throw invalidFields(fieldErrors(asEmpty.error, 'body'));
        state.body = asEmpty.data;
      } else {
        state.body = parse(route.body, state.json, 'body');
      }
    } else if (state.json !== undefined && !isEmptyObject(state.json)) {
      throw invalidRequest('body', 'is not taken by this route');
    }
    next();
  };
}

/** What cannot be an id is the id of nothing: 404, as for an id that nobody has. */
function parsePath(schema: z.ZodType, params: unknown): unknown {
  const parsed = schema.safeParse(params, { reportInput: true });
  if (parsed.success) return parsed.data;
  throw new Problem('not_found', 'Nothing has this id in your organization.', {
    fields: fieldErrors(parsed.error, 'path'),
  });
}

function parse(schema: z.ZodType, value: unknown, whole: string): unknown {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw invalidFields(fieldErrors(parsed.error, whole));
  return parsed.data;
}

/** Zod's issues as members and sentences; `whole` names the value itself when the issue is not about one member. */
export function fieldErrors(error: z.ZodError, whole: string): FieldError[] {
  return error.issues.flatMap((issue) => describe(issue, [], whole));
}

type Issue = z.core.$ZodIssue;

function describe(issue: Issue, prefix: PropertyKey[], whole: string): FieldError[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: dotted([...path, key], whole), message: 'is not a known member' }));
  }
  if (issue.code === 'invalid_union') {
    // The branch that got furthest is the one that was meant.
    const branch = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
    if (branch && depth(branch) > 0) return branch.flatMap((inner) => describe(inner, path, whole));
  }
  return [{ path: dotted(path, whole), message: sentenceOf(issue) }];
}

/** The rest of a sentence that begins with the member's name. */
function sentenceOf(issue: Issue): string {
  if (issue.code === 'invalid_type') {
    if (issue.input === undefined) return 'is required';
    return `must be ${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`;
  }
  if (issue.code === 'invalid_value') {
    return issue.input === undefined ? 'is required' : `must be one of ${issue.values.map(String).join(', ')}`;
  }
  return lowerFirst(issue.message);
}

function depth(issues: Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)));
}

function dotted(path: PropertyKey[], whole: string): string {
  return path.length === 0 ? whole : path.map(String).join('.');
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
