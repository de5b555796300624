/**
 * Every refusal the system can answer with, by stable code. The HTTP status of each code lives here too, so that
 * there is one table; `docs/errors.md` lists exactly these codes and a test holds the two together.
 */
export const PROBLEMS = {
  // published contract
  invalid_scope: { status: 403, title: 'Requested action exceeds the delegated scope' },
  policy_denied: { status: 403, title: 'Policy evaluation denied execution' },
  challenge_required: { status: 409, title: 'Step-up verification required before execution' },
  risk_elevated: { status: 409, title: 'Risk threshold exceeded for the current channel' },
  idempotency_conflict: { status: 409, title: 'Request conflicts with a prior submission under the same key' },
  route_unavailable: { status: 503, title: 'No eligible route under current constraints' },
  // request
  invalid_request: { status: 400, title: 'The request is malformed' },
  weak_key: { status: 400, title: 'The key is too weak to vouch for anybody' },
  version_not_supported: { status: 400, title: 'That version of A2A is not spoken here' },
  idempotency_key_required: { status: 400, title: 'Idempotency-Key is required and must be a UUID' },
  unauthorized: { status: 401, title: 'Missing or invalid credential' },
  invalid_signature: { status: 401, title: 'The request signature does not verify' },
  insufficient_scope: { status: 403, title: 'The credential lacks the required scope' },
  organization_mismatch: { status: 403, title: 'The credential does not belong to that organization' },
  not_found: { status: 404, title: 'Not found in your organization' },
  method_not_allowed: { status: 405, title: 'This path does not answer that method' },
  payload_too_large: { status: 413, title: 'The request body is larger than 1 MB' },
  unsupported_media_type: { status: 415, title: 'The request body must be application/json' },
  headers_too_large: { status: 431, title: 'A request header is too long' },
  invalid_mandate: { status: 422, title: 'The mandate failed validation' },
  delegation_cycle: { status: 422, title: 'The agent is in the chain of the delegation already' },
  unprocessable: { status: 422, title: 'The request is well formed but cannot be applied' },
  rate_limited: { status: 429, title: 'Too many requests' },
  // challenge
  challenge_failed: { status: 409, title: 'The challenge response is wrong' },
  challenge_expired: { status: 409, title: 'The challenge is no longer open' },
  review_closed: { status: 409, title: 'It is not waiting for a review' },
  approver_excluded: { status: 403, title: 'This person may not approve it' },
  approver_limit: { status: 409, title: 'This person has approved as much as one may for now' },
  // payments
  frozen: { status: 409, title: 'A freeze is in force; nothing was done' },
  execution_token_used: { status: 409, title: 'The execution token was already used' },
  execution_token_expired: { status: 409, title: 'The execution token has expired or was withdrawn' },
  payment_declined: { status: 402, title: 'The payment was declined' },
  amount_exceeds_approved: { status: 409, title: 'Amount or currency differs from what was approved' },
  amount_exceeds_capturable: { status: 409, title: 'Amount exceeds what can be captured' },
  amount_exceeds_refundable: { status: 409, title: 'Amount exceeds what can be refunded' },
  invalid_payment_state: { status: 409, title: 'The payment is not in a state that allows this' },
  evidence_contradicts: { status: 409, title: 'What processor or settlement said contradicts it' },
  certificate_active: { status: 409, title: 'The agent has an active certificate' },
  certificate_revoked: { status: 409, title: 'The certificate was revoked already' },
  resource_conflict: { status: 409, title: 'The resource already exists with other content' },
  // system
  internal_error: { status: 500, title: 'Internal error; nothing was approved' },
  service_unavailable: { status: 503, title: 'A dependency is away; retry with the same Idempotency-Key' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One offending member of a request: JSON path with dots (`intent.amount`) and a sentence. */
export interface FieldError {
  path: string;
  message: string;
}

/**
 * A refusal with a stable code. `detail` is for the client; `cause` stays in the log.
 * `members` are further public members of the answer (`attempts_left`, `decline`); `replayed` marks the refusal as the
 * first answer of its Idempotency-Key, given again.
 */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly fields: FieldError[];
  readonly members: Record<string, unknown>;
  readonly replayed: boolean;

  constructor(
    code: ProblemCode,
    detail: string,
    options: { fields?: FieldError[]; members?: Record<string, unknown>; replayed?: boolean; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Problem';
    this.code = code;
    this.fields = options.fields ?? [];
    this.members = options.members ?? {};
    this.replayed = options.replayed ?? false;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }
}

/** `true` when `code` is one of ours: codes cross process and workflow boundaries as plain strings. */
export function isProblemCode(code: unknown): code is ProblemCode {
  return typeof code === 'string' && Object.hasOwn(PROBLEMS, code);
}
