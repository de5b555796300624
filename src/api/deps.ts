import type { Router } from 'express';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Config } from '../config.ts';
import type { PayeeScreening } from '../screening/port.ts';
import type { Authorities } from '../store/certificates/authorities.ts';
import type { Passkeys } from '../trust/passkeys.ts';
import type { Sealer } from '../trust/seal.ts';
import type { ExecutionTokens } from '../trust/execution-token.ts';
import type { Signer } from '../trust/signing.ts';
import type { TrustedIssuer } from '../trust/trust-list.ts';
import type { LifecycleClient } from './lifecycle/client.ts';

/** What the API process is made of; nothing in it is global, so that tests may run several side by side. */
export interface ApiDeps {
  config: Config;
  pool: pg.Pool;
  signer: Signer;
  sealer: Sealer;
  authorities: Authorities;
  log: Logger;
  lifecycle: LifecycleClient;
  tokens: ExecutionTokens;
  /** Absent where passkeys have no domain. */
  passkeys?: Passkeys;
  /** Who screens payees; absent when nobody does. */
  screening?: PayeeScreening;
  /** Whose signatures count besides our own; nobody's when absent. */
  trustedIssuers?: readonly TrustedIssuer[];
  /** Metrics of other parts of the process to be shown at `/metrics`. */
  registry?: Registry;
  /** Routers that answer before the route table (codec endpoint for the Temporal UI). */
  extraRouters?: Router[];
}
