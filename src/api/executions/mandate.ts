import type { z } from 'zod';
import { withPayee } from '../../domain/assessments/payee.ts';
import type { PresentedMandate } from '../../domain/mandates/evidence.ts';
import type { Intent, IntentContext, Reason } from '../../domain/types.ts';
import type { Examined } from '../../trust/mandates/examine.ts';
import type { Sealer } from '../../trust/seal.ts';
import { examinePresented, readPresented } from '../assessments/presented.ts';
import { evidenceOf } from '../assessments/question.ts';
import type { VerificationBody } from '../mandate-body.ts';

const PAYMENTS = ['mandate.payment.1', 'ap2.mandates.PaymentMandate'];

/**
 * The mandate of an authorize request, verified and held against the intent. Here, and not in the workflow: what
 * travels on is what was found, and the document sealed. Nothing is relied upon that nobody signed. Whom it pays is
 * screened, and so it joins the circumstances.
 * @throws Problem `invalid_request` or `invalid_mandate` for what cannot be read
 */
export async function presentedMandate(
  sealer: Sealer,
  mandate: Record<string, unknown>,
  verification: z.output<typeof VerificationBody> | undefined,
  { intent, context }: { intent: Intent; context: IntentContext },
): Promise<{ mandate: PresentedMandate; context: IntentContext }> {
  const presented = await readPresented('ap2_payment', mandate);
  const examined = await examinePresented(presented, verification, [], new Date());
  const evidence = evidenceOf(examined, 'execution');
  return {
    mandate: {
      ...evidence,
      reasons: [...evidence.reasons, ...unrelied(examined), ...unbound(examined, intent)],
      contentHash: presented.contentHash,
      type: examined.type,
      opens: examined.opens,
      ...(examined.reference === undefined ? {} : { reference: examined.reference }),
      sealedDocument: sealer.seal(JSON.stringify(mandate)),
    },
    context: withPayee(context, examined.claims, examined.checkout),
  };
}

function unrelied({ signed, type }: Examined): Reason[] {
  return [
    ...(signed ? [] : [reason('unsigned', 'Nobody signed the mandate')]),
    ...(PAYMENTS.includes(type) ? [] : [reason('unexpected_kind', `A ${type} authorizes no payment by itself`)]),
  ];
}

/**
 * A mandate is for its own amount at its own merchant. Of a payee only the best name counts, its id before the others:
 * those are what the constraints of the mandate need not have looked at.
 */
function unbound({ intent: said }: { intent: Intent }, intent: Intent): Reason[] {
  const reasons: Reason[] = [];
  if (said.amountMinor !== intent.amountMinor || said.currency !== intent.currency) {
    const message = `The mandate is for ${said.amountMinor} minor units of ${said.currency}`;
    reasons.push(reason('binding_mismatch', message));
  }
  if (said.merchantRef !== intent.merchantRef) {
    reasons.push(reason('binding_mismatch', 'The mandate is for another merchant'));
  }
  return reasons;
}

function reason(code: string, message: string): Reason {
  return { code, category: 'mandate', message };
}
