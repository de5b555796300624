/** A stored value that the data key has sealed: a text column, or a member of a JSON column by its path. */
export interface SealedValue {
  column: string;
  path?: readonly string[];
}

export interface SealedTable {
  table: string;
  /** The primary key, in its order. */
  key: readonly { column: string; type: 'uuid' | 'text' | 'bytea' }[];
  /** Rows belong to an organization and a mode; else to the installation. */
  ofTenants: boolean;
  values: readonly SealedValue[];
}

const ID = [{ column: 'id', type: 'uuid' }] as const;

/**
 * Everything in the database that the data key seals, in the order in which it is sealed anew: a table that values are
 * copied from comes before the one that they are copied into. A column that is not here is lost with the next key.
 */
export const SEALED_TABLES: readonly SealedTable[] = [
  { table: 'api_keys', key: ID, ofTenants: true, values: [{ column: 'signing_secret_sealed' }] },
  {
    table: 'api_key_former_secrets',
    key: [{ column: 'secret_sha256', type: 'bytea' }],
    ofTenants: true,
    values: [{ column: 'signing_secret_sealed' }],
  },
  {
    table: 'oauth_clients',
    key: [{ column: 'id', type: 'text' }],
    ofTenants: true,
    values: [{ column: 'signing_secret_sealed' }, { column: 'previous_signing_secret_sealed' }],
  },
  { table: 'principals', key: ID, ofTenants: true, values: [{ column: 'totp_secret_sealed' }] },
  {
    table: 'mids',
    key: ID,
    ofTenants: true,
    values: [{ column: 'api_key_sealed' }, { column: 'notify_secret_sealed' }],
  },
  {
    table: 'webhook_endpoints',
    key: ID,
    ofTenants: true,
    values: [{ column: 'secret_sealed' }, { column: 'former_secret_sealed' }, { column: 'headers_sealed' }],
  },
  { table: 'certificate_authorities', key: ID, ofTenants: false, values: [{ column: 'key_sealed' }] },
  { table: 'certificates', key: ID, ofTenants: true, values: [{ column: 'private_key_sealed' }] },
  { table: 'payments', key: ID, ofTenants: true, values: [{ column: 'method_sealed' }] },
  {
    table: 'idempotency_keys',
    key: [
      { column: 'org_id', type: 'uuid' },
      { column: 'mode', type: 'text' },
      { column: 'key', type: 'uuid' },
    ],
    ofTenants: true,
    // Answers with secrets, and payments in the answers of money requests.
    values: [
      { column: 'response', path: ['sealed'] },
      { column: 'response', path: ['payment', 'method_sealed'] },
    ],
  },
];

/** `webhook_endpoints.secret_sealed`, `idempotency_keys.response.sealed`. */
export function nameOf({ table }: SealedTable, { column, path = [] }: SealedValue): string {
  return [table, column, ...path].join('.');
}
