import { isJson } from '../mandates/shapes.ts';
import type { Json } from '../mandates/types.ts';
import { payeeOf, type Payee } from '../screening.ts';
import type { Intent, IntentContext } from '../types.ts';

/** Who is to be paid by a mandate, for screening: what the mandate says comes before what the caller adds. */
export function payeeOfMandate(intent: Intent, context: IntentContext, claims: Json, checkout?: Json): Payee {
  const said = [claims['payee'], checkout?.['merchant']].find(isJson) ?? {};
  const { name, website } = said;
  const host = typeof website === 'string' ? /^(?:https?:\/\/)?([^/:?#]+)/i.exec(website)?.[1] : undefined;
  return {
    ...payeeOf(intent, context),
    ...(typeof name === 'string' ? { name } : {}),
    ...(host === undefined ? {} : { domain: host.toLowerCase() }),
  };
}
