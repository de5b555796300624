import { Problem, type FieldError } from '../../domain/errors.ts';

/** 400 for one member: `invalidRequest('intent.amount', 'must be positive')`. */
export function invalidRequest(path: string, message: string): Problem {
  return invalidFields([{ path, message }]);
}

/** 400 with every offending member named; the detail repeats the first. */
export function invalidFields(fields: FieldError[]): Problem {
  const [first] = fields;
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more)` : '';
  return new Problem(
    'invalid_request',
    first ? `${first.path} ${first.message}${more}.` : 'The request is malformed.',
    {
      fields,
    },
  );
}
