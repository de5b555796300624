import { isJson } from '../mandates/shapes.ts';
import type { Json } from '../mandates/types.ts';
import type { IntentContext } from '../types.ts';

/** Scheme and user information in front of a host are not the host. */
const HOST = /^\s*(?:(?:[a-z][a-z0-9+.-]*:)?\/\/)?(?:[^/?#]*@)?([^/:?#\s]+)/i;

/**
 * The circumstances with what the mandate says of who is paid, which comes before what the caller adds. They are kept
 * with the decision, so that whoever screens again at a later yes screens the same payee.
 */
export function withPayee(context: IntentContext, claims: Json, checkout?: Json): IntentContext {
  const said = [claims['payee'], checkout?.['merchant']].find(isJson) ?? {};
  const { name, website } = said;
  const host = typeof website === 'string' ? HOST.exec(website)?.[1] : undefined;
  const told = {
    ...(typeof name === 'string' ? { name } : {}),
    ...(host === undefined ? {} : { domain: host.toLowerCase() }),
  };
  return Object.keys(told).length === 0 ? context : { ...context, payee: { ...context.payee, ...told } };
}
