import { z } from 'zod';
import type { ChallengeResponse } from '../../domain/messages.ts';
import { stepUpQuestion } from '../../store/step-up-question.ts';
import type { ExecutionRow } from '../../store/executions/read.ts';
import { listPasskeys, usePasskey } from '../../store/passkeys.ts';
import type { Db } from '../../store/pool.ts';
import { verifyTotp } from '../../store/totp.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';

export interface Answering {
  ref: Pick<ExecutionRef, 'tenant'>;
  row: Pick<ExecutionRow, 'id' | 'intent' | 'principal_id'>;
  now: Date;
}

const TotpResponse = z.strictObject({ code: z.string() });
const PasskeyResponse = z.strictObject({ assertion: z.looseObject({ id: z.string() }) });
const ApprovalResponse = z.strictObject({ approved: z.boolean() });

/**
 * `proved`: the principal was there and said yes; `declined`: somebody who may answer said no, for which nobody has to
 * prove anything; `wrong`: all else.
 */
export type StepUpVerdict = 'proved' | 'declined' | 'wrong';

/** Judges an answer to a challenge, of an execution or of a refund, by its method, and uses up what it proves with. */
export async function judgeAnswer(
  deps: ActivityDeps,
  db: Db,
  answering: Answering,
  { method, sealedResponse }: ChallengeResponse,
): Promise<StepUpVerdict> {
  const response: unknown = JSON.parse(deps.sealer.open(sealedResponse));
  switch (method) {
    case 'totp':
      return (await isCode(deps, db, answering, response)) ? 'proved' : 'wrong';
    case 'webauthn':
      return (await isAssertion(deps, db, answering, response)) ? 'proved' : 'wrong';
    case 'approval': {
      // A word proves nothing: it can only be a no.
      const parsed = ApprovalResponse.safeParse(response);
      return parsed.success && !parsed.data.approved ? 'declined' : 'wrong';
    }
  }
}

async function isCode(deps: ActivityDeps, db: Db, { ref, row, now }: Answering, response: unknown): Promise<boolean> {
  const parsed = TotpResponse.safeParse(response);
  if (!parsed.success) return false;
  const asked = { tenant: ref.tenant, principalId: row.principal_id, code: parsed.data.code, now };
  return (await verifyTotp(db, deps.sealer, asked)) === 'ok';
}

/** Of a passkey of the principal, over this very question, verified by its user (WebAuthn Level 3 §7.2). */
async function isAssertion(
  { passkeys }: ActivityDeps,
  db: Db,
  { ref, row, now }: Answering,
  response: unknown,
): Promise<boolean> {
  const parsed = PasskeyResponse.safeParse(response);
  if (!parsed.success || !passkeys) return false;
  const { assertion } = parsed.data;
  const known = await listPasskeys(db, ref.tenant, row.principal_id);
  const passkey = known.find(({ id }) => id === assertion.id);
  if (!passkey) return false;
  const newCounter = await passkeys.answered(stepUpQuestion(row.id, row.intent), passkey, assertion);
  return newCounter !== undefined && usePasskey(db, passkey, { newCounter, at: now });
}
