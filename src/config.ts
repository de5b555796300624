import { isIP } from 'node:net';
import { z } from 'zod';

const seconds = (value: number) => z.coerce.number().positive().default(value);
const flag = z
  .enum(['true', 'false', '1', '0', ''])
  .default('false')
  .transform((text) => text === 'true' || text === '1');

const count = (value: number) => z.coerce.number().int().min(0).default(value);

/** Number of proxies, or their addresses. `true` is not among them: it would believe whatever a client says it is. */
const proxies = z
  .string()
  .refine((text) => /^[1-9]\d?$/.test(text) || text.split(',').every((part) => isProxy(part.trim())), {
    error: 'must be a number of proxies, or addresses, networks (10.0.0.0/8) and loopback, separated by commas',
  })
  .transform((text) => (/^\d+$/.test(text) ? Number(text) : text.split(',').map((part) => part.trim())));

function isProxy(part: string): boolean {
  const [address = '', bits, ...more] = part.split('/');
  if (part === 'loopback' || part === 'linklocal' || part === 'uniquelocal') return true;
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!;
  return (
    longest > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest))
  );
}

/** 32-byte keys in base64, apart by commas; none in an empty text. */
export const keyList = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
  .refine((keys) => keys.every((key) => Buffer.from(key, 'base64').length === 32), {
    error: 'must be keys of 32 bytes in base64, apart by commas',
  });

/** Every setting of every process, by environment variable. `docs/operations.md` explains each one; a test holds them together. */
export const Settings = z.object({
  PROKURA_ENV: z.enum(['development', 'production']).default('development'),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be postgres://user:password@host:port/database' }),
  DATABASE_POOL_SIZE: z.coerce.number().int().min(2).max(200).default(20),
  TEMPORAL_ADDRESS: z.string().default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().default('prokura'),
  TEMPORAL_TASK_QUEUE: z.string().default('prokura'),
  TEMPORAL_UI_URL: z.url().default('http://127.0.0.1:8233'),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65535).default(8080),
  /** Where clients and people reach the API; printed in links (approval pages, verify URLs). */
  PUBLIC_URL: z.url().optional(),
  /** Origins of pages that may ask for passkeys; the first one's host is the domain that they are for. */
  PASSKEY_ORIGINS: z
    .string()
    .regex(/^https?:\/\/[^\s,/]+(\s*,\s*https?:\/\/[^\s,/]+)*$/, {
      error: 'must be origins, such as https://pay.example, apart by commas',
    })
    .optional(),
  /** Who vouches for verdicts, without a key id. Unset = the did:web of the public address. */
  PROKURA_ISSUER: z
    .string()
    .regex(/^(did:[a-z0-9]+:[^#\s]+|https:\/\/[^#\s]+)$/, { error: 'must be a DID or an https URL, without #' })
    .optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Ed25519 private key as JWK (JSON), or a JWK set whose first key signs and whose others only verify. */
  PROKURA_SIGNING_KEY: z.string().optional(),
  /** File that holds the signing keys, encrypted; instead of PROKURA_SIGNING_KEY. */
  PROKURA_KEYSTORE: z.string().min(1).optional(),
  /** Opens the keystore; unset = PROKURA_DATA_KEY does. */
  PROKURA_KEYSTORE_PASSPHRASE: z.string().min(1).optional(),
  /** JSON file: issuers and keys that are trusted besides our own. */
  PROKURA_TRUSTED_ISSUERS: z.string().min(1).optional(),
  /** 32 bytes, base64: seals secrets at rest (TOTP seeds, webhook secrets, processor credentials). */
  PROKURA_DATA_KEY: z.string().optional(),
  /** Former and coming data keys: they open what they sealed, and seal nothing. */
  PROKURA_DATA_KEY_PREVIOUS: keyList.optional(),
  /** 32 bytes, base64: encrypts Temporal payloads. Unset = payloads readable in the Temporal UI. */
  PROKURA_PAYLOAD_KEY: z.string().optional(),
  /** Former and coming payload keys: they decrypt, and encrypt nothing. */
  PROKURA_PAYLOAD_KEY_PREVIOUS: keyList.optional(),
  /** Serves the codec endpoint that lets the Temporal UI decrypt payloads; in development it is served anyway. */
  PROKURA_CODEC_ENDPOINT: flag,
  /** Prebuilt workflow bundle; unset = bundled at start. */
  PROKURA_WORKFLOW_BUNDLE: z.string().optional(),
  /** Opt-in: switches off two costs of the workflow sandbox (docs/performance.md). */
  PROKURA_FAST_SANDBOX: flag,
  /** Shared with the processor simulator: authenticates the notifications that it sends. Unset = none are accepted. */
  SIMULATOR_NOTIFY_SECRET: z.string().optional(),
  CHALLENGE_TTL_SECONDS: seconds(600),
  REVIEW_TTL_SECONDS: seconds(86_400),
  EXECUTION_TOKEN_TTL_SECONDS: seconds(900),
  SETTLEMENT_SLA_SECONDS: seconds(3 * 86_400),
  HOLD_WARNING_SECONDS: seconds(86_400),
  /** How often a hold may be authorized anew before it ends, where a payment asks for that; 0 = never. */
  REAUTHORIZATIONS_MAX: z.coerce.number().int().min(0).max(30).default(3),
  /** How often coverage is measured for every organization (docs/ledger.md); 0 = never. */
  COVERAGE_SECONDS: z.coerce.number().int().min(0).max(31_536_000).default(86_400),
  /** How long an unknown outcome is queried before a person is asked. */
  UNKNOWN_DEADLINE_SECONDS: seconds(3_600),
  /** Time that two "not found" answers of a processor must lie apart before absence is believed. */
  PROCESSOR_VISIBILITY_LAG_MS: z.coerce.number().int().positive().default(2_000),
  PROCESSOR_TIMEOUT_MS: z.coerce.number().int().positive().default(8_000),
  /** CSV of payees that are not to be paid (docs/risk.md); read again when it changes. Unset = no list. */
  PAYEE_LIST_FILE: z.string().optional(),
  /** Outside service that is asked about every payee. Unset = none is. */
  PAYEE_SCREENING_URL: z.url({ protocol: /^https?$/ }).optional(),
  PAYEE_SCREENING_TOKEN: z.string().optional(),
  PAYEE_SCREENING_TIMEOUT_MS: z.coerce.number().int().min(1).max(4_000).default(800),
  /** Bounded wait of an HTTP request for its committed answer. */
  ANSWER_WAIT_MS: z.coerce.number().int().positive().default(10_000),
  /** How long an audit entry waits, at most and when nothing is behind, until a signed checkpoint covers it. */
  AUDIT_SEAL_SECONDS: seconds(10),
  /** An evaluator outside for the second look at what is in review; unset = statistics over the organization's history. */
  REFINEMENT_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Sent to it as a bearer token. */
  REFINEMENT_TOKEN: z.string().min(1).optional(),
  REFINEMENT_TIMEOUT_MS: z.coerce.number().int().positive().default(10_000),
  /** Days that behaviour events are kept one by one before only daily aggregates are left; 0 = for ever. */
  BEHAVIOUR_RETENTION_DAYS: count(184),
  /** Where the key that signs certificates of agents is kept; `none` issues no certificates. */
  CA_KEYSTORE: z.enum(['local', 'kms', 'none']).default('local'),
  /** ARN of the KMS key of the issuing authority, when CA_KEYSTORE is kms: P-256, P-384 or RSA, SIGN_VERIFY. */
  CA_KMS_KEY_ARN: z.string().optional(),
  /** OID under which the policies and the extension of our certificates lie; the default is one for documentation. */
  CA_OID_ARC: z
    .string()
    .regex(/^[0-2](?:\.(?:0|[1-9]\d{0,8})){2,12}$/, { error: 'must be an OID, such as 1.3.6.1.4.1.32473.1' })
    .default('1.3.6.1.4.1.32473.1'),
  /** How often a revocation list is signed anew when nothing was revoked. */
  CRL_REFRESH_SECONDS: seconds(3_600),
  /** Webhook endpoints on loopback and private addresses are refused unless this is set (development: allowed). */
  WEBHOOK_ALLOW_PRIVATE: flag,
  PROCESSOR_ALLOW_PRIVATE: flag,
  /** Ended webhook deliveries and the log of their attempts are kept this long; the events themselves, for good. */
  WEBHOOK_LOG_DAYS: z.coerce.number().int().min(1).max(3_650).default(30),
  /** Length of the windows that rate limits count in. */
  RATE_LIMIT_WINDOW_SECONDS: z.coerce.number().int().min(1).max(86_400).default(60),
  /** Requests per window; 0 switches a limit off. */
  RATE_LIMIT_PER_CREDENTIAL: count(60_000),
  RATE_LIMIT_PER_IP: count(120_000),
  /** Answers 401 per window and address. */
  RATE_LIMIT_FAILURES_PER_IP: count(120),
  /** Questions about a certificate by its serial number, which need no credential. */
  RATE_LIMIT_VERIFY_PER_IP: count(100),
  /** Whose X-Forwarded-For is believed. Unset = nobody's: the client is whoever connects. */
  TRUST_PROXY: proxies.optional(),
});

/** What the authorities of certificates go by. */
export function authoritySettings(config: Config) {
  const { CA_KEYSTORE: keystore, CA_KMS_KEY_ARN: kmsKeyArn, CA_OID_ARC: arc, publicUrl } = config;
  return { keystore, kmsKeyArn, arc, publicUrl };
}

export type Config = z.infer<typeof Settings> & {
  publicUrl: string;
  /** Where pages may ask for passkeys. */
  passkeyOrigins: string[];
};

/** The settings are unusable; the message lists every one, readably. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Reads and checks the settings of a process.
 * @throws ConfigError in production when a key is missing: nothing starts with invented keys outside development.
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = Settings.safeParse(env);
  if (!parsed.success) throw new ConfigError(`Settings are not usable:\n${z.prettifyError(parsed.error)}`);
  const config = parsed.data;
  if (config.PROKURA_ENV === 'production') {
    const missing = (['PROKURA_SIGNING_KEY', 'PROKURA_DATA_KEY'] as const).filter(
      (name) => !config[name] && !(name === 'PROKURA_SIGNING_KEY' && config.PROKURA_KEYSTORE),
    );
    if (missing.length > 0) {
      throw new ConfigError(`Set ${missing.join(' and ')}: run \`prokura keys\` to make new ones, and keep them safe.`);
    }
  }
  const publicUrl = (config.PUBLIC_URL ?? `http://${config.HOST}:${config.PORT}`).replace(/\/$/, '');
  return { ...config, publicUrl, passkeyOrigins: config.PASSKEY_ORIGINS?.split(/\s*,\s*/) ?? [publicUrl] };
}
