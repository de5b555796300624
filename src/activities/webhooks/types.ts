import type { Tenant } from '../../domain/types.ts';

export interface EndpointRef {
  tenant: Tenant;
  endpointId: string;
}

/** How an endpoint stands after a pass of its supervisor. */
export interface EndpointReport {
  stage: 'delivering' | 'failing' | 'stuck' | 'paused' | 'disabled' | 'deleted';
  /** Markdown for the operator: what waits, what is stuck and why. No secrets and no data of events. */
  details: string;
  needsAttention: boolean;
  /** The pass ended before its work did. */
  more: boolean;
  /** Milliseconds until the next pass, unless something happens before. */
  nextInMs: number;
  /** Nothing is left of it. */
  gone: boolean;
}

export interface WebhookActivities {
  /** Does what is to be done for one endpoint, as far as one pass goes. Safe to run again, and beside itself. */
  superviseEndpoint(ref: EndpointRef): Promise<EndpointReport>;
}
