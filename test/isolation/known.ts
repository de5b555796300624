/**
 * What the document cannot say. A route needs an entry here only when its ids are no TypeIDs with an example, or when
 * the same form of id names two kinds of things.
 */

/**
 * Kind of id by member, or by member under a path, all paths below it included. Kinds after a colon share a prefix:
 * `key:agent` is a `key_…`.
 */
export const MEMBER_KINDS: Record<string, string> = {
  execution_token: 'execution_token',
  client_id: 'client_id',
  trust_domain: 'trust_domain',
  '/v1/agents/{id}/keys/ key_id': 'key:agent',
  '/v1/oauth-clients/{id} id': 'client_id',
  '/v1/payments/{id}/resolve operation_id': 'op:payment',
  '/v1/policies/{id}/backtests backtest_id': 'bkt:policy',
};

/** Under which kind an id in the answer to this operation is kept, where its prefix does not say it. */
export const MADE_KINDS: Record<string, string> = {
  'POST /v1/agents/{id}/keys key_id': 'key:agent',
  'POST /v1/agents id': 'agt',
  'POST /v1/policies/{id}/backtest backtest_id': 'bkt:policy',
  'POST /v1/agents/{id}/certify id': 'crt',
  'POST /v1/webhooks id': 'whk',
  // A test event stands in no log.
  'POST /v1/webhooks/{id}/test event_id': 'evt:test',
};

/** These end what they are called on: nothing is made by them, and their controls come last. */
export const ENDING =
  /\/(?:revoke|rotate(?:-\w+)?|void|retire|disable|suspend|close|remove|withdraw|deactivate|freeze|cancel|resolve|halt|renew|private-key)$/;

/** Where a stranger is told of a real id something else than of others: what, and why that tells nothing. */
export const TOLD_APART: Record<string, { status: number; why: string }> = {
  'POST /v1/payments/authorize': {
    status: 404,
    why: 'The id is a token with a MAC. A forged one is refused as such; whoever holds a real one knew that it is real.',
  },
  'POST /v1/oauth-clients/{id}/organizations': {
    status: 200,
    why: 'A client of one’s own is offered to another organization by its id; nothing comes of it unless that one accepts.',
  },
};

/** Where the organization itself is told of real ids the same as of others, and why. */
export const NOT_TO_ITSELF: Record<string, string> = {
  'GET /v1/ledger/entries/export': 'The answer is CSV, which is compared as one text, whatever it says.',
  'POST /v1/oauth-clients/{id}/accept': 'A client is accepted by another organization than its own.',
  'DELETE /v1/identities/trust-bundles/{trust_domain}':
    'Names are chosen: the control of PUT has made the other one as well.',
};

/**
 * Operations without ids that a credential with every scope, calling the example, is refused: with the reason.
 */
export const REFUSED_AS_DOCUMENTED: Record<string, string> = {
  'GET /v1/audit/proof': 'Asks for an entry, or for the size of a former tree.',
  'POST /v1/processors': 'The stage has made it already, and an account exists once.',
};
