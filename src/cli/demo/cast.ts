import { randomUUID } from 'node:crypto';
import { URI, type TOTP } from 'otpauth';
import type { Client } from './client.ts';

/** Above this, in major units, the cautious delegation wants the principal to confirm. */
export const STEP_UP_ABOVE = 100;
/** Not among the currencies of the demo organization's policy, though a delegation covers it. */
export const CURRENCY_OUTSIDE_POLICY = 'THB';

/** Who acts: made anew for every run, so that no run meets the traces of an earlier one. */
export interface Cast {
  principal_id: string;
  agent_id: string;
  /** Up to 500.00 per action, without confirmation. */
  everyday: string;
  /** The same, confirmed by the principal above {@link STEP_UP_ABOVE}. */
  cautious: string;
  /** Like `cautious`: the one that is revoked. */
  doomed: string;
  /** Up to 500.00 of {@link CURRENCY_OUTSIDE_POLICY}. */
  abroad: string;
  /** The principal's authenticator: its present six digits. */
  code(): string;
  /** Six digits that it shows neither now nor in the neighbouring time steps. */
  wrongCode(): string;
}

/** @throws UnexpectedAnswer when the API refuses any of it */
export async function assembleCast(api: Client): Promise<Cast> {
  const person = { external_ref: `demo-${randomUUID()}`, type: 'person', name: 'Ada Byron', country: 'GB' };
  const principal = await api.post<{ principal_id: string }>('/v1/identities/principals', person);
  const { principal_id } = principal.body;
  const enrolment = await api.post<{ otpauth_url: string }>(`/v1/identities/principals/${principal_id}/totp`, {});
  const totp = URI.parse(enrolment.body.otpauth_url) as TOTP;

  const agent = await api.post<{ data: { id: string } }>('/v1/agents', { name: 'Travel agent (demo)', principal_id });
  const agent_id = agent.body.data.id;
  const delegate = async (currency: string, scope: object = {}) => {
    const { body } = await api.post<{ delegation_id: string }>('/v1/identities/delegations', {
      principal_id,
      agent_id,
      scope: {
        actions: ['payment.authorize', 'payment.refund'],
        currencies: [currency],
        max_amount: 500,
        ...scope,
      },
      ttl_seconds: 3600,
    });
    return body.delegation_id;
  };
  const confirmed = { step_up_above: STEP_UP_ABOVE };
  return {
    principal_id,
    agent_id,
    everyday: await delegate('EUR'),
    cautious: await delegate('EUR', confirmed),
    doomed: await delegate('EUR', confirmed),
    abroad: await delegate(CURRENCY_OUTSIDE_POLICY),
    code: () => totp.generate(),
    wrongCode: () => wrongCode(totp),
  };
}

function wrongCode(totp: TOTP): string {
  for (let candidate = 0; ; candidate++) {
    const code = String(candidate).padStart(totp.digits, '0');
    if (totp.validate({ token: code, window: 2 }) === null) return code;
  }
}
